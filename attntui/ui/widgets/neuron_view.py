"""One score taken apart: which dimensions of query and key make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual import events
from textual.geometry import Size
from textual.strip import Strip

from attntui.core.protocol import GetScores, Head, Reading, Reply, Request, Scores
from attntui.render.names import view_name
from attntui.ui import captions
from attntui.ui.choices import Legend
from attntui.ui.messages import CellPicked
from attntui.ui.state import Look
from attntui.ui.widgets.neuron_lines import Canvas
from attntui.ui.widgets.neuron_picture import Picture, draw
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.score_parts import ScoreParts
from attntui.ui.widgets.waiting import waiting_line

if TYPE_CHECKING:
    import numpy as np

KEYS = 32
"""Keys are asked for in so many, with as many more on each side."""


class NeuronView(Page):
    """q · k of the cursor's query and key; of words, of their last tokens."""

    draws_marks = leaves_out = shows_differences = False

    def __init__(self) -> None:
        super().__init__("neuron")
        self.parts: ScoreParts | None = None
        self.by_size = False
        """Whether the dimensions are sorted by what they add."""
        self.refusal = ""
        self._picture = Picture()

    @property
    def legend(self) -> Legend:
        return "signed"

    # What is asked and shown.

    def show_look(self, look: Look) -> None:
        before, self.look = self.look, look
        if before.run is not look.run or before.stack != look.stack:
            self.parts, self.refusal = None, ""
        self.lay_out()

    def requests(self, look: Look) -> dict[str, Request]:
        if self.refusal or look.run is None:
            return {}
        side = look.side("keys")
        assert side is not None
        middle = look.token("keys") // KEYS * KEYS
        keys = max(0, middle - KEYS), min(len(side.tokens), middle + 2 * KEYS)
        query = look.token("queries")
        return {"scores": GetScores(look.run.run, look.stack, look.layer, look.head, query, keys)}

    def accept(self, slot: str, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        assert isinstance(request, GetScores)
        self.parts = ScoreParts(request, cast(Scores, reply), *arrays)
        self.lay_out()

    def refuse(self, sentence: str) -> bool:
        """Show in the middle why a score cannot be taken apart."""
        self.parts, self.refusal = None, sentence[:1].upper() + sentence[1:]
        self.set_title(view_name(Head(self.look.stack, self.look.layer, self.look.head)))
        self.lay_out()
        return True

    def weight_at_cursor(self, look: Look) -> float | None:
        """The weight, where the matrix looked at is the very head that is taken apart."""
        parts = self.parts
        if parts is None or look.own_reading != Reading() or not parts.holds(look.key):
            return None
        asked = parts.request
        head = Head(asked.stack, asked.layer, asked.head)
        is_here = (head, asked.query) == (look.view, look.query)
        return parts.weight(look.key) if is_here else None

    def lay_out(self) -> None:
        """The picture anew; only the lines that differ are painted."""
        before = self._picture.lines
        self._picture = self._drawn()
        lines = self._picture.lines
        self.virtual_size = Size(self.scrollable_content_region.width, len(lines))
        if len(before) != len(lines):
            self.refresh()
        for y, (old, new) in enumerate(zip(before, lines, strict=False)):
            if old != new:
                self.refresh_lines(y)

    def _drawn(self) -> Picture:
        parts, look = self.parts, self.look
        if parts is None or look.run is None:
            return Picture()
        key = look.token("keys")
        if not parts.holds(key):
            return self._picture
        width, height = self.scrollable_content_region.size
        canvas = Canvas(width, height, self.style_of, self.palette.diverging)
        picture = draw(parts, key, look, self.by_size, canvas)
        is_cut = len(picture.lines) > height
        self.set_title(captions.score_title(parts.request, key, look, is_cut))
        return picture

    def on_resize(self) -> None:
        self.lay_out()

    def notify_style_update(self) -> None:
        self.lay_out()
        super().notify_style_update()

    def enter(self, look: Look) -> Look | None:
        """Sort the dimensions by what they add, or put them in order."""
        if self.parts is None:
            return None
        self.by_size = not self.by_size
        self.lay_out()
        return look

    def turn(self, look: Look, pages: int) -> Look:
        """Through this page, where it is longer than the screen."""
        if not self.max_scroll_y:
            return super().turn(look, pages)
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False, force=True)
        return look

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or offset.x < self._picture.keys_from:
            return
        key = self._picture.keys.get(offset.y + int(self.scroll_offset.y))
        if key is not None:
            self.post_message(CellPicked(None, self.look.unit_of("keys", key)))

    def render_line(self, y: int) -> Strip:
        if self.refusal:
            text = self.style_of("text")
            return self.strip_of(waiting_line(y, self.size, self.refusal, None, text, text))
        lines, at = self._picture.lines, y + int(self.scroll_offset.y)
        return self.strip_of(lines[at] if at < len(lines) else [])
