"""How often the engine may die of the same before the screen leaves it dead and says why."""

from dataclasses import dataclass
from typing import Literal

from attntui.client.engine import EngineGone
from attntui.core.protocol import ModelInfo, PromptInput
from attntui.core.selection import choose, describe, parse_selection, spread

MOST = 3
Doing = Literal["load", "run", "show"]
SHORTER = (
    "A shorter prompt (i), a smaller model (Ctrl+O) or --dtype bfloat16 take less; R tries again."
)

WAYS_ON: dict[Doing, str] = {
    "load": "R tries again; Ctrl+O opens a smaller model; --dtype bfloat16 is half of float32.",
    "run": "R runs it again and records layers {fewer} alone; a shorter prompt (i) takes less.",
    "show": "R starts it again; choose another view first, or a shorter prompt (i).",
}


@dataclass
class Deaths:
    """The deaths in a row, and what the last one for want of memory was of."""

    count: int = 0
    _of: tuple[Doing, PromptInput | None] | None = None

    def survived(self) -> None:
        """A prompt has run."""
        self.count = 0
        if self._of is not None and self._of[0] != "show":
            self._of = None

    def is_worth_another_try(
        self, gone: EngineGone, doing: Doing, prompt: PromptInput | None
    ) -> bool:
        """Whether to start the engine and do the same again.

        To die of memory once may be another program's doing; of the same twice is its own. What is
        shown is asked for again after each run, so that a run is no progress there.
        """
        if not gone.of_memory and doing != "show":
            self.count += 1
            if self.count < MOST:
                return True
            self.count = 0
            return False
        before, self._of = self._of, (doing, prompt)
        return before != self._of


def fewer(model: ModelInfo | None, record: str) -> str | None:
    """Half of the layers that were recorded, as a list; None where there is no half."""
    if model is None:
        return None
    heads = [[layer.heads for layer in stack.layers] for stack in model.stacks]
    total = max(len(each) for each in heads)
    chosen = None if record in {"all", "fit"} else parse_selection(record, "--record")
    numbers = choose(chosen, total, "layer", model.name)
    layers = [at for at in numbers if any(at < len(each) and each[at] for each in heads)]
    if len(layers) < 2:
        return None
    return describe([layers[at] for at in spread(len(layers) // 2, len(layers))])
