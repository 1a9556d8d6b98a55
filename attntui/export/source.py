"""Where the numbers of a file come from."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from attntui.client.engine import Engine
from attntui.client.questions import OnProgress, Rows, matrix_rows
from attntui.core.protocol import ModelInfo, PromptInput, Reading, RunInfo, View


@dataclass(frozen=True)
class Source:
    """A finished run that an engine holds, and the prompt that it read."""

    engine: Engine
    model: ModelInfo
    run: RunInfo
    prompt: PromptInput

    def rows(
        self, view: View, shape: tuple[int, int], reading: Reading, progress: OnProgress
    ) -> AsyncIterator[Rows]:
        """All rows of a view, `shape` (queries, keys), block by block in order."""
        return matrix_rows(self.engine, self.run.run, view, shape, progress, reading)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be said of these numbers."""
        trust = self.run.trust
        doubt = () if trust.exact else (f"these numbers are not known to be exact: {trust.why}",)
        return (*doubt, *self.model.notes, *self.run.notes)
