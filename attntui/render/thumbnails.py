"""Whole matrices as small maps, in dots: two a line in colour, one where glyphs carry the value.

A dot is one column wide. In colour it is half a line high, and so about square: `▀` in the colours
of two dots. Where shades carry the value it is a line high, and two columns make a square.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from attntui.core.scale import Scale, shown_levels
from attntui.render.palette import Palette

if TYPE_CHECKING:
    import numpy as np

OUTSIDE = -1
PARTS = "─│┌┐└┘"
"""Of a frame, where glyphs carry the value; a frame of kind k has the codes -2 - 6k and below."""


@dataclass(frozen=True)
class Grain:
    """How fine a small map is: the positions that a cell pools, and the dots that it fills."""

    row_step: int
    key_step: int
    across: int = 1
    down: int = 1

    def size(self, queries: int, keys: int) -> tuple[int, int]:
        """Columns and dots of the map of so many queries and keys."""
        return -(-keys // self.key_step) * self.across, -(-queries // self.row_step) * self.down

    @property
    def pools(self) -> bool:
        """Whether a cell stands for more than one weight."""
        return self.row_step > 1 or self.key_step > 1


def finest(queries: int, keys: int, columns: int, dots: int, square: int) -> Grain:
    """The finest grain at which a matrix fits; `square` columns and one dot make a square.

    A matrix of few positions is scaled up by whole numbers, so that all cells look alike. Where
    it must be pooled, the side with room to spare is pooled less, down to half as much.
    """
    columns, dots = max(columns, 1), max(dots, 1)
    times = min(columns // (square * max(keys, 1)), dots // max(queries, 1))
    if times:
        return Grain(1, 1, square * times, times)
    step = max(-(-keys // columns), -(-queries // (square * dots)))
    row_step = max(-(-queries // dots), -(-square * step // 2))
    return Grain(row_step, max(-(-keys // columns), -(-step // 2)))


@dataclass(frozen=True)
class Shading:
    """Which cells of a small map are drawn, and how bright.

    Outside are the future of a causal model that does not look there, weights below the threshold
    and what the reading does not show (NaN).
    """

    grain: Grain
    scale: Scale
    count: int
    """Number of levels."""
    causal: bool = False
    threshold: float = 0.0
    zero: int = 0
    """The level of no difference, where maps are of differences."""

    def dots(self, maps: np.ndarray) -> np.ndarray:
        """Weights (heads, rows, keys), pooled as the grain says, as (heads, dots, columns) int8."""
        import numpy as np

        shown = shown_levels(maps, self.scale, self.count, self.zero)
        steps = self.grain.row_step, self.grain.key_step
        _, down, across = maps.shape
        last_query = (np.arange(down) + 1) * steps[0] - 1
        future = np.arange(across) * steps[1] > last_query[:, None]
        outside = (np.abs(maps) < self.threshold) | (self.causal & future & (maps == 0))
        shown = np.where(outside, np.int8(OUTSIDE), shown.astype(np.int8))
        return shown.repeat(self.grain.down, 1).repeat(self.grain.across, 2)


def draw_frame(line: np.ndarray, at: int, left: int, columns: int, dots: int, kind: int) -> None:
    """The part of a frame around a map that crosses a line of dots, `at` dots below its top."""
    if not -1 <= at <= dots:
        return
    horizontal, vertical, *corners = (-2 - len(PARTS) * kind - part for part in range(len(PARTS)))
    right = left + columns
    if 0 <= at < dots:
        line[left - 1] = line[right] = vertical
        return
    line[left:right] = horizontal
    line[left - 1], line[right] = corners[:2] if at < 0 else corners[2:]


class DotPen:
    """Writes dots as segments. The styles of two dots above each other are made once.

    Args:
        frames: the style of each kind of frame.
    """

    def __init__(self, palette: Palette, frames: tuple[Style, ...]) -> None:
        self.palette, self.frames = palette, frames
        self._cells: dict[tuple[int, ...], tuple[str, Style]] = {}

    @property
    def square(self) -> int:
        """Columns that are together as wide as a dot is high."""
        return 1 if self.palette.coloured else 2

    @property
    def per_line(self) -> int:
        """Dots above each other in a line."""
        return 2 if self.palette.coloured else 1

    def segments(self, dots: np.ndarray) -> list[Segment]:
        """A line of the screen from its dots (per_line, columns); equal neighbours are one run."""
        import numpy as np

        changes = np.flatnonzero((dots[:, 1:] != dots[:, :-1]).any(0)) + 1
        segments = []
        for start, stop in pairwise([0, *changes.tolist(), dots.shape[1]]):
            glyph, style = self._cell(tuple(dots[:, start].tolist()))
            segments.append(Segment(glyph * (stop - start), style))
        return segments

    def _cell(self, codes: tuple[int, ...]) -> tuple[str, Style]:
        if codes not in self._cells:
            self._cells[codes] = self._pair(*codes) if len(codes) == 2 else self._glyph(*codes)
        return self._cells[codes]

    def _glyph(self, code: int) -> tuple[str, Style]:
        if code >= 0:
            return self.palette.glyphs[code], self.palette.styles[code]
        if code == OUTSIDE:
            return " ", self.palette.outside
        kind, part = divmod(-2 - code, len(PARTS))
        return PARTS[part], self.frames[kind]

    def _pair(self, upper: int, lower: int) -> tuple[str, Style]:
        above, below = self._colour(upper), self._colour(lower)
        if above == below:
            return " ", Style(bgcolor=above)
        return "▀", Style(color=above, bgcolor=below)

    def _colour(self, code: int) -> Color | None:
        if code >= 0:
            return self.palette.styles[code].bgcolor
        if code == OUTSIDE:
            return self.palette.outside.bgcolor
        return self.frames[(-2 - code) // len(PARTS)].color
