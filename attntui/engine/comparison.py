"""Two runs of one stack, token beside token: what is left of one when the other is taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import Reading, SideInfo, Stack, StackInfo
from attntui.engine.matching import UNMATCHED, matched

if TYPE_CHECKING:
    from attntui.engine.reading import Reader, Rows
    from attntui.engine.run import Run


@dataclass(frozen=True, eq=False)
class Comparison:
    """The run that is taken away, and where its positions are for those of this one."""

    other: Reader
    queries: Tensor
    """(queries) on the CPU: the counterpart's position, -1 where there is none."""
    keys: Tensor

    def less(
        self, rows: Rows, start: int, stop: int, read: Callable[[Reader, int, int], Rows]
    ) -> Rows:
        """Rows without the other run's, 0 where there is no counterpart.

        `read` reads rows of the other run as these were read.
        """
        queries = self.queries[start:stop]
        lines = torch.nonzero(queries != UNMATCHED)[:, 0]
        weights = torch.zeros_like(rows.weights)
        if len(lines):
            known = queries[lines]
            first, last = int(known.min()), int(known.max()) + 1
            theirs = read(self.other, first, last).weights.to(weights.device)
            theirs = theirs[..., known - first, :][..., self.keys.clamp_min(0)]
            weights[..., lines, :] = rows.weights[..., lines, :] - theirs
            weights[..., self.keys == UNMATCHED] = 0
        return replace(rows, weights=weights)


def compared(reader: Reader, run: Run, other: Run, stack: Stack, reading: Reading) -> Reader:
    """A reader of a run's weights less those of the other.

    Raises:
        UserError: the other run has no such stack, or not as many layers and heads.
    """
    ours, theirs = run.views.tower(stack).info, other.views.tower(stack).info
    if _heads(ours) != _heads(theirs):
        raise UserError(
            "the two runs have other numbers of layers or heads: what is not there in both cannot"
            " be compared."
        )
    sides = zip(run.sides(stack), other.sides(stack), strict=True)
    queries, keys = (_counterparts(*pair, reading.words) for pair in sides)
    taken = other.reader(stack, Reading(reading.words, reading.sinks))
    return replace(reader, comparison=Comparison(taken, queries, keys))


def _heads(stack: StackInfo) -> list[int]:
    return [layer.heads for layer in stack.layers]


def _counterparts(side: SideInfo, other: SideInfo, words: bool) -> Tensor:
    texts, others = (
        [unit.text for unit in (each.words if words and each.words else each.tokens)]
        for each in (side, other)
    )
    return torch.from_numpy(matched(texts, others))
