"""The whole matrix in small, beside a grid that shows a part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from rich.segment import Segment
from textual import events
from textual.strip import Strip

from attntui.core.protocol import Chosen, GetWindow, Head, Mean, Reply, Request
from attntui.render.thumbnails import OUTSIDE, DotPen, Grain, Shading, draw_frame, finest
from attntui.ui import captions
from attntui.ui.messages import CellPicked
from attntui.ui.state import Look
from attntui.ui.widgets.grid_frame import Span
from attntui.ui.widgets.grid_window import first_look
from attntui.ui.widgets.page import Page

if TYPE_CHECKING:
    import numpy as np

FRAME = 1
"""Dots around the map, for the frame of a part that lies at its edge."""


class Overview(Page, can_focus=False):
    """Follows the grid, which says what part is in sight; not there while that is everything.

    First a sample of the rows comes, then all; a key that goes on gives both up.
    """

    def __init__(self) -> None:
        super().__init__("overview")
        self.asked: GetWindow | None = None
        """What is painted."""
        self._weights: np.ndarray | None = None
        self._dots: np.ndarray | None = None
        self._pen: DotPen | None = None
        self._part: tuple[Span, Span] = ((0, 0), (0, 0))

    # What is shown.

    def show_part(self, rows: Span, keys: Span) -> None:
        """Frame the part of the matrix that the grid shows."""
        if (rows, keys) != self._part:
            self._part = rows, keys
            self._appear()
            self.refresh()

    def show_look(self, look: Look) -> None:
        before, self.look = self.look, look
        if before.run is not look.run or (before.stack, before.words) != (look.stack, look.words):
            self.asked = self._weights = self._dots = None
            self.refresh()
        self._appear()
        if (before.scale, before.threshold) != (look.scale, look.threshold):
            self._shade()
            self.refresh()
        self._update_title()

    def _appear(self) -> None:
        """Be there where the grid shows a part of a matrix of weights."""
        look = self.look
        everything = (0, len(look.queries)), (0, len(look.keys))
        of_weights = isinstance(look.view, Head | Mean | Chosen) and not look.reading.against
        self.display = (
            look.run is not None and look.page == "grid" and of_weights and self._part != everything
        )
        self.screen.set_class(self.display, "-overview")

    @property
    def peak(self) -> float:
        """The weight of the strongest shade: the largest of the cells; 1 where there is none."""
        import numpy as np

        return 1.0 if self._weights is None else float(np.nanmax(self._weights, initial=0.0)) or 1.0

    def _update_title(self) -> None:
        if self.asked is not None:
            self.set_title(captions.overview_title(self.asked, self.peak, self.look))

    def notify_style_update(self) -> None:
        self._pen = None
        self._shade()
        super().notify_style_update()

    # What is asked.

    @property
    def pen(self) -> DotPen:
        if self._pen is None:
            self._pen = DotPen(self.palette, (self.style_of("current"),))
        return self._pen

    @property
    def grain(self) -> Grain:
        """How fine the map is, so that it and a frame around it fit."""
        columns, dots = self.size.width, self.size.height * self.pen.per_line
        queries, keys = len(self.look.queries), len(self.look.keys)
        return finest(queries, keys, columns - 2 * FRAME, dots - 2 * FRAME, self.pen.square)

    def requests(self, look: Look) -> dict[str, Request]:
        if not self.display or not self.size or look.run is None:
            return {}
        grain = self.grain
        window = GetWindow(
            look.run.run,
            look.view,
            (0, len(look.queries)),
            (0, len(look.keys)),
            grain.row_step,
            grain.key_step,
            look.pooling,
            look.reading,
        )
        first = first_look(window, look.run)
        return {"window": window} if first is None else {"sample": first, "window": window}

    def accept(self, slot: str, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        assert isinstance(request, GetWindow)
        if request.sampled and self.asked == replace(request, sampled=0):
            return
        self.asked, self._weights = request, arrays[0]
        self._shade()
        self._update_title()
        self.refresh()

    def _shade(self) -> None:
        if self._weights is None or self.asked is None:
            return
        look, palette, asked = self.look, self.palette, self.asked
        stack, own = look.stack_info, Grain(asked.row_step, asked.key_step)
        causal = stack is not None and stack.causal
        # Of 32,768 tokens most weights are a thousandth: the strongest shade is the largest here.
        levels = (palette.count, causal, look.threshold / self.peak, palette.zero)
        shares = self._weights[None] / self.peak
        self._dots = Shading(own, look.scale, *levels).dots(shares)[0]

    def on_resize(self) -> None:
        self.ask()

    # Painting.

    def render_line(self, y: int) -> Strip:
        if self._dots is None or self.asked is None:
            return self.strip_of([])
        import numpy as np

        each, (down, across) = self.pen.per_line, self._dots.shape
        line = np.full((each, max(self.size.width, across + 2 * FRAME)), OUTSIDE, np.int8)
        (top, bottom), (left, right) = self._part
        steps = self.asked.row_step, self.asked.key_step
        first, left = top // steps[0], left // steps[1]
        wide, high = -(-right // steps[1]) - left, -(-bottom // steps[0]) - first
        for at in range(each):
            dot = y * each + at - FRAME
            if 0 <= dot < down:
                line[at, FRAME : FRAME + across] = self._dots[dot]
            draw_frame(line[at], dot - first, left + FRAME, wide, high, 0)
        return self.strip_of(self.pen.segments(line) or [Segment("", self.style_of("text"))])

    def on_click(self, event: events.Click) -> None:
        """Go where the mouse points."""
        offset = event.get_content_offset(self)
        if offset is None or self.asked is None:
            return
        row, column = offset.y * self.pen.per_line - FRAME, offset.x - FRAME
        query, key = row * self.asked.row_step, column * self.asked.key_step
        look = self.look.move_cell(query - self.look.query, key - self.look.key)
        self.post_message(CellPicked(look.query, look.key))
