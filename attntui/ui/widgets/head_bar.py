"""The head map folded into one line."""

from __future__ import annotations

from rich.segment import Segment
from textual import events
from textual.strip import Strip

from attntui.ui.messages import HeadPicked
from attntui.ui.widgets.head_values import HeadValues


class HeadBar(HeadValues):
    """The map in one line: `Layer ‹5›  Head ‹1›`, and the heads of that layer."""

    def _parts(self) -> list[tuple[str, str, tuple[int, int] | None]]:
        """Text, style and, where a click does something, (layers, heads) to move by."""
        layer, head = str(self.look.layer), str(self.look.head)
        is_of_layer = self.look.shows_head or self.look.lens == "mean"
        if not self.look.shows_head:
            head = "rollout" if self.look.lens == "rollout" else "mean"
        return [
            ("Layer ", "text", None),
            ("‹", "strong", (-1, 0)),
            (layer if is_of_layer else "all", "current", None),
            ("›", "strong", (1, 0)),
            ("  Head ", "text", None),
            ("‹", "strong", (0, -1)),
            (head, "current", None),
            ("›", "strong", (0, 1)),
            ("  ", "text", None),
        ]

    def render_line(self, y: int) -> Strip:
        if y or not len(self._levels):
            return self.strip_of([])
        segments = [Segment(text, self.style_of(style)) for text, style, _ in self._parts()]
        cells = self.cells(self.look.layer, 2)
        title = self.title.removeprefix("Heads · ")
        here = self.value_here() if self.look.shows_head else None
        largest = self.largest()
        notes = [f"  {title}" if here is None else f"  {title} {self.measure.shown(here)}"]
        notes += [f" = {self.parts_here}"] if self.parts_here and here is not None else []
        if largest is not None:
            layer, head, value = largest
            notes.append(f" · largest {layer}.{head} {self.measure.shown(value)}")
        elif self.values is not None:
            why = self.why_blank()
            notes = [f"  {why}" if why.startswith(title) else f"  {title}: {why}"]
        if self.look.chosen:
            notes.append(f" · + {len(self.look.chosen)} chosen")
        room = self.size.width - Strip([*segments, *cells]).cell_length
        while notes and len("".join(notes)) > room:
            notes.pop()  # a number cut short would read as another number
        return self.strip_of([*segments, *cells, Segment("".join(notes), self.style_of("faint"))])

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        x = offset.x
        for text, _, move in self._parts():
            if x < len(text):
                if move is not None:
                    layers, heads = move
                    look = self.look.move_layer(layers).move_head(heads)
                    self.post_message(HeadPicked(look.layer, look.head))
                return
            x -= len(text)
        if len(self._levels) and x // 2 < self._shape[1]:
            self.post_message(HeadPicked(None, x // 2))
