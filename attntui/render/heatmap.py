"""A heatmap as lines of segments, as wide as there is room: for output that does not scroll."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.segment import Segment
from rich.style import Style

from attntui.core.protocol import Token, Word
from attntui.core.scale import Scale, brightness, levels
from attntui.core.tokens import visible
from attntui.render.labels import downwards, fit, header_height, longest
from attntui.render.palette import Palette
from attntui.render.strips import DIGITS_FROM, digit_segments, row_segments

PLAIN = Style()
CELL_WIDTHS = (6, 5, 2)
"""Columns of a cell: the first that lets everything in; weights are written in all but the last."""
LABEL_LEAST, LABEL_LIMIT = 3, 16
HEADER_LIMIT = 8


@dataclass(frozen=True)
class Heatmap:
    """The frame of a heatmap of `queries` by `keys` in `width` columns."""

    queries: Sequence[Token | Word]
    keys: Sequence[Token | Word]
    width: int

    @property
    def step(self) -> int:
        """How many tokens a side of a cell stands for, so that all of them have room."""
        return max(1, -(-len(self.keys) * CELL_WIDTHS[-1] // max(CELL_WIDTHS[-1], self._room)))

    @property
    def cell_width(self) -> int:
        fitting = (one for one in CELL_WIDTHS if len(self.keys) * one <= self._room)
        return next(fitting, CELL_WIDTHS[-1])

    @property
    def _room(self) -> int:
        return self.width - self._label_width

    @property
    def _number_width(self) -> int:
        return len(str(len(self.queries) - 1))

    @property
    def _label_width(self) -> int:
        # Special tokens are cut to what the others need.
        texts = [unit.text for unit in self.queries if not unit.special]
        limit = min(LABEL_LIMIT, self.width // 3)
        return self._number_width + 1 + max(LABEL_LEAST, longest(texts, limit)) + 1

    def lines(self, weights: np.ndarray, scale: Scale, palette: Palette) -> Iterator[list[Segment]]:
        """`weights`: (rows, keys), each the largest of `step` x `step`, NaN for none."""
        yield from self._header()
        shown = levels(brightness(weights, scale), palette.count).tolist()
        for row, (line, numbers) in enumerate(zip(shown, weights.tolist(), strict=True)):
            yield [self._label(row), *self._cells(line, numbers, palette)]

    def _header(self) -> Iterator[list[Segment]]:
        texts = [unit.text for unit in self.keys[:: self.step]]
        ordinary = [unit.text for unit in self.keys if not unit.special]
        height = header_height(texts, ordinary, HEADER_LIMIT)
        columns = [downwards(text, height) for text in texts]
        left = (self.cell_width - 2) // 2
        right = self.cell_width - 2 - left
        for at in range(height):
            pieces = (fit(column[at], 2) for column in columns)
            cells = "".join(" " * left + piece + " " * right for piece in pieces)
            yield [Segment(" " * self._label_width + cells, PLAIN)]

    def _label(self, row: int) -> Segment:
        at = row * self.step
        text = visible(self.queries[at].text) + ("…" if self.step > 1 else "")
        room = self._label_width - self._number_width - 2
        return Segment(f"{at:>{self._number_width}} {fit(text, room)} ", PLAIN)

    def _cells(self, line: list[int], numbers: list[float], palette: Palette) -> list[Segment]:
        if self.cell_width >= DIGITS_FROM:
            return digit_segments(line, numbers, palette, self.cell_width)
        return row_segments(line, palette, self.cell_width)
