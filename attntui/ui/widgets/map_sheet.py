"""Where small maps lie on a page: a table of layers by heads, or maps flowing with captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from textual.geometry import Size

from attntui.render.thumbnails import Grain, finest

HeadName = tuple[int, int]
"""(layer, head)."""
Zoom = Literal["plain", "whole"] | int
"""Everything in sight if that is large enough to read; everything in sight; columns of a map."""

SIDES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Columns of a map, from far to near."""
LEAST, COMFORT = 8, 16
"""Columns of a map: the fewest that still show a pattern, and what it is given where maps scroll
anyway."""
SHORT = 24
"""Columns of a map that shows each token by itself, up to which maps that flow do, and scroll."""
CAPTION = 12
"""Columns that a caption needs: `11.10 0.831`."""


@dataclass(frozen=True)
class Matrix:
    """What is to be drawn: positions of a map, and the dots of the terminal."""

    queries: int
    keys: int
    square: int
    """Columns that are together as wide as a dot is high."""
    per_line: int
    """Dots above each other in a line."""

    def grain(self, columns: int, dots: int) -> Grain:
        """The finest grain within a frame."""
        return finest(self.queries, self.keys, columns, dots, self.square)

    def square_grain(self, columns: int) -> Grain:
        """The finest grain within a square frame."""
        return self.grain(columns, columns // self.square)

    def area(self, frame: tuple[int, int]) -> int:
        """Dots that a map fills in a frame; 0 where there is no room."""
        columns, dots = self.grain(*frame).size(self.queries, self.keys)
        return columns * dots if columns <= frame[0] and dots <= frame[1] else 0

    def zoomed(self, zoom: Zoom, whole: tuple[int, int], widest: int, least: int) -> Grain:
        """The grain for a zoom.

        `whole` is the frame of each map where all are in sight; `widest` and `least` are the
        columns that a map may have, and should have where maps scroll anyway.
        """
        if isinstance(zoom, int):
            return self.square_grain(zoom)
        grain = self.grain(*whole)
        legible = not grain.pools or min(whole[0], whole[1] * self.square) >= least
        if zoom == "whole" or legible:
            return grain
        return self.square_grain(max(least, min(widest, COMFORT)))


@dataclass(frozen=True)
class Sheet:
    """Rows of small maps. Lines and columns count from the top left of the first map's frame."""

    rows: tuple[tuple[HeadName, ...], ...]
    grain: Grain
    width: int
    """Columns of a map."""
    dots: int
    """Dots of a map."""
    slot: int
    """Columns from one map to the next; in a table, frames side by side share one."""
    per_line: int
    captions: bool
    """Above each map a line for its name and value; it is then the top of its frame."""

    @property
    def fixed_columns(self) -> int:
        """Columns on the left that stay in sight: the numbers of a table's rows."""
        return 0 if self.captions else len(str(len(self.rows))) + 2

    @property
    def fixed_lines(self) -> int:
        """Lines above that stay in sight: the numbers of a table's columns."""
        return 0 if self.captions else 1

    @property
    def pitch(self) -> int:
        """Lines from one row of maps to the next."""
        return self.captions + -(-(self.dots + 1) // self.per_line)

    @property
    def margin(self) -> int:
        """Lines above the first row, for the top of its frame."""
        return 0 if self.captions else 1

    @cached_property
    def size(self) -> tuple[int, int]:
        """Columns and lines of it all."""
        most = max((len(row) for row in self.rows), default=0)
        return most * self.slot + 1, self.margin + len(self.rows) * self.pitch

    def line(self, row: int) -> int:
        """The first line of a row of maps, its captions among them."""
        return self.margin + row * self.pitch

    def row_at(self, line: int) -> tuple[int, int]:
        """The row of maps that a line belongs to, and which of its lines it is."""
        return divmod(line - self.margin, self.pitch)

    def first_dot(self, row: int) -> int:
        """The first line of dots of a row of maps."""
        return (self.line(row) + self.captions) * self.per_line

    def left(self, column: int) -> int:
        """The first column of a map, right of its frame."""
        return column * self.slot + 1

    def step(self, place: tuple[int, int], down: int, right: int) -> tuple[int, int]:
        """The place so many rows and columns on, as far as there are maps.

        Maps that flow are walked in their order; in a table a row ends at its sides.
        """
        rows = [number for number, row in enumerate(self.rows) if row]
        row = rows[min(max(rows.index(place[0]) + down, 0), len(rows) - 1)]
        column = min(place[1], len(self.rows[row]) - 1) + right
        if self.captions:
            across, last = len(self.rows[0]), sum(len(row) for row in self.rows) - 1
            row, column = divmod(min(max(row * across + column, 0), last), across)
        return row, min(max(column, 0), len(self.rows[row]) - 1)

    def place(self, head: HeadName) -> tuple[int, int] | None:
        """Row and column of a head's map; None where it has none."""
        for number, row in enumerate(self.rows):
            if head in row:
                return number, row.index(head)
        return None

    def head_at(self, column: int, line: int) -> HeadName | None:
        """The head whose map, frame or caption lies there."""
        row, _ = self.row_at(line)
        place = max(column, 0) // self.slot
        inside = 0 <= row < len(self.rows) and place < len(self.rows[row])
        return self.rows[row][place] if inside else None


def table(rows: Sequence[Sequence[HeadName]], matrix: Matrix, room: Size, zoom: Zoom) -> Sheet:
    """Layers down, heads across."""
    kept = tuple(tuple(row) for row in rows)
    empty = Sheet(kept, Grain(1, 1), 0, 0, 1, matrix.per_line, captions=False)
    columns, lines = room.width - empty.fixed_columns - 1, room.height - empty.fixed_lines - 1
    across = columns // max(1, max(len(row) for row in rows)) - 1
    dots = lines // len(rows) * matrix.per_line - 1
    grain = matrix.zoomed(zoom, (across, dots), across, LEAST)
    width, dots = grain.size(matrix.queries, matrix.keys)
    return replace(empty, grain=grain, width=width, dots=dots, slot=width + 1)


def flow(heads: Sequence[HeadName], matrix: Matrix, room: Size, zoom: Zoom) -> Sheet:
    """One map after the other, each with a caption, in rows of equal length across `room`."""
    columns = room.width
    most = max(1, min(len(heads), columns // CAPTION))
    frames = [
        _flow_frame(matrix, -(-len(heads) // each), each, room) for each in range(1, most + 1)
    ]
    wide = max(matrix.queries, matrix.keys) * matrix.square
    least = wide if wide <= SHORT else LEAST
    grain = matrix.zoomed(zoom, max(frames, key=matrix.area), columns, least)
    width, dots = grain.size(matrix.queries, matrix.keys)
    slot = max(width + 2, CAPTION)
    down = -(-len(heads) // max(1, columns // slot))
    each = -(-len(heads) // max(1, down))
    rows = tuple(tuple(heads[at : at + each]) for at in range(0, len(heads), max(1, each)))
    slot = max(slot, columns // max(1, each))
    return Sheet(rows, grain, width, dots, slot, matrix.per_line, captions=True)


def next_side(matrix: Matrix, sheet: Sheet, nearer: int) -> int | None:
    """Columns of the next larger (1) or smaller (-1) maps; None where there are none."""
    for side in SIDES[::nearer]:
        size = sum(matrix.square_grain(side).size(matrix.queries, matrix.keys))
        if size * nearer > (sheet.width + sheet.dots) * nearer:
            return side
    return None


def _flow_frame(matrix: Matrix, down: int, across: int, room: Size) -> tuple[int, int]:
    """Columns and dots of each map where so many rows and columns of maps are in sight."""
    columns, lines = room.width, room.height
    return columns // across - 2, (lines // max(1, down) - 1) * matrix.per_line - 1
