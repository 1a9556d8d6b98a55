"""Text in lines of a width: line breaks kept, words whole, each token knowing where it stands."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal, NamedTuple

from rich.cells import cell_len, split_graphemes
from rich.segment import Segment
from rich.style import Style

from attntui.core.tokens import NEWLINE, sanitise
from attntui.render.palette import Palette
from attntui.render.readable import Piece
from attntui.render.strips import short_weight

NO_UNIT = -1
# No Japanese line begins with a closing mark or ends with an opening one.
CLOSING = frozenset(
    "、。，．・：；？！)」』）】〕］｝〉》”’ー々…ぁぃぅぇぉっゃゅょァィゥェォッャュョ"
)
OPENING = frozenset("「『（【〔［｛〈《“‘")
_PARTS = re.compile(r"\n| +|[^\n ]+")


class Span(NamedTuple):
    """A part of a line that is one unit's, or nobody's (`NO_UNIT`); `x`, `width` in columns."""

    unit: int
    x: int
    width: int
    text: str


@dataclass
class Line:
    """`label` names the section that begins here."""

    label: str = ""
    spans: list[Span] = field(default_factory=list)

    @property
    def width(self) -> int:
        return self.spans[-1].x + self.spans[-1].width if self.spans else 0

    def nearest(self, x: int) -> int | None:
        """The unit at a column, or the nearest to it; None on a line without any."""
        spans = [span for span in self.spans if span.unit != NO_UNIT]
        distances = [max(span.x - x, x - span.x - span.width + 1, 0) for span in spans]
        return spans[distances.index(min(distances))].unit if spans else None


class _Chunk(NamedTuple):
    """A part of a unit that is torn only where no line can hold it; "wide": one wide character."""

    unit: int
    text: str
    width: int
    kind: Literal["text", "wide", "space", "break"] = "text"

    @property
    def hangs(self) -> bool:
        """Whether it may stand in the column that is kept for the end of a line."""
        return self.kind in {"space", "break"}


def wrap(pieces: Sequence[Piece], width: int) -> list[Line]:
    """The pieces in lines; one column of `width` is kept for the space or line feed at the end."""
    page = _Page(max(2, width) - 1)
    for label, chunks in _sections(pieces):
        page.begin(label)
        for word in _words(chunks):
            page.put(word)
    return page.lines


class _Page:
    """Lines as they fill up."""

    def __init__(self, width: int) -> None:
        self.lines: list[Line] = [Line()]
        self._width = width

    def begin(self, label: str) -> None:
        """A section, on a line of its own."""
        if self.lines[-1].spans:
            self.lines.append(Line())
        self.lines[-1].label = label

    def put(self, word: list[_Chunk]) -> None:
        """A word on this line if there is room, else on the next, else in parts."""
        line, first = self.lines[-1], word[0]
        room = self._width - line.width
        if first.kind == "break":
            self._append(first)
            self.lines.append(Line())
        elif first.kind == "space":
            width = min(first.width, max(room, 0) + 1)
            self._append(first._replace(text=first.text[:width], width=width))
        elif sum(chunk.width for chunk in word) <= room or not line.spans:
            for part in (part for chunk in word for part in _torn(chunk, self._width)):
                self._append(part)
        else:
            self._turn(first.unit)
            self.put(word)

    def _turn(self, unit: int) -> None:
        """A new line, on which `unit` goes on: a space that it began with is not seen."""
        spans = self.lines[-1].spans
        if len(spans) > 1 and spans[-1].unit in {unit, NO_UNIT} and not spans[-1].text.strip(" "):
            spans.pop()
        self.lines.append(Line())

    def _append(self, chunk: _Chunk) -> None:
        if self.lines[-1].width + chunk.width > self._width + chunk.hangs:
            self.lines.append(Line())
        spans, x = self.lines[-1].spans, self.lines[-1].width
        span = Span(chunk.unit, x, chunk.width, chunk.text)
        if spans and spans[-1].unit == chunk.unit:
            before = spans.pop()
            span = Span(chunk.unit, before.x, before.width + chunk.width, before.text + chunk.text)
        spans.append(span)


def _sections(pieces: Sequence[Piece]) -> Iterator[tuple[str, list[_Chunk]]]:
    """The labels and the chunks under each; a section does not begin with a space."""
    label = ""
    chunks: list[_Chunk] = []
    for unit, piece in enumerate(pieces):
        text = piece.text or "∅"
        if piece.label is not None:
            yield label, chunks
            label, chunks = piece.label, []
        if not chunks:
            text = text.lstrip(" ") or text
        elif piece.gap:
            chunks += _chunks(NO_UNIT, piece.gap)
        chunks += _chunks(unit, text)
    yield label, chunks


def _chunks(unit: int, text: str) -> Iterator[_Chunk]:
    for part in _PARTS.findall(text):
        if part == "\n":
            yield _Chunk(unit, " " if unit == NO_UNIT else NEWLINE, 1, "break")
        elif part.isascii() and part.isprintable():
            yield _Chunk(unit, part, len(part), "space" if part[0] == " " else "text")
        else:
            yield from _clusters(unit, sanitise(part))


def _clusters(unit: int, text: str) -> Iterator[_Chunk]:
    """Wide characters one by one, the others together.

    A mark that combines with the character before it stands on a dotted circle where that
    character is another token's.
    """
    spans, _ = split_graphemes(text)
    for wide, group in groupby(spans, key=lambda span: span[2] > 1):
        clusters = [text[start:stop] for start, stop, _ in group]
        for run in clusters if wide else ["".join(clusters)]:
            shown = run if cell_len(run) else f"◌{run}"
            yield _Chunk(unit, shown, cell_len(shown), "wide" if wide else "text")


def _torn(chunk: _Chunk, width: int) -> Iterator[_Chunk]:
    """A chunk, or its characters where it is longer than a line."""
    if chunk.width <= width:
        yield chunk
        return
    spans, _ = split_graphemes(chunk.text)
    for start, stop, columns in spans:
        text = chunk.text[start:stop]
        fits = columns <= width
        yield _Chunk(chunk.unit, text if fits else "…", columns if fits else 1)


def _words(chunks: Sequence[_Chunk]) -> Iterator[list[_Chunk]]:
    """Chunks that no line may end between, together."""
    word: list[_Chunk] = []
    for chunk in chunks:
        if word and _may_end(word[-1], chunk):
            yield word
            word = []
        word.append(chunk)
    if word:
        yield word


def _may_end(before: _Chunk, after: _Chunk) -> bool:
    """Whether a line may end between two chunks."""
    if before.hangs or after.hangs:
        return True
    is_wide = "wide" in {before.kind, after.kind}
    return is_wide and before.text[-1] not in OPENING and after.text[0] not in CLOSING


def shades(line: Line, levels: Sequence[int], palette: Palette) -> list[Segment]:
    """Under a line, the shade of each unit; blank under one that next to nothing is given to."""
    segments = []
    for span in line.spans:
        level = levels[span.unit] if span.unit != NO_UNIT else 0
        if level > 0:
            segments.append(Segment(palette.glyphs[level] * span.width, palette.styles[level]))
        else:
            segments.append(Segment(" " * span.width, palette.outside))
    return segments


def figures(line: Line, weights: Sequence[float], style: Style) -> list[Segment]:
    """Under a line, the weight of each unit that has room for it."""
    segments = []
    for span in line.spans:
        weight = weights[span.unit] if span.unit != NO_UNIT else math.nan
        text = "" if math.isnan(weight) else short_weight(weight)
        if len(text) > span.width:
            text = text[:2] if span.width == 2 and text[1] != "0" else ""
        segments.append(Segment(text.rjust(span.width), style))
    return segments
