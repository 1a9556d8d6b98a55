"""The head map: one cell per head, selector and overview in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.strip import Strip

from attntui.core.head_tables import HeadTable
from attntui.core.word_order import WordOrder
from attntui.ui.messages import HeadPicked
from attntui.ui.state import Look
from attntui.ui.widgets.head_facts import FACTS, facts
from attntui.ui.widgets.head_values import HeadValues

if TYPE_CHECKING:
    import numpy as np

NUMBER = 4
"""Columns of the layer numbers."""
MIN_WIDTH, MAX_WIDTH = 24, 42
EDGES = 3
"""Columns of padding and scrollbar."""


class HeadMap(HeadValues):
    """Layers down, heads across."""

    @property
    def cell_width(self) -> int:
        """Two columns a head where all fit, else one."""
        return 2 if NUMBER + self._shape[1] * 2 <= MAX_WIDTH else 1

    def lay_out(self) -> None:
        self._update_levels()
        layers, heads = self._shape
        width = NUMBER + heads * self.cell_width
        self.styles.width = min(max(width, MIN_WIDTH), MAX_WIDTH) + EDGES
        self.virtual_size = Size(NUMBER + heads * self.cell_width, layers + 1 + FACTS)

    def on_resize(self) -> None:
        self.lay_out()

    def show_look(self, look: Look) -> None:
        super().show_look(look)
        self._entitle()
        line = look.layer + 1
        room = self.size.height
        top = self.scroll_offset.y
        wanted = min(max(top, line - room + 1), max(0, look.layer))
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True)

    def show_effects(self, effects: np.ndarray | None, done: tuple[int, int]) -> None:
        super().show_effects(effects, done)
        self._entitle()

    def show_order(self, order: WordOrder | None, done: tuple[int, int]) -> None:
        super().show_order(order, done)
        self._entitle()

    def _entitle(self) -> None:
        file = self.look.map.file if isinstance(self.look.map, HeadTable) else ""
        name = self.title.removeprefix("Heads · ")
        self.set_title([(self.title, name), (self.progress, ""), (file, "")])

    def render_line(self, y: int) -> Strip:
        layers, heads = self._shape
        if not layers:
            return self.strip_of([])
        if y == 0:
            return self._numbers(heads)
        layer = y - 1 + self.scroll_offset.y
        if layer >= layers:
            lines, at = facts(self, self.size.width), layer - layers
            return self.strip_of(lines[at] if at < len(lines) else [])
        is_current = layer == self.look.layer
        style = self.style_of("current" if is_current else "faint")
        cells = self.cells(layer, self.cell_width)
        stack = self.look.stack_info
        if stack is not None and not stack.layers[layer].heads:
            is_there = stack.layers[layer].kind == "unrecorded"
            long, short = ("not recorded", "not") if is_there else ("no attention", "none")
            none = long if heads * self.cell_width >= len(long) else short
            cells = [Segment(none, self.style_of("faint"))]
        return self.strip_of([Segment(f"{layer:>{NUMBER - 1}} ", style), *cells])

    def _numbers(self, heads: int) -> Strip:
        segments = [Segment(" " * NUMBER, self.style_of("text"))]
        for head in range(heads):
            is_current = head == self.look.head and self.look.shows_head
            # Numbers of two digits touch, so every other one is brighter.
            plain = "text" if head >= 10 and head % 2 else "faint"
            style = self.style_of("current" if is_current else plain)
            text = f"{head:>2}"[-2:] if self.cell_width == 2 else str(head % 10)
            segments.append(Segment(text, style))
        return self.strip_of(segments)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.x < NUMBER or offset.y < 1:
            return
        layer = offset.y - 1 + self.scroll_offset.y
        head = (offset.x - NUMBER) // self.cell_width
        layers, heads = self._shape
        if layer < layers and head < heads:
            self.post_message(HeadPicked(layer, head))
