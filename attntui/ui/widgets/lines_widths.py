"""How the width of the lines page is shared out."""

from dataclasses import dataclass

from attntui.core.protocol import Head, View
from attntui.render.labels import longest
from attntui.ui.state import Look

LABEL_LEAST, LABEL_LIMIT = 5, 16
EDGE_LEAST = len("↑  more") - 1
"""Columns of a label that leave room, with the number beside it, for how many are out of sight."""
DRAWING_SMALLEST, DRAWING_LEAST = 5, 16
"""Columns of the drawing that figures must leave; that those of several heads, or a bar, must."""
FIGURE = len(" .413")
BAR_LEAST, BAR_LIMIT = 6, 14


@dataclass(frozen=True)
class Widths:
    """Columns of each part. From left to right: a mark, number, label and cursor of a query; the
    drawing; cursor, label and number of a key, its figures, a bar."""

    numbers: tuple[int, int]
    labels: tuple[int, int]
    drawing: int
    figures: tuple[int, ...]
    """One for each view: 1 where there is room for no more, none where not for that either."""
    bar: int

    @property
    def left(self) -> int:
        """Where the drawing begins."""
        return self.numbers[0] + self.labels[0] + 3

    @property
    def right(self) -> int:
        """Where it ends."""
        return self.left + self.drawing


def shared_out(width: int, look: Look, views: tuple[View, ...], edged: bool) -> Widths:
    """Labels as long as the ordinary tokens need, figures where they fit, the rest a drawing."""
    sides = look.queries, look.keys
    least = EDGE_LEAST if edged else LABEL_LEAST
    limit = max(least, min(LABEL_LIMIT, width // 5))
    ordinary = [[unit.text for unit in units if not unit.special] for units in sides]
    queries, keys = (max(least, longest(texts, limit)) for texts in ordinary)
    numbers = len(str(max(len(sides[0]) - 1, 0))), len(str(max(len(sides[1]) - 1, 0)))
    room = width - queries - keys - sum(numbers) - 5
    figures = tuple(max(FIGURE, len(head_name(view)) + 1) for view in views)
    if len(views) > 1 and room - sum(figures) < DRAWING_LEAST:
        figures = (1,) * len(views)
    if room - sum(figures) < DRAWING_SMALLEST:
        figures = ()
    room -= sum(figures)
    bar = min(BAR_LIMIT, (room - DRAWING_LEAST) // 3) if len(views) == 1 else 0
    bar = bar if bar >= BAR_LEAST else 0
    return Widths(numbers, (queries, keys), max(0, room - bar), figures, bar)


def head_name(view: View) -> str:
    """`2.3`; empty for what is not one head."""
    return f"{view.layer}.{view.head}" if isinstance(view, Head) else ""
