"""Thin lines over cells, such as the one between two sentences."""

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style


def upright(segments: Iterable[Segment], column: int, ink: Style) -> list[Segment]:
    """A row with a line at the left edge of a column, where the cell there is blank."""
    before, at, after = _parted(segments, column, column + 1)
    return [*before, *_inked(at, "▏", ink), *after]


def below(segments: Iterable[Segment], start: int, stop: int, ink: Style) -> list[Segment]:
    """A row with a line at the bottom of the blank cells of columns start to stop."""
    before, at, after = _parted(segments, start, stop)
    return [*before, *_inked(at, "▁", ink), *after]


def _parted(segments: Iterable[Segment], start: int, stop: int) -> list[list[Segment]]:
    segments = list(segments)
    width = Segment.get_line_length(segments)
    if not 0 <= start < stop <= width:
        return [segments, [], []]
    parts = Segment.divide([*segments, Segment("")], [start, stop, width])
    return [*parts, [], []][:3]


def _inked(segments: Iterable[Segment], glyph: str, ink: Style) -> Iterable[Segment]:
    for segment in segments:
        if segment.text.strip():  # a figure, or a shade that a line would hide
            yield segment
        else:
            style = (segment.style or ink) + Style(color=ink.color)
            yield Segment(glyph * len(segment.text), style)
