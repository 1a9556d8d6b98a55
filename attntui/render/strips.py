"""A row of levels as Rich segments: equal neighbours become one run.

What goes over the wire follows the information: most attention is next to nothing, so most of a
row is one long run.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.segment import Segment
from rich.style import Style

from attntui.render.diverging import Diverging
from attntui.render.palette import Palette

BOLD = Style(bold=True)
PLAINLY_BOLD = Style(bold=True, dim=False)
"""For a mark that the faintest shade must not hide."""
DIGITS_FROM = 5
"""Columns a cell needs for its weight to be written in it."""


def runs(levels: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(level, length) of every run of equal levels."""
    for level, equal in groupby(levels):
        yield level, sum(1 for _ in equal)


def row_segments(levels: Sequence[int], palette: Palette, width: int) -> list[Segment]:
    """Cells of `width` columns each; level -1 is a cell outside of what can be attended to."""
    segments = []
    for level, length in runs(levels):
        if level < 0:
            segments.append(Segment(" " * (width * length), palette.outside))
        else:
            text = palette.glyphs[level] * (width * length)
            segments.append(Segment(text, palette.styles[level]))
    return segments


def signed_segments(levels: Sequence[int], diverging: Diverging, width: int) -> list[Segment]:
    """Cells of `width` columns each, of levels from `-diverging.reach` to `diverging.reach`."""
    reach = diverging.reach
    return [
        Segment(diverging.glyphs[level + reach] * (width * length), diverging.styles[level + reach])
        for level, length in runs(levels)
    ]


def digit_segments(
    levels: Sequence[int], weights: Sequence[float], palette: Palette, width: int
) -> list[Segment]:
    """As `row_segments`, each weight written inside its cell; `width` is at least 5."""
    segments = []
    for level, weight in zip(levels, weights, strict=True):
        if level < 0:
            segments.append(Segment(" " * width, palette.outside))
            continue
        edge = palette.glyphs[level] if palette.glyphs[level] in "▒▓█" else " "
        text = f"{short_weight(weight):>3}".center(width - 2)
        segments.append(Segment(f"{edge}{text}{edge}", palette.inks[level]))
    return segments


def cursor_segments(level: int, weight: float, palette: Palette, width: int) -> list[Segment]:
    """The cell under the cursor: in brackets, in ink that stands out from its shade."""
    ink = palette.ink(level)
    bold = ink + BOLD
    if width < 2:
        return [Segment("◆", bold)]
    inside = short_weight(weight) if width >= DIGITS_FROM else ""
    return [Segment("[", bold), Segment(inside.center(width - 2), ink), Segment("]", bold)]


def marked_segments(
    mark: str, level: int, is_cursor: bool, palette: Palette, width: int
) -> list[Segment]:
    """The cell of a head that is marked: a sign beside its shade; under the cursor in a bracket."""
    ink = palette.ink(level) + PLAINLY_BOLD
    if is_cursor:
        return [Segment(f"[{mark}".ljust(width) if width > 1 else "◈", ink)]
    return [Segment(mark, ink), *row_segments([level] * (width - 1), palette, 1)]


def short_weight(weight: float) -> str:
    """A weight in three columns: `.61`, `1.0`; empty below half a hundredth. Below 0, in four."""
    if weight <= -0.005:
        return f"-{short_weight(-weight)}"
    if not weight >= 0.005:  # nor is NaN, of a cell that the reading does not show
        return ""
    return f"{weight:.2f}"[1:] if weight < 0.995 else f"{weight:.1f}"
