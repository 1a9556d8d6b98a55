"""The lines of the text page: text in the shade of its weight, and under it shades or figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

from attntui.core.protocol import Direction
from attntui.render.labels import fit
from attntui.render.palette import Palette
from attntui.render.text_lines import NO_UNIT, Line, figures, shades
from attntui.ui.state import Look
from attntui.ui.widgets.text_layout import TextBlock, TextLayout

UNDERLINED = Style(underline=True)
MARKED = Style(underline=True, bold=True)
REVERSED = Style(reverse=True)
DIM = Style(dim=True)


@dataclass(frozen=True)
class TextDrawing:
    """What a page of text looks like now.

    The selected unit is one of the text `selecting`; `levels` and `weights` are of the units of the
    text `shaded`, empty while they are not known.
    """

    look: Look
    layout: TextLayout
    selecting: TextBlock
    shaded: TextBlock
    selected: int
    direction: Direction
    levels: Sequence[int]
    weights: Sequence[float]
    palette: Palette
    pen: Callable[[str], Style]

    def row(self, block: TextBlock, line: Line, part: int) -> list[Segment]:
        """A row of the page: the text of a line, or what stands under it."""
        if part == 0:
            label = Segment(fit(line.label, self.layout.margin), self.pen("strong"))
            texts = (Segment(span.text, self._style(block, span.unit)) for span in line.spans)
            return [label, *texts]
        if not self.levels or block is not self.shaded:
            return []
        margin = Segment(" " * self.layout.margin, self.pen("text"))
        if part == 1 and self.palette.has_glyphs:
            return [margin, *shades(line, self.levels, self.palette)]
        return [margin, *figures(line, self.weights, self.pen("faint"))]

    def _style(self, block: TextBlock, unit: int) -> Style:
        if unit == NO_UNIT:
            return self.pen("text")
        if block is self.selecting and unit == self.selected:
            # Without colour, a cursor in colours would be lost.
            cursor = self.pen("cursor")
            if self.palette.has_glyphs:
                cursor = self.pen("current") + REVERSED
            return cursor + MARKED if self._is_marked(block, unit) else cursor
        is_shaded = block is self.shaded and bool(self.levels)
        style = self._shade(
            self.levels[unit] if is_shaded else self.palette.zero, unit in block.signs
        )
        if self._is_marked(block, unit):
            return style + MARKED
        gives = self.direction == "attends_to"
        is_other = is_shaded and unit == (self.look.key if gives else self.look.query)
        return style + UNDERLINED if is_other else style

    def _is_marked(self, block: TextBlock, unit: int) -> bool:
        """Whether a unit is marked; one text stands for both sides."""
        rows, columns = self.look.marked_queries, self.look.marked_keys
        if len(self.layout.blocks) == 1:
            return unit in rows or unit in columns
        return unit in (rows if block.axis == "queries" else columns)

    def _shade(self, level: int, is_sign: bool) -> Style:
        nothing = self.palette.zero
        if level not in {-1, nothing}:
            return self.palette.ink(level)
        if level == nothing and not is_sign:
            return self.pen("text")
        return self.pen("faint") + DIM if self.palette.has_glyphs else self.pen("faint")
