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

_BLANK = 0x2800
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
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
    lit = np.array(_BITS, dtype=np.uint32)[y[shown] % DOWN, x[shown] % ACROSS]
    np.bitwise_or.at(bits, cells[shown], lit)
    text = np.where(bits, bits + _BLANK, ord(" ")).astype("<u4").reshape(rows, columns)
    return Drawing(
        tuple(row.tobytes().decode("utf-32-le") for row in text),
        tuple(map(tuple, inks.reshape(rows, columns).tolist())),
    )


def _dots(
    curves: Sequence[Curve], columns: int, height: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dots): column, row, and the curve that each belongs to; in the order of the curves.

    A curve is y = left + (right - left) (3t² - 2t³), sampled so densely that no dot is missed: its
    steepest part rises 1.5 times as fast as a straight line.
    """
    import numpy as np

    found = np.array([(c.left, c.right, *c.pen) for c in curves], dtype=np.int32)
    left, right, gap, width = found.T[:, :, None]
    last = columns * ACROSS - 1
    t = np.linspace(0, 1, max(last + 1, int(np.abs(right - left).max() * 1.5) + 2))
    x = np.rint(t * last).astype(np.int32)
    y = np.rint(left + (right - left) * (3 - 2 * t) * t**2).astype(np.int32)
    is_new = np.ones(y.shape, dtype=bool)
    is_new[:, 1:] = (np.diff(x) != 0) | (np.diff(y) != 0)
    number = is_new.cumsum(1, dtype=np.int32) - 1
    lit = is_new & ((number % gap == 0) | (number == number[:, -1:]))
    beside = np.arange(2)
    rows = y[..., None] + beside
    lit = lit[..., None] & (beside < width[..., None]) & (rows >= 0) & (rows < height)
    of, sample, _ = lit.nonzero()
    return x[sample], rows[lit], of


def _inks(curves: Sequence[Curve], column: np.ndarray, of: np.ndarray) -> np.ndarray:
    """(dots): the ink of each; several inks take turns along their curve."""
    import numpy as np

    most = max(len(curve.inks) for curve in curves)
    table = np.array([curve.inks + (NO_INK,) * (most - len(curve.inks)) for curve in curves])
    count = np.array([len(curve.inks) for curve in curves])
    return np.asarray(table[of, column // STRIPE % count[of]])
