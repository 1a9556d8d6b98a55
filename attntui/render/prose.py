"""Shaded text as lines of segments, for output that does not scroll."""

from collections.abc import Iterator, Sequence

from rich.segment import Segment

from attntui.render.listing import PLAIN
from attntui.render.palette import Palette
from attntui.render.readable import Piece
from attntui.render.text_lines import NO_UNIT, Line, shades, wrap


def prose(
    pieces: Sequence[Piece], shown: Sequence[int], width: int, palette: Palette
) -> Iterator[list[Segment]]:
    """The pieces in lines of `width`, each in the shade of its level, but for the lowest and -1.

    Where the palette has no colours, a line of shades stands under each line of text.
    """
    has_colours = palette.glyphs[-1] == " "
    for line in wrap(pieces, width):
        if line.label:
            yield [Segment(f"{line.label}:", PLAIN)]
        if has_colours:
            yield _in_colours(line, shown, palette)
        else:
            yield [Segment(span.text, PLAIN) for span in line.spans]
            under = shades(line, shown, palette)
            if any(segment.text.strip() for segment in under):
                yield under


def _in_colours(line: Line, shown: Sequence[int], palette: Palette) -> list[Segment]:
    segments = []
    for span in line.spans:
        level = 0 if span.unit == NO_UNIT else shown[span.unit]
        segments.append(Segment(span.text, palette.ink(level) if level > 0 else PLAIN))
    return segments
