"""Curves in braille: two dots across and four down in every cell, one ink a cell.

numpy is imported by the function that needs it: the first paint does not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

ACROSS, DOWN = 2, 4
"""Dots of a cell."""
STRIPE = 2
"""Cells that a curve of several inks goes on in one of them."""
NO_INK = -1

BLANK = 0x2800
BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a cell, by row and column: Unicode's order, which goes back to paper."""


class Pen(NamedTuple):
    """One dot in `gap` along the curve, `width` dots wide (1 or 2)."""

    gap: int = 1
    width: int = 1


class Curve(NamedTuple):
    """From the left edge to the right one, between two rows of dots; level where it ends.

    In a cell that several curves cross, only those of the greatest `strength` (at least 0) show.
    `inks` are numbers, at least 0, of which the caller knows the meaning.
    """

    left: int
    right: int
    strength: int
    inks: tuple[int, ...]
    pen: Pen = Pen()


@dataclass(frozen=True)
class Drawing:
    """Lines of text, a space where no dot is lit, and the ink of every cell."""

    lines: tuple[str, ...]
    inks: tuple[tuple[int, ...], ...]


def draw(curves: Sequence[Curve], columns: int, rows: int) -> Drawing:
    """The curves over so many cells; what lies above and below them is cut off."""
    if not curves or columns < 1 or rows < 1:
        return Drawing((" " * columns,) * rows, ((NO_INK,) * columns,) * rows)
    import numpy as np

    ordered = sorted(curves, key=lambda curve: curve.strength)
    x, y, of = _dots(ordered, columns, rows * DOWN)
    cells = y // DOWN * columns + x // ACROSS
    strength = np.array([curve.strength for curve in ordered])[of]
    strongest, inks = np.full((2, rows * columns), NO_INK)
    # Of equal cells the last one stays, and the strongest curve comes last.
    strongest[cells] = strength
    inks[cells] = _inks(ordered, x // ACROSS, of)
    shown = strength == strongest[cells]
    bits = np.zeros(rows * columns, dtype=np.uint32)
    lit = np.array(BITS, dtype=np.uint32)[y[shown] % DOWN, x[shown] % ACROSS]
    np.bitwise_or.at(bits, cells[shown], lit)
    text = np.where(bits, bits + BLANK, ord(" ")).astype("<u4").reshape(rows, columns)
    return Drawing(
        tuple(row.tobytes().decode("utf-32-le") for row in text),
        tuple(map(tuple, inks.reshape(rows, columns).tolist())),
    )


def _dots(
    curves: Sequence[Curve], columns: int, height: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dots): column, row, and the curve that each belongs to; in the order of the curves.

    A curve is y = left + (right - left) (3t² - 2t³). Where it leaps over rows from one column to
    the next, both columns fill half of them.
    """
    import numpy as np

    found = np.array([(c.left, c.right, *c.pen) for c in curves], dtype=np.int32)
    left, right, gap, width = found.T[:, :, None]
    t = np.linspace(0, 1, columns * ACROSS)
    y = np.rint(left + (right - left) * (3 - 2 * t) * t**2).astype(np.int32)
    leap = np.abs(np.diff(y))
    back = np.pad(np.maximum(leap - 1, 0) // 2, ((0, 0), (1, 0)))
    ahead = np.pad(leap // 2, ((0, 0), (0, 1)))
    step = np.arange(int((back + ahead).max()) + 1) - back[..., None]
    is_dot = step <= ahead[..., None]
    rows = y[..., None] + np.sign(right - left)[..., None] * step
    number = is_dot.reshape(len(curves), -1).cumsum(1, dtype=np.int32).reshape(is_dot.shape) - 1
    gap, width, last = gap[..., None], width[..., None, None], number[:, -1:, -1:]
    lit = is_dot & ((number % gap == 0) | (number == last))
    beside = np.arange(2)
    rows = rows[..., None] + beside
    lit = lit[..., None] & (beside < width) & (rows >= 0) & (rows < height)
    of, column, _, _ = lit.nonzero()
    return column, rows[lit], of


def _inks(curves: Sequence[Curve], column: np.ndarray, of: np.ndarray) -> np.ndarray:
    """(dots): the ink of each; several inks take turns along their curve."""
    import numpy as np

    most = max(len(curve.inks) for curve in curves)
    table = np.array([curve.inks + (NO_INK,) * (most - len(curve.inks)) for curve in curves])
    count = np.array([len(curve.inks) for curve in curves])
    return np.asarray(table[of, column // STRIPE % count[of]])
