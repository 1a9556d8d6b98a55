"""What a task loses without heads, as plain text: the largest losses, and a map of every head."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attntui.cli.table import head_map
from attntui.core.edit_names import head_name
from attntui.core.protocol import Head, Stack
from attntui.render.names import STACKS


@dataclass(frozen=True, eq=False)
class Losses:
    """Means over `count` questions: accuracy, log-probability, logit difference.

    `scores` (1 + sets, 3), the whole model first.
    """

    sets: tuple[tuple[Head, ...], ...]
    scores: np.ndarray
    count: int

    def lines(self, top: int) -> Iterator[str]:
        """A ranked table, most log-probability lost first, and a map where each head was off."""
        names = ["+".join(map(head_name, heads)) for heads in self.sets]
        width = max(len("whole model"), *(len(name) for name in names))
        yield "1 question" if self.count == 1 else f"{self.count} questions"
        yield ""
        yield f"{'without':<{width}}  accuracy            logprob            logit difference"
        yield f"{'whole model':<{width}}  {_figures(self.scores[0], None)}".rstrip()
        order = np.argsort(self.scores[1:, 1], kind="stable")[:top]
        for at in order.tolist():
            figures = _figures(self.scores[1 + at], self.scores[0])
            yield f"{names[at]:<{width}}  {figures}".rstrip()
        if len(order) < len(self.sets):
            yield f"and {len(self.sets) - len(order)} more, that lose less"
        if all(len(heads) == 1 for heads in self.sets):
            yield from self._maps()

    def _maps(self) -> Iterator[str]:
        """Change of log-probability, layers down, heads across."""
        stacks: dict[Stack, dict[tuple[int, int], float]] = {}
        for (head,), row in zip(self.sets, self.scores[1:], strict=True):
            change = float(row[1] - self.scores[0, 1])
            stacks.setdefault(head.stack, {})[head.layer, head.head] = change
        for stack, cells in stacks.items():
            layers, heads = (1 + max(place[axis] for place in cells) for axis in (0, 1))
            changes = np.full((layers, heads), np.nan)
            for place, change in cells.items():
                changes[place] = change
            lines = list(head_map(changes, "{:+.2f}".format))
            title = f"{STACKS[stack]}change of logprob without each head"
            yield from ["", title, *lines] if lines else []


def _figures(row: np.ndarray, whole: np.ndarray | None) -> str:
    shown = []
    for value, before, digits in zip(row, row if whole is None else whole, (3, 3, 2), strict=True):
        change = "" if whole is None else f" ({value - before:+.{digits}f})"
        shown.append(f"{value:>7.{digits}f}{change:<11}")
    return " ".join(shown)
