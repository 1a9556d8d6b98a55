"""How far each layer and head looks: over the layers, and in ever longer prompts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.strip import Strip

from attntui.core.protocol import GetReach, Reply, Request
from attntui.render.headline import Part, headline
from attntui.render.names import STACKS
from attntui.ui.messages import HeadPicked
from attntui.ui.state import Look
from attntui.ui.widgets.distance_picture import (
    MARGIN,
    Line,
    Measured,
    Room,
    layer_numbers,
    length_numbers,
    over_layers,
    over_lengths,
)
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.waiting import waiting_line

if TYPE_CHECKING:
    import numpy as np

BEYOND = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Tokens that a weight may be beyond."""
TIMES = (1, 2, 4, 8)
"""How often a longer prompt says the text."""
STOPPED = "Stopped; Enter twice goes on."


class DistanceView(Page):
    """Mean distance above, the share beyond some tokens below."""

    draws_marks = leaves_out = shows_differences = False

    def __init__(self) -> None:
        super().__init__("distance")
        self.found: dict[int, list[np.ndarray]] = {}
        """distance (layers, heads), beyond (tokens, layers, heads) and tokens, by times."""
        self.over_length = False
        """Whether longer prompts are compared, not layers."""
        self.refusal = ""
        """Why there is nothing to show, or nothing longer."""
        self._lines: list[Line] = []

    # What is asked.

    def show_look(self, look: Look) -> None:
        before, self.look = self.look, look
        if before.run is not look.run or before.stack != look.stack:
            self.found, self.refusal = {}, ""
        self.lay_out()

    def requests(self, look: Look) -> dict[str, Request]:
        """One length at a time: this prompt, and where longer ones are wanted, the next of them."""
        if look.run is None or self.refusal:
            return {}
        wanted = TIMES if self.over_length else TIMES[:1]
        times = next((each for each in wanted if each not in self.found), None)
        if times is None:
            return {}
        return {"reach": GetReach(look.run.run, look.stack, BEYOND, times)}

    def accept(self, slot: str, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        assert isinstance(request, GetReach)
        if self.look.run is None or request.stack != self.look.stack:
            return
        self.found[request.times] = arrays
        self.lay_out()
        self.ask()

    def refuse(self, sentence: str) -> bool:
        """Say why it goes no further; what is known stays."""
        self.refusal = sentence[:1].upper() + sentence[1:]
        self.lay_out()
        return True

    # Keys.

    def enter(self, look: Look) -> Look | None:
        """Compare lengths, or layers again."""
        self.over_length = not self.over_length
        if self.refusal == STOPPED:
            self.refusal = ""
        self.lay_out()
        return look

    def move(self, look: Look, down: int, right: int) -> Look:
        """Layers are side by side, and so are the heads of a layer."""
        if down:
            return replace(look.move_layer(down), lens="head")
        moved = look.move_head(right)
        if moved.head == look.head:
            layer = look.move_layer(right)
            if layer.layer != look.layer:
                moved = replace(layer, head=0 if right > 0 else 10**6).settle()
        return replace(moved, lens="head")

    def threshold(self, look: Look, step: int) -> Look | None:
        """Count weights beyond more tokens, or fewer."""
        at = BEYOND.index(look.beyond) + step if look.beyond in BEYOND else 0
        return replace(look, beyond=BEYOND[min(max(at, 0), len(BEYOND) - 1)])

    def give_up(self) -> bool:
        """Ask for nothing that is not known yet."""
        wanted = TIMES if self.over_length else TIMES[:1]
        if self.look.run is None or self.refusal or all(times in self.found for times in wanted):
            return False
        self.refusal = STOPPED
        self.lay_out()
        return True

    def on_click(self, event: events.Click) -> None:
        """A click picks the nearest layer, and within its band the nearest head."""
        offset, stack = event.get_content_offset(self), self.look.stack_info
        columns = self._room(1).columns
        if offset is None or stack is None or self.over_length or offset.x < MARGIN:
            return
        place = (offset.x - MARGIN + 0.5) / columns * len(stack.layers)
        layer = min(int(place), len(stack.layers) - 1)
        most = max(each.heads for each in stack.layers)
        head = round((place - layer) * (most + 1)) - 1
        self.post_message(HeadPicked(layer, min(max(head, 0), most - 1)))

    # Painting.

    def on_resize(self) -> None:
        self.lay_out()

    def notify_style_update(self) -> None:
        self.lay_out()
        super().notify_style_update()

    def _room(self, rows: int) -> Room:
        return Room(max(1, self.size.width - MARGIN - 1), max(1, rows), self.style_of)

    def lay_out(self) -> None:
        """The picture anew."""
        self.virtual_size = Size(self.size.width, self.size.height)
        self._entitle()
        self._lines = self._drawn() if self.found else []
        self.refresh()

    def _entitle(self) -> None:
        stack = STACKS[self.look.stack]
        what = f"{stack}distance: how far heads look"
        what = what[:1].upper() + what[1:]
        dots = ("a dot: a head · the line: means of layers", "dots: heads, line: layers", "")
        lines = ("a line: the mean of a layer", "lines: layers", "")
        other = "layers" if self.over_length else "longer prompts"
        here = f"◆ {self.look.layer}.{self.look.head}"
        self.set_title(
            [
                (what, "Distance"),
                (here,),
                lines if self.over_length else dots,
                (f"Enter: {other}", f"Enter: {other}", ""),
            ]
        )

    def _drawn(self) -> list[Line]:
        import numpy as np

        look, times = self.look, sorted(self.found)
        stack = look.stack_info
        if stack is None or 1 not in self.found:
            return []
        here = look.layer, look.head
        shown = times if self.over_length else times[:1]
        at = BEYOND.index(look.beyond)
        distance = Measured(np.stack([self.found[each][0] for each in shown]), "{:g}".format)
        share = Measured(np.stack([self.found[each][1][at] for each in shown]), "{:.0%}".format)
        tokens = [int(self.found[each][2][0]) for each in shown]
        lines = max(6, self.size.height - 4)
        high = max(3, round(lines * 0.6))
        pen, plot = self.style_of, over_lengths if self.over_length else over_layers
        upper, lower = self._room(high), self._room(lines - high)
        numbers = layer_numbers(len(stack.layers), look.layer, upper)
        if self.over_length:
            numbers = length_numbers(tokens, upper)
        return [
            self._head_line(len(times)),
            *plot(distance, here, upper),
            [Segment(f" share of weight beyond {look.beyond} tokens", pen("strong")), self._keys()],
            *plot(share, here, lower),
            numbers,
            self._facts(distance, share),
        ]

    def _keys(self) -> Segment:
        return Segment("   < > other tokens", self.style_of("faint"))

    def _head_line(self, known: int) -> Line:
        """What is plotted above; how many lengths are known, or why there are no more."""
        name, words = "mean distance in tokens", ""
        if self.over_length:
            missing = f"{known} of {len(TIMES)} lengths" if known < len(TIMES) else ""
            words = self.refusal or missing
        if cell_len(f" {name}   {words}") > self.size.width:
            name = "distance"
        strong, faint = self.style_of("strong"), self.style_of("faint")
        return [Segment(f" {name}", strong), Segment(f"   {words}", faint)]

    def _facts(self, distance: Measured, share: Measured) -> Line:
        """The head here and its layer, in figures."""
        look = self.look
        layer, head = look.layer, look.head
        if math.isnan(distance.values[0, layer, head]):
            return []
        parts: list[Part] = []
        for name, far, some in (
            (f"Head {layer}.{head}", distance.values[:, layer, head], share.values[:, layer, head]),
            (f"layer {layer}", distance.means[:, layer], share.means[:, layer]),
        ):
            tokens = " → ".join(f"{value:.2f}" for value in far)
            shares = " → ".join(f"{value:.1%}" for value in some)
            end = f"beyond {look.beyond}"
            short = "→".join(f"{value:.1f}" for value in far)
            least = "→".join(f"{value:.0%}" for value in some)
            parts.append(
                (
                    f"{name}: {tokens} tokens away, {shares} {end}",
                    f"{name}: {tokens}, {shares} {end}",
                    f"{name}: {short}, {least} {end}",
                )
            )
        parts[1] = (*parts[1], "")
        return [Segment(f" {headline(self.size.width - 1, parts)}", self.style_of("text"))]

    def render_line(self, y: int) -> Strip:
        if not self._lines:
            text = self.style_of("text")
            waiting = self.refusal or ("measuring distances" if self.look.run is not None else "")
            return self.strip_of(waiting_line(y, self.size, waiting, None, text, text))
        return self.strip_of(self._lines[y] if y < len(self._lines) else [])
