"""Lines between two columns of tokens, as strong as the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.geometry import Region
from textual.strip import Strip

from attntui.core.pairs import sentence_boundary
from attntui.core.protocol import GetWindow, Reply, Request, View
from attntui.ui import captions
from attntui.ui.messages import CellPicked, LookPicked
from attntui.ui.state import Look
from attntui.ui.widgets.lines_column import Column, side_by_side
from attntui.ui.widgets.lines_ends import Ends, ends
from attntui.ui.widgets.lines_rows import (
    HeldBlocks,
    blocks,
    drawn_queries,
    drawn_views,
    listed,
    within,
)
from attntui.ui.widgets.lines_sheet import Sheet
from attntui.ui.widgets.lines_widths import Widths, head_name, shared_out
from attntui.ui.widgets.page import Page

if TYPE_CHECKING:
    import numpy as np

WHEEL = 3
"""Lines that a turn of the mouse wheel goes on by."""


class LinesView(Page):
    """Queries on the left, keys on the right; lines of the query at the cursor and the marked ones,
    or of all queries in sight.

    What is drawn are the last rows that came: `rows` (views, queries, keys), of `views` and
    `queries`. The look can be ahead of them.
    """

    shows_differences = False

    def __init__(self) -> None:
        super().__init__("lines")
        self.is_all = False
        self.has_header = True
        """A line of headings and heads' names, unless the line of what is above serves."""
        self.left, self.right = Column(), Column()
        self.views: tuple[View, ...] = ()
        self.queries: tuple[int, ...] = ()
        self.rows: np.ndarray | None = None
        self.ends: Ends | None = None
        self._blocks = HeldBlocks()
        self._strips: list[Strip] = []

    # What is shown.

    def show_look(self, look: Look) -> None:
        before, self.look = self.look, look
        if before.run is not look.run or (before.stack, before.words) != (look.stack, look.words):
            self.rows = None
            self.lay_out()
        elif before.between != look.between:
            self.lay_out()
            self.post_message(LookPicked(within(look)))
        elif self._are_several(before) != self._are_several(look):
            self.lay_out()
        else:
            self._follow(before)
            self.update()

    def _follow(self, before: Look) -> None:
        """Both columns scroll with the query; the keys alone where only the key moved."""
        look = self.look
        if before.query != look.query:
            top = self.left.top
            self.left = self.left.holding(look.query)
            self.right = self.right.scrolled(self.left.top - top)
        elif before.key != look.key:
            self.right = self.right.holding(look.key)

    def lay_out(self) -> None:
        """The columns anew, level with each other, the query in sight."""
        look = self.look
        gaps = sentence_boundary(look.queries), sentence_boundary(look.keys)
        left, right = side_by_side(listed(look), gaps, max(0, self.size.height - 1))
        self.has_header = not left.edged or self._are_several(look)
        if not self.has_header:
            left, right = side_by_side(listed(look), gaps, self.size.height)
        self.left = left.holding(look.query)
        self.right = right.scrolled(self.left.top)
        self.update()

    def _are_several(self, look: Look) -> bool:
        return len(drawn_views(look, len(self.palette.hues))) > 1

    def on_resize(self) -> None:
        self.lay_out()
        self.ask()

    def fit(self) -> str:
        """Bring the columns level again."""
        before = self.left, self.right
        self.lay_out()
        self.ask()
        is_moved = before != (self.left, self.right)
        return "" if is_moved else "The query is in sight, and both columns are level."

    def change_zoom(self, nearer: int) -> bool:
        """Near are the lines of one token, far are those of all."""
        if self.is_all is (nearer < 0):
            return False
        self.is_all = nearer < 0
        self.update()
        self.ask()
        return True

    def move(self, look: Look, down: int, right: int) -> Look:
        return within(super().move(look, down, right))

    def edge(self, look: Look, down: int, right: int) -> Look:
        return within(super().edge(look, down, right))

    def turn(self, look: Look, pages: int) -> Look:
        return self.move(look, pages * max(1, self.left.window // self.left.spacing - 1), 0)

    # Which weights are needed.

    def _wanted_views(self) -> tuple[View, ...]:
        return drawn_views(self.look, len(self.palette.hues))

    def _wanted_queries(self) -> tuple[int, ...]:
        seen = self.left.seen if self.is_all else None
        return drawn_queries(self.look, seen, len(self._wanted_views()))

    def _needed(self) -> list[GetWindow]:
        return blocks(self.look, self._wanted_views(), self._wanted_queries())

    def requests(self, look: Look) -> dict[str, Request]:
        missing = self._blocks.missing(self._needed())
        return {} if missing is None else {"rows": missing}

    def accept(self, slot: str, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        assert isinstance(request, GetWindow)
        self._blocks.put(request, arrays[0])
        self.update()
        self.ask()

    def weight_at_cursor(self, look: Look) -> float | None:
        """The exact weight of the cell, if its row is at hand."""
        needed = self._needed()
        if not needed or look.view not in self._wanted_views():
            return None
        if self._blocks.missing(needed) is not None:
            return None
        view = self._wanted_views().index(look.view)
        return float(self._blocks.rows(needed, (look.query,))[view, 0, look.key])

    def update(self) -> None:
        """Draw what is at hand: the lines before stay until those that are wanted have come."""
        needed = self._needed()
        if needed and self._blocks.missing(needed) is None:
            self.views, self.queries = self._wanted_views(), self._wanted_queries()
            self.rows = self._blocks.rows(needed, self.queries)
        self.ends = None
        if self.rows is not None:
            seen = self.right.seen
            self.ends = ends(self.look, self.queries, self.rows, seen, self.palette.count)
        self._update_title()
        self._repaint()

    def _update_title(self) -> None:
        if self.views:
            count = len(set(self.queries) & set(self.left.tokens))
            is_all = self.is_all and set(self.left.seen) <= set(self.queries)
            self.set_title(captions.lines_title(self.look, self.views, count, is_all))

    def notify_style_update(self) -> None:
        self._strips = []  # made anew when painted: the styles of its parts are not there yet
        super().notify_style_update()

    # The mouse.

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or self.look.run is None:
            return
        widths, line = self.widths, offset.y - self.has_header
        query = self.left.at(line) if offset.x < widths.left else None
        key = self.right.at(line) if offset.x >= widths.right else None
        if query is not None or key is not None:
            self.post_message(CellPicked(query, key))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._turn_wheel(event, WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._turn_wheel(event, -WHEEL)

    def _turn_wheel(self, event: events.MouseEvent, lines: int) -> None:
        event.stop()
        self.left, self.right = self.left.scrolled(lines), self.right.scrolled(lines)
        self.update()
        self.ask()

    # Painting.

    def render_line(self, y: int) -> Strip:
        if not self._strips:
            self._strips = self._drawn()
        return self._strips[y] if y < len(self._strips) else self.strip_of([])

    def _repaint(self) -> None:
        """Paint the lines of the screen that are not as they were."""
        before, self._strips = self._strips, self._drawn()
        if len(before) != len(self._strips):
            self.refresh()
            return
        changed = [y for y, strip in enumerate(self._strips) if strip != before[y]]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def _drawn(self) -> list[Strip]:
        if self.look.run is None:
            return []
        several = len(self.views) > 1
        sheet = Sheet(
            self.look,
            self.ends,
            self.left,
            self.right,
            self.widths,
            tuple(head_name(view) for view in self.views) if several else (),
            self.is_all,
            self.has_header,
            self.palette,
            self.style_of,
        )
        return [self.strip_of(segments) for segments in sheet.lines()]

    @property
    def widths(self) -> Widths:
        """How the width is shared out at present."""
        return shared_out(self.size.width, self.look, self.views, self.left.edged)
