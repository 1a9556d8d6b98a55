"""The part of a matrix that the grid holds, and how it is zoomed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from attntui.core.costs import QUICK, weights
from attntui.core.protocol import GetWindow, Lens, RunInfo
from attntui.core.scale import Scale, shown_levels
from attntui.render.palette import Palette
from attntui.ui.state import Look

if TYPE_CHECKING:
    import numpy as np

Zoom = tuple[int, int]
"""Columns of a cell, and weights along its side."""
PLAIN: Zoom = (2, 1)
NEAR: tuple[Zoom, ...] = ((7, 1), (5, 1), PLAIN)
"""Cells of one weight, the nearest first."""
ZOOMS = (*NEAR, *((2, 2**power) for power in range(1, 18)))
"""What zooming goes through, from near to far."""


SAMPLE = QUICK // 2
"""Weights of a first look."""


def next_zoom(zoom: Zoom, nearer: int) -> Zoom | None:
    """The next of the zooms in (1) or out (-1); None where there is none."""
    width, step = zoom
    if nearer > 0:
        near = [each for each in ZOOMS if (each[1], -each[0]) < (step, -width)]
        return near[-1] if near else None
    return next((each for each in ZOOMS if (each[1], -each[0]) > (step, -width)), None)


def fitting_zoom(columns: int, lines: int, keys: int, queries: int) -> Zoom:
    """The nearest zoom at which everything is on screen, whatever it takes a cell to pool."""
    for width, _ in NEAR:
        if keys * width <= columns and queries <= lines:
            return width, 1
    width, _ = PLAIN
    return width, max(-(-keys // max(1, columns // width)), -(-queries // max(1, lines)))


def first_look(window: GetWindow, run: RunInfo) -> GetWindow | None:
    """A sample of what takes long to compute; None where it takes no time."""
    count = weights(window, run.stacks, run.sides)
    if count is None or count <= QUICK or window.row_step == 1:
        return None
    rows = window.rows[1] - window.rows[0]
    cells = -(-rows // window.row_step)
    most = int(SAMPLE / (count / max(1, rows)) / cells)
    return replace(window, sampled=min(max(1, most), window.row_step - 1))


@dataclass(frozen=True)
class GridWindow:
    """Weights of a window of a view: (cells down, cells across), as the engine pooled them."""

    request: GetWindow
    weights: np.ndarray

    @property
    def step(self) -> int:
        return self.request.row_step

    @property
    def peak(self) -> float:
        """The largest there is; 0 of weights, which go to 1 whatever there is."""
        if not isinstance(self.request.view, Lens):
            return 0.0
        import numpy as np

        return float(np.nanmax(np.abs(self.weights), initial=0.0))

    def is_of(self, look: Look) -> bool:
        """Whether it is of the view that is looked at, read and pooled in the same way."""
        asked = self.request
        is_pooled = asked.pooling == look.pooling or self.step == 1
        return is_pooled and (asked.view, asked.reading) == (look.view, look.reading)

    def covers(self, rows: tuple[int, int], keys: tuple[int, int]) -> bool:
        """Whether it holds these half-open ranges of positions."""
        (top, bottom), (left, right) = self.request.rows, self.request.keys
        return top <= rows[0] and rows[1] <= bottom and left <= keys[0] and keys[1] <= right

    def weight_at(self, look: Look) -> float | None:
        """The exact weight of the cursor's cell, if it is held unpooled."""
        if self.step != 1 or not self.is_of(look):
            return None
        row, column = look.query - self.request.rows[0], look.key - self.request.keys[0]
        down, across = self.weights.shape
        inside = 0 <= row < down and 0 <= column < across
        return float(self.weights[row, column]) if inside else None

    def same_rows(self, other: GridWindow) -> bool:
        """Whether both hold the same rows of the same view."""
        mine, its = self.request, other.request
        return (mine.run, mine.view, mine.reading, mine.rows, mine.row_step) == (
            its.run,
            its.view,
            its.reading,
            its.rows,
            its.row_step,
        )

    def levels(
        self,
        scale: Scale,
        palette: Palette,
        causal: bool,
        largest: GridWindow | None,
        threshold: float = 0.0,
        peak: float = 0.0,
    ) -> np.ndarray:
        """Levels of all cells; -1 where a causal model cannot look and does not, where the reading
        shows nothing (NaN), and below the threshold.

        `largest` holds each row's largest weight over all keys, for the row scale. What a lens
        makes, which may be of any size, is shown as shares of `peak`.
        """
        of_rows = largest.weights if largest is not None and largest.same_rows(self) else None
        is_share = not isinstance(self.request.view, Lens) or not peak
        shares = self.weights if is_share else self.weights / peak
        shown = shown_levels(shares, scale, palette.count, palette.zero, of_rows)
        import numpy as np

        if threshold:
            shown = np.where(np.abs(shares) < threshold, np.int16(-1), shown)
        if causal:
            down, across = self.weights.shape
            last_query = self.request.rows[0] + (np.arange(down) + 1) * self.step - 1
            first_key = self.request.keys[0] + np.arange(across) * self.step
            future = first_key[None, :] > last_query[:, None]
            shown = np.where(future & (self.weights == 0), np.int16(-1), shown)
        return shown
