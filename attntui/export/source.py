"""Where the numbers of a file come from."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from attntui.client.engine import Engine
from attntui.client.questions import OnProgress, Rows, matrix_rows, window
from attntui.core.protocol import (
    Edits,
    GetWindow,
    ModelInfo,
    PromptInput,
    Reading,
    RunInfo,
    Sampling,
    View,
)


@dataclass(frozen=True)
class Source:
    """A finished run that an engine holds, and the prompt that it read."""

    engine: Engine
    model: ModelInfo
    run: RunInfo
    prompt: PromptInput
    edits: Edits = field(default_factory=Edits)
    sampling: Sampling | None = None
    """How the tokens were chosen that the model added; None where it is not known."""

    def rows(
        self, view: View, shape: tuple[int, int], reading: Reading, progress: OnProgress
    ) -> AsyncIterator[Rows]:
        """All rows of a view, `shape` (queries, keys), block by block in order."""
        return matrix_rows(self.engine, self.run.run, view, shape, progress, reading)

    async def hidden_share(
        self, view: View, rows: tuple[int, int], reading: Reading
    ) -> float | None:
        """What the reading hides of a view's rows, on average; None where it hides nothing."""
        if reading.sinks == "show":
            return None
        # One key is enough: `hidden` is of whole rows.
        request = GetWindow(self.run.run, view, rows, (0, 1), rows[1] - rows[0], 1, "mean", reading)
        hidden = (await window(self.engine, request)).hidden
        return None if hidden is None else float(hidden[0])

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be said of these numbers."""
        trust = self.run.trust
        doubt = () if trust.exact else (f"these numbers are not known to be exact: {trust.why}",)
        return (*doubt, *self.model.notes, *self.run.notes)
