"""The lines page as segments: labels on both sides, curves between them, figures on the right."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from rich.segment import Segment
from rich.style import Style

from attntui.core.tokens import visible
from attntui.render.braille import NO_INK, Drawing, draw
from attntui.render.labels import fit, fit_right
from attntui.render.palette import Palette
from attntui.render.ranking import bar
from attntui.ui.state import Look
from attntui.ui.widgets.lines_column import Column
from attntui.ui.widgets.lines_ends import Ends
from attntui.ui.widgets.lines_widths import Widths

MARK = "▸"
QUERY, KEY = "▐", "▌"
"""Beside the tokens at the cursor."""
UNDERLINED = Style(underline=True)
HEIGHTS = " ▁▂▃▄▅▆▇█"
RULE = "╌"


@dataclass(frozen=True)
class Sheet:
    """Everything that is drawn. `names` are those of several heads, each in a hue of its own."""

    look: Look
    ends: Ends | None
    left: Column
    right: Column
    widths: Widths
    names: tuple[str, ...]
    is_all: bool
    has_header: bool
    palette: Palette
    style_of: Callable[[str], Style]

    def lines(self) -> Iterator[list[Segment]]:
        """The segments of each line, from the top."""
        if self.has_header:
            yield self._header()
        drawing = self._drawing()
        ramps = self.palette.hues if self.names else (self.palette.lines,)
        styles = [style for ramp in ramps for style in ramp]
        drawn = self.ends.drawn(self.look.query) if self.ends is not None else frozenset()
        styles.append(self.style_of("faint"))
        for line, (text, inks) in enumerate(zip(drawing.lines, drawing.inks, strict=True)):
            if line == self.left.gap_line() == self.right.gap_line():
                text = text.replace(" ", RULE)
                inks = tuple(len(styles) - 1 if ink == NO_INK else ink for ink in inks)
            yield [
                *self._query(line),
                *ink_segments(text, inks, styles),
                *self._key(line, drawn),
            ]

    def _drawing(self) -> Drawing:
        columns, lines = self.widths.drawing, self.left.room
        if self.ends is None:
            return draw((), columns, lines)
        curves = self.ends.curves(self.look, self.left, self.right, self.palette.pens)
        return draw(curves, columns, lines)

    def _header(self) -> list[Segment]:
        """Headings; of several heads the names, each in its hue: over their figures, or where those
        are too narrow, over the drawing."""
        faint = self.style_of("faint")
        named = list(zip(self.names, self.palette.hues, strict=False))
        marks = [Segment(f"■ {name}  ", hue[-1]) for name, hue in named]
        if 1 not in self.widths.figures:
            marks = []
        while sum(len(mark.text) for mark in marks) > self.widths.drawing:
            marks.pop()
        rest = self.widths.drawing - sum(len(mark.text) for mark in marks)
        heads = [
            Segment(name.rjust(width) if width > 1 else " ", hue[-1])
            for (name, hue), width in zip(named, self.widths.figures, strict=False)
        ]
        label = self.widths.labels[1] + self.widths.numbers[1] + 1
        return [
            Segment(fit_right("query", self.widths.left - 1) + " " * (1 + rest // 2), faint),
            *marks,
            Segment(" " * (rest - rest // 2 + 1) + fit("key", label), faint),
            *heads,
        ]

    def _beyond(self, line: int, column: Column, name: str) -> str:
        """What stands where no token does: how many are out of sight, or where a sentence ends."""
        if line == column.gap_line():
            return f"{RULE * 2} B" if column is self.left else f"B {RULE * 2}"
        if line == 0 and column.edged:
            heading = "" if self.has_header else name
            return f"↑ {column.above} more" if column.above else heading
        if line == column.room - 1 and column.below:
            return f"↓ {column.below} more"
        return ""

    def _query(self, line: int) -> list[Segment]:
        look, query, widths = self.look, self.left.at(line), self.widths
        faint = self.style_of("faint")
        if query is None:
            text = self._beyond(line, self.left, "query")
            return [Segment(fit_right(text, widths.left - 1) + " ", faint)]
        is_current, is_marked = query == look.query, query in look.marked_queries
        is_drawn = self.is_all or is_marked
        style = self.style_of("current" if is_current else "text" if is_drawn else "faint")
        number = f"{MARK if is_marked else ' '}{query:>{widths.numbers[0]}} "
        return [
            Segment(number, style if is_current else faint),
            Segment(fit_right(visible(look.queries[query].text), widths.labels[0]), style),
            Segment(QUERY if is_current else " ", style),
        ]

    def _key(self, line: int, drawn: frozenset[int]) -> list[Segment]:
        look, key, widths = self.look, self.right.at(line), self.widths
        faint = self.style_of("faint")
        if key is None:
            text = self._beyond(line, self.right, "key")
            label = fit(text, widths.labels[1] + widths.numbers[1] + 1)
            figures = self._figures(0 if line == 0 else -1, None) if "more" in text else []
            return [Segment(" " + label, faint), *figures]
        is_current = key == look.key
        style = self.style_of("current" if is_current else "text" if key in drawn else "faint")
        label = fit(visible(look.keys[key].text), widths.labels[1])
        underlined = style + UNDERLINED if key in look.marked_keys else style
        return [
            Segment(KEY if is_current else " ", style),
            Segment(label, underlined),
            Segment(f" {key:>{widths.numbers[1]}}", style if is_current else faint),
            *self._figures(key - self.right.seen.start + 1, key),
        ]

    def _figures(self, end: int, key: int | None) -> list[Segment]:
        """What the cursor's query gives this end, in each view."""
        weights = self.ends.of_query(self.look.query) if self.ends is not None else None
        if weights is None:
            return []
        column = weights[:, end].tolist()
        segments = [
            Segment(
                figure(weight, width),
                self.palette.hues[view][-1] if self.names else self.style_of("text"),
            )
            for view, (weight, width) in enumerate(zip(column, self.widths.figures, strict=False))
        ]
        if self.widths.bar:
            share = 0.0 if math.isnan(column[0]) else column[0]
            segments.append(Segment(" " + bar(share, self.widths.bar - 1), self.style_of("bar")))
        return segments


def figure(weight: float, width: int) -> str:
    """A weight in its column, `.413`, or a block as high as it where the column is one wide; a
    dash where it is hidden, nothing where it rounds to nothing."""
    if math.isnan(weight):
        return "–".rjust(width)
    if width == 1:
        return HEIGHTS[round(min(weight, 1.0) * 8)]
    if weight < 0.0005:
        return " " * width
    return (f"{weight:.3f}"[1:] if weight < 0.9995 else f"{weight:.2f}").rjust(width)


def ink_segments(text: str, inks: tuple[int, ...], styles: list[Style]) -> list[Segment]:
    """A line of a drawing; a cell without ink goes with those before it, for fewer runs."""
    filled, last = [], 0
    for ink in inks:
        last = last if ink == NO_INK else ink
        filled.append(last)
    segments, at = [], 0
    for ink, run in groupby(filled):
        length = sum(1 for _ in run)
        segments.append(Segment(text[at : at + length], styles[ink]))
        at += length
    return segments
