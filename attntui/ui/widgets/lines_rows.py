"""The rows that lines are drawn of: which ones, asked for in blocks, one block at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from attntui.core.protocol import GetWindow, Head, View
from attntui.ui.state import Look

if TYPE_CHECKING:
    import numpy as np

BLOCK_ROWS = 64
BLOCK_WEIGHTS = 2**18
"""Weights in one answer, unless one row has more: a megabyte."""
MOST_WEIGHTS = 2**22
"""Weights of all the rows whose lines are drawn together."""


def drawn_views(look: Look, most: int) -> tuple[View, ...]:
    """What lines are drawn of: one matrix; or the chosen heads and the one at the cursor, of which
    the `most` that came last."""
    if look.lens not in {"head", "chosen"} or not look.chosen:
        return (look.view,)
    here = (look.layer, look.head)
    is_extra = look.lens == "head" and here not in look.chosen
    heads = (*look.chosen, here) if is_extra else look.chosen
    return tuple(Head(look.stack, layer, head) for layer, head in heads[-most:])


def listed(look: Look) -> tuple[range, range]:
    """The queries and keys that are shown: of a pair, those of the sentences looked at."""
    boundary = look.boundary
    queries, keys = range(len(look.queries)), range(len(look.keys))
    if boundary is None or look.between == "all":
        return queries, keys
    sentences = {"A": queries[:boundary], "B": queries[boundary:]}
    source, target = look.between.split("-")
    return sentences[source], sentences[target]


def within(look: Look) -> Look:
    """The cursor on the nearest tokens that are shown."""
    queries, keys = listed(look)
    if not queries or not keys:
        return look
    query = min(max(look.query, queries[0]), queries[-1])
    return replace(look, query=query, key=min(max(look.key, keys[0]), keys[-1]))


def drawn_queries(look: Look, seen: range | None, views: int) -> tuple[int, ...]:
    """Whose lines are drawn: the query at the cursor and the marked ones, and all in sight where
    `seen` tells which; of very long rows, those nearest to the cursor."""
    wanted = {look.query, *look.marked_queries, *(seen or ())}
    most = max(1, MOST_WEIGHTS // (views * max(1, len(look.keys))))
    nearest = sorted(wanted, key=lambda at: abs(at - look.query))[:most]
    return tuple(sorted(nearest))


def blocks(look: Look, views: Sequence[View], queries: Iterable[int]) -> list[GetWindow]:
    """Whole rows, the cursor's first. A block starts at a multiple of its rows, so that going on by
    one row seldom asks for another."""
    if look.run is None:
        return []
    keys = len(look.keys)
    size = min(BLOCK_ROWS, max(1, BLOCK_WEIGHTS // max(1, keys)))
    starts = sorted(
        {at // size * size for at in queries}, key=lambda at: not at <= look.query < at + size
    )
    return [
        GetWindow(
            look.run.run,
            view,
            (start, min(start + size, len(look.queries))),
            (0, keys),
            reading=look.own_reading,
        )
        for start in starts
        for view in views
    ]


class HeldBlocks:
    """The blocks at hand: those that the present lines need, and the one that came last."""

    def __init__(self) -> None:
        self._held: dict[GetWindow, np.ndarray] = {}
        self._newest: GetWindow | None = None

    def put(self, block: GetWindow, weights: np.ndarray) -> None:
        self._held[block] = weights
        self._newest = block

    def missing(self, needed: Sequence[GetWindow]) -> GetWindow | None:
        """The first block to ask for; what is no longer needed is let go.

        The newest is kept in any case: the painter asks for nothing twice in a row.
        """
        kept = {*needed, self._newest}
        self._held = {block: held for block, held in self._held.items() if block in kept}
        return next((block for block in needed if block not in self._held), None)

    def rows(self, needed: Sequence[GetWindow], queries: Sequence[int]) -> np.ndarray:
        """(views, queries, keys) of blocks that are all at hand; views in their order there."""
        import numpy as np

        views = dict.fromkeys(block.view for block in needed)
        return np.stack([[self._row(needed, view, at) for at in queries] for view in views])

    def _row(self, needed: Sequence[GetWindow], view: View, query: int) -> np.ndarray:
        return next(
            self._held[block][query - block.rows[0]]
            for block in needed
            if block.view == view and block.rows[0] <= query < block.rows[1]
        )
