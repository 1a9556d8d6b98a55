"""A ranked list and a legend as lines of segments, for output that does not scroll."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.segment import Segment
from rich.style import Style

from attntui.core.scale import DESCRIPTIONS, Scale
from attntui.render.labels import fit
from attntui.render.palette import Palette
from attntui.render.ranking import Entry, bar, label_room

PLAIN = Style()
BAR_LIMIT = 30


def ranking(entries: Sequence[Entry], note: str, width: int) -> Iterator[list[Segment]]:
    """Rank, token, position if any, share and a bar, `width` columns at most; `note` below."""
    ranks = len(str(len(entries)))
    positions = ["" if each.position is None else str(each.position) for each in entries]
    places = max(map(len, positions), default=1)
    numbers = ranks + places + 12
    room = label_room(entries, width - numbers)
    for rank, (entry, position) in enumerate(zip(entries, positions, strict=True), 1):
        label = fit(entry.label, room)
        position = f"{position:>{places}}  " if places else ""
        text = f"{rank:>{ranks}}  {label}  {position}{entry.share:.3f} "
        left = min(BAR_LIMIT, width - room - numbers)
        yield [Segment((text + bar(entry.share, left)).rstrip(), PLAIN)]
    if note:
        yield [Segment(fit(note, min(width, len(note))), PLAIN)]


def legend(scale: Scale, palette: Palette, width: int) -> Iterator[list[Segment]]:
    """All shades from 0 to 1, and how they grow."""
    shades = [
        Segment(glyph * 2, style)
        for glyph, style in zip(palette.glyphs, palette.styles, strict=True)
    ]
    yield [Segment("0 ", PLAIN), *shades, Segment(" 1", PLAIN)]
    for line in wrap(DESCRIPTIONS[scale], width):
        yield [Segment(line, PLAIN)]
