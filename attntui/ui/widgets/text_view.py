"""The prompt as a page of text, shaded by what the selected token gives or takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
from textual import events
from textual.geometry import Size
from textual.strip import Strip

from attntui.core.protocol import Direction, GetWindow, Reply, Request
from attntui.render.text_lines import NO_UNIT
from attntui.ui import captions
from attntui.ui.choices import Axis
from attntui.ui.messages import CellPicked
from attntui.ui.state import Look
from attntui.ui.widgets.grid_window import GridWindow
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.text_drawing import TextDrawing
from attntui.ui.widgets.text_layout import TextLayout, lay_out

if TYPE_CHECKING:
    import numpy as np


class TextView(Page):
    """Shades the text by one row of the matrix, or by one column where it was turned round."""

    def __init__(self) -> None:
        super().__init__("text")
        self.direction: Direction = "attends_to"
        self.window: GridWindow | None = None
        self._largest: GridWindow | None = None
        self._levels: list[int] = []
        self._weights: list[float] = []
        self._layout = TextLayout()
        self._laid_out: tuple[object, ...] = ()
        """What is laid out, and the width."""
        self._has_figures = False
        self._kept = (NO_UNIT, 0)
        """The unit that up or down went to last, and the column they keep to."""

    # What is selected and what is shaded.

    @property
    def _is_cross(self) -> bool:
        stack = self.look.stack_info
        return stack is not None and stack.queries != stack.keys

    @property
    def selecting(self) -> Axis:
        """Whose tokens the cursor goes through."""
        return "keys" if self._is_cross and self.direction == "attended_by" else "queries"

    @property
    def shaded(self) -> Axis:
        """Whose tokens show their weights."""
        return "keys" if self.direction == "attends_to" else "queries"

    def _selected(self, look: Look) -> int:
        return look.query if self.selecting == "queries" else look.key

    def _select(self, look: Look, unit: int) -> Look:
        return replace(look, query=unit) if self.selecting == "queries" else replace(look, key=unit)

    def show_look(self, look: Look) -> None:
        before, self.look = self.look, look
        if before.run is not look.run or (before.stack, before.words) != (look.stack, look.words):
            self.window = None
            self.lay_out()
        elif _drawn(before) != _drawn(look):
            self._update_levels()
            self.refresh()
        elif not self._scroll_to_cursor():
            moved = {before.query, before.key, look.query, look.key}
            self._repaint(moved if before != look else ())
        self._update_title()

    def _update_title(self) -> None:
        """The title tells of the weights that are painted, while others are on their way."""
        if self.look.run is not None:
            window = self.window.request if self.window else self._wanted(self.look)
            self.set_title(captions.text_title(window, self.direction, self.look))

    def _update_levels(self) -> None:
        window, look = self.window, self.look
        if window is None:
            self._levels, self._weights = [], []
            return
        stack = look.stack_info
        shown = window.levels(
            look.scale,
            self.palette,
            stack is not None and stack.causal,
            self._largest,
            look.threshold,
        )
        self._levels = shown.ravel().tolist()
        self._weights = window.weights.ravel().tolist()

    def notify_style_update(self) -> None:
        self._update_levels()
        self.lay_out()
        super().notify_style_update()

    # What is asked.

    def _wanted(self, look: Look) -> GetWindow:
        """The selected token's row, or its column."""
        assert look.run is not None
        at = self._selected(look)
        rows = keys = (at, at + 1)
        if self.direction == "attends_to":
            keys = (0, len(look.keys))
        else:
            rows = (0, len(look.queries))
        return GetWindow(look.run.run, look.view, rows, keys, reading=look.reading)

    def requests(self, look: Look) -> dict[str, Request]:
        window = self._wanted(look)
        if look.scale != "row" or self.direction == "attends_to":
            return {"window": window}
        keys = len(look.keys)
        largest = msgspec.structs.replace(window, keys=(0, keys), key_step=keys)
        return {"window": window, "largest": largest}

    def accept(self, slot: str, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        assert isinstance(request, GetWindow)
        found = GridWindow(request, arrays[0])
        if slot == "largest":
            self._largest = found
        elif self._goes_this_way(request):
            self.window = found
        before = self._levels
        self._update_levels()
        self._update_title()
        if self._has_figures or len(before) != len(self._levels):
            self.refresh()
        else:
            pairs = enumerate(zip(before, self._levels, strict=True))
            self._repaint({unit for unit, (old, new) in pairs if old != new})

    def _goes_this_way(self, request: GetWindow) -> bool:
        if self.direction == "attends_to":
            return request.keys == (0, len(self.look.keys))
        return request.rows == (0, len(self.look.queries))

    def weight_at_cursor(self, look: Look) -> float | None:
        return None if self.window is None else self.window.weight_at(look)

    # Geometry: a line of text takes a row of the page, and one each for its shades and figures.

    @property
    def rows(self) -> int:
        """Rows of the page that a line of text takes."""
        return 1 + self.palette.has_glyphs + self._has_figures

    def lay_out(self) -> None:
        """Lines anew, after new tokens or a resize."""
        width = self.scrollable_content_region.width
        laid_out = (self.look.run, self.look.stack, self.look.words, width)
        if laid_out != self._laid_out:
            self._laid_out = laid_out
            self._layout = lay_out(self.look, width) if width else TextLayout()
        self.virtual_size = Size(width, self._layout.height * self.rows)
        self._scroll_to_cursor()
        self.refresh()

    def on_resize(self) -> None:
        self.lay_out()

    def _scroll_to_cursor(self) -> bool:
        """Bring the selected token into sight; whether anything moved."""
        if not self._layout.blocks:
            return False
        block = self._layout.block(self.selecting)
        row = (block.top + block.places[self._selected(self.look)][0]) * self.rows
        top = self.scroll_offset.y
        wanted = min(max(top, row + self.rows - self.size.height), row)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True)
        return wanted != top

    def _repaint(self, units: Collection[int]) -> None:
        """Only the lines in sight that hold one of these."""
        first = self.scroll_offset.y // self.rows
        for number in range(first, first + -(-self.size.height // self.rows) + 1):
            found = self._layout.line_at(number)
            if found is not None and any(span.unit in units for span in found[1].spans):
                self.refresh_lines(number * self.rows, self.rows)

    def change_zoom(self, nearer: int) -> bool:
        """Write the weights under the text, or leave them out."""
        wish = nearer > 0
        if wish == self._has_figures:
            return False
        self._has_figures = wish
        self.lay_out()
        return True

    # Keys.

    def move(self, look: Look, down: int, right: int) -> Look:
        at = self._selected(look)
        if right or not self._layout.blocks:
            return self._select(look, at + right).settle()
        block = self._layout.block(self.selecting)
        unit, column = self._kept
        column = column if unit == at else block.places[at][1]
        found = block.vertical(at, down, column)
        at = found if found != at else block.line_end(at, down)  # on the first and the last line
        self._kept = (at, column)
        return self._select(look, at)

    def edge(self, look: Look, down: int, right: int) -> Look:
        """Ends of the line, or of the text."""
        if down or not self._layout.blocks:
            far = max(len(look.queries), len(look.keys))
            return self._select(look, self._selected(look) + down * far).settle()
        block = self._layout.block(self.selecting)
        return self._select(look, block.line_end(self._selected(look), right))

    def turn(self, look: Look, pages: int) -> Look:
        return self.move(look, pages * max(1, self.size.height // self.rows - 1), 0)

    def enter(self, look: Look) -> Look:
        """Turn the question round: what the token attends to, what attends to it."""
        self.direction = "attended_by" if self.direction == "attends_to" else "attends_to"
        self.window = self._largest = None
        self._update_levels()
        self._update_title()
        self._scroll_to_cursor()
        self.refresh()
        self.ask()
        return look

    def fit(self) -> str:
        return "" if self._scroll_to_cursor() else super().fit()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        found = self._layout.line_at((offset.y + self.scroll_offset.y) // self.rows)
        unit = None if found is None else found[1].nearest(offset.x - self._layout.margin)
        if found is not None and unit is not None:
            is_query = found[0].axis == "queries"
            self.post_message(CellPicked(unit, None) if is_query else CellPicked(None, unit))

    # Painting.

    def render_line(self, y: int) -> Strip:
        number, part = divmod(y + int(self.scroll_offset.y), self.rows)
        found = self._layout.line_at(number)
        return self.strip_of([] if found is None else self._drawing.row(*found, part))

    @property
    def _drawing(self) -> TextDrawing:
        return TextDrawing(
            self.look,
            self._layout,
            self._layout.block(self.selecting),
            self._layout.block(self.shaded),
            self._selected(self.look),
            self.direction,
            self._levels,
            self._weights,
            self.palette,
            self.style_of,
        )


def _drawn(look: Look) -> tuple[object, ...]:
    """What of a look changes how the whole page is drawn."""
    marks = look.marked_queries, look.marked_keys
    return (look.scale, look.threshold, *marks)
