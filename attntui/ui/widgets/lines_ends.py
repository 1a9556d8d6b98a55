"""Where lines end, and how strong they are: keys in sight one by one, the others together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attntui.core.scale import brightness, levels
from attntui.render.braille import Curve, Pen
from attntui.ui.state import Look
from attntui.ui.widgets.lines_column import Column
from attntui.ui.widgets.lines_rows import listed

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Ends:
    """What each query gives in each view, as (views, queries, ends).

    The first end is all keys above those in sight, the last one all keys below.

    `weights` of those add up; they are NaN where the reading hides a key, or the sentences looked
    at leave it out. `levels` of those are of their strongest; below 1, no line is drawn.
    """

    queries: tuple[int, ...]
    keys: range
    weights: np.ndarray
    levels: np.ndarray

    def of_query(self, query: int) -> np.ndarray | None:
        """(views, ends) weights of one query, if its row is at hand."""
        return self.weights[:, self.queries.index(query)] if query in self.queries else None

    def drawn(self, query: int) -> frozenset[int]:
        """The keys in sight that a line of this query goes to."""
        if query not in self.queries:
            return frozenset()
        strongest = self.levels[:, self.queries.index(query), 1:-1].max(0).tolist()
        return frozenset(key for key, level in zip(self.keys, strongest, strict=True) if level > 0)

    def curves(self, look: Look, left: Column, right: Column, pens: tuple[Pen, ...]) -> list[Curve]:
        """A curve for each line; several views that draw the same one take turns along it.

        Inks number (view, level) through. The cursor's lines lie over equally strong ones.
        """
        import numpy as np

        curves = []
        for row, end in np.argwhere(self.levels.max(0) > 0).tolist():
            shown = self.levels[:, row, end].tolist()
            strongest, query = max(shown), self.queries[row]
            inks = (view * len(pens) + level for view, level in enumerate(shown) if level > 0)
            curves.append(
                Curve(
                    dot_row(left.line(query)),
                    dot_row(self._line(end, right)),
                    2 * strongest + (query == look.query),
                    tuple(inks),
                    pens[strongest],
                )
            )
        return curves

    def _line(self, end: int, right: Column) -> int:
        if end == 0:
            return 0
        return right.room - 1 if end > len(self.keys) else right.line(self.keys[end - 1])


def dot_row(line: int) -> int:
    """The row of dots at which lines leave and reach a token."""
    return 4 * line + 1


def ends(look: Look, queries: tuple[int, ...], rows: np.ndarray, seen: range, count: int) -> Ends:
    """From whole rows, (views, queries, keys), to what is in sight; levels are 0 ... count - 1."""
    import numpy as np

    allowed = np.where(_allowed(look, queries), rows, np.nan)
    drawn = np.where(allowed >= look.threshold, allowed, np.nan)
    largest = np.fmax.reduce(rows, axis=-1, keepdims=True, initial=0.0)
    bright = brightness(_joined(drawn, seen, np.fmax), look.scale, largest)
    added = _joined(np.nan_to_num(allowed), seen, np.add)
    added[..., 1:-1] = allowed[..., seen.start : seen.stop]
    return Ends(queries, seen, added, levels(bright, count))


def _joined(rows: np.ndarray, seen: range, join: np.ufunc) -> np.ndarray:
    """(..., keys) to (..., ends): what is out of sight joined into one end on either side."""
    import numpy as np

    above, below = rows[..., : seen.start], rows[..., seen.stop :]
    outer = (join.reduce(part, axis=-1, keepdims=True, initial=0.0) for part in (above, below))
    first, last = outer
    return np.concatenate((first, rows[..., seen.start : seen.stop], last), axis=-1)


def _allowed(look: Look, queries: tuple[int, ...]) -> np.ndarray:
    """(queries, keys) bool: what leads from the one sentence looked at to the other."""
    import numpy as np

    sources, targets = listed(look)
    is_key = np.zeros(len(look.keys), dtype=bool)
    is_key[targets.start : targets.stop] = True
    return np.array([query in sources for query in queries])[:, None] & is_key
