"""Where the cells of a grid lie: sizes and places in the terminal, in cells and in tokens."""

from __future__ import annotations

from dataclasses import dataclass

from textual.geometry import Offset, Region, Size

from attntui.ui.widgets.grid_window import Zoom

MARGIN = 2**19
"""Weights of the rows above, and of those below, that are had before they are in sight: a row has
those of all keys, whichever are seen."""
Span = tuple[int, int]
"""A half-open range of positions."""


@dataclass(frozen=True)
class GridFrame:
    """One moment of a grid: its size without scrollbars, and how far it is scrolled.

    A cell is `zoom[0]` columns wide and one line high, and stands for `zoom[1]` tokens a side.
    """

    size: Size
    scroll: Offset
    zoom: Zoom
    label_width: int
    header_height: int
    queries: int
    keys: int

    @property
    def body(self) -> Size:
        """Whole cells that fit beside the labels."""
        columns = max(0, self.size.width - self.label_width) // self.zoom[0]
        return Size(columns, max(0, self.size.height - self.header_height))

    @property
    def _corner(self) -> Offset:
        """The first cell in sight."""
        return Offset(self.scroll.x // self.zoom[0], self.scroll.y)

    def columns(self) -> range:
        """Columns of cells in sight, the last perhaps cut."""
        first, across = self._corner.x, -(-self.keys // self.zoom[1])
        room = -(-max(0, self.size.width - self.label_width) // self.zoom[0])
        return range(first, min(first + room, across))

    def whole(self) -> Size:
        """What the whole grid takes, labels and all."""
        width, step = self.zoom
        wide = self.label_width + -(-self.keys // step) * width
        if wide > self.size.width:
            wide += width - 1  # so that the last cell can be scrolled wholly into sight
        return Size(wide, self.header_height + -(-self.queries // step))

    def visible(self) -> tuple[Span, Span]:
        """Positions in sight: queries, keys."""
        corner, body, step = self._corner, self.body, self.zoom[1]
        rows = corner.y * step, min((corner.y + body.height) * step, self.queries)
        columns = corner.x * step, min((corner.x + body.width + 1) * step, self.keys)
        return (min(rows), rows[1]), (min(columns), columns[1])

    def around(self) -> tuple[Span, Span]:
        """What is in sight, and as much again on every side; fewer rows where they are long."""
        rows, keys = self.visible()
        most = MARGIN // max(1, self.keys)
        return self._widened(rows, self.queries, most), self._widened(keys, self.keys)

    def _widened(self, span: Span, size: int, most: int | None = None) -> Span:
        step = self.zoom[1]
        margin = span[1] - span[0] if most is None else min(span[1] - span[0], most)
        margin = -(-margin // step) * step
        return max(0, span[0] - margin), min(size, span[1] + margin)

    def cross(self, query: int, key: int) -> list[Region]:
        """What shows a cursor: its cell, its row's label, its column's."""
        width, step = self.zoom
        x = self.label_width + key // step * width - self.scroll.x
        y = self.header_height + query // step - self.scroll.y
        return [
            Region(x, y, width, 1),
            Region(0, y, self.label_width, 1),
            Region(x, 0, width, self.header_height),
        ]

    def scroll_to(self, query: int, key: int) -> Offset | None:
        """The scrolling that brings a cell out from under the labels, or from far away into the
        middle; None where it is in sight."""
        body, (width, step) = self.body, self.zoom
        row, column = query // step, key // step
        left, top = self._corner
        new_top = min(max(top, row - body.height + 1), row) if body.height else top
        if abs(new_top - top) > body.height:
            new_top = max(0, row - body.height // 2)
        new_left = min(max(left, column - body.width + 1), column) if body.width else left
        return None if (new_left, new_top) == (left, top) else Offset(new_left * width, new_top)

    def cell_at(self, offset: Offset) -> tuple[int, int] | None:
        """The query and the key under a place in the grid."""
        x, y = offset.x - self.label_width, offset.y - self.header_height
        if x < 0 or y < 0:
            return None
        width, step = self.zoom
        query, key = (y + self.scroll.y) * step, (x + self.scroll.x) // width * step
        return (query, key) if query < self.queries and key < self.keys else None
