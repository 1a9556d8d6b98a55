"""A ranked list in numbers and bars: top-attended tokens, or predictions."""

from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.strip import Strip

from attntui.render.labels import fit
from attntui.render.ranking import LABEL_LEAST, Entry, bar, label_room
from attntui.ui.captions import Title
from attntui.ui.messages import CandidatePicked, CellPicked
from attntui.ui.widgets.pane import Pane


class RankedList(Pane):
    """Largest first; enter or a click goes to the token, or goes on with the one predicted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("enter", "pick", show=False),
    ]

    def __init__(self, id: str, axis: str = "", empty: str = "") -> None:  # noqa: A002
        super().__init__(id=id)
        self.axis = axis
        self.empty = empty
        self.entries: tuple[Entry, ...] = ()
        self.note = ""
        self.chosen = 0
        self._room = self._figures = self._places = 0

    def show_entries(self, title: str | Title, entries: tuple[Entry, ...], note: str = "") -> None:
        """`title`, labels and `note` were made safe already."""
        self._list(title, entries, note)
        self.virtual_size = Size(0, len(entries) + bool(note))

    def _list(self, title: str | Title, entries: tuple[Entry, ...], note: str) -> None:
        self.set_title(title)
        self.entries, self.note = entries, note
        self._figures = max((len(entry.figures) for entry in entries), default=0)
        self._places = self._position_width()
        self._room = label_room(entries)
        self.chosen = min(self.chosen, max(0, len(entries) - 1))
        self.refresh()

    @property
    def title(self) -> str:
        """All of the title, for where there is room."""
        return " · ".join(part[0] for part in self._wordings)

    def clear(self) -> None:
        """Nothing, until others come: most often as many, so the height stays as it was. Another
        one lays out the whole screen, in 25 ms and more."""
        self._list("", (), "")

    def render_line(self, y: int) -> Strip:
        line = y + self.scroll_offset.y
        if line < len(self.entries):
            return self._entry_line(line)
        if line == len(self.entries):
            note = self.note or ("" if self.entries else self.empty)
            return self.strip_of([Segment(fit(note, self.size.width), self.style_of("faint"))])
        return self.strip_of([])

    def _entry_line(self, line: int) -> Strip:
        entry, width = self.entries[line], self.size.width
        picked = self.has_focus and line == self.chosen
        text = self.style_of("cursor" if picked else "text")
        faint = text if picked else self.style_of("faint")
        share, places = entry.figures.rjust(self._figures), self._places
        room = max(LABEL_LEAST, min(self._room, width - len(share) - places - 3))
        segments = [Segment(fit(entry.label, room) + " ", text)]
        position = "" if entry.position is None else str(entry.position)
        segments.append(Segment(f"{position:>{places}} " if places else "", faint))
        segments.append(Segment(share + " ", text))
        left = width - room - places - len(share) - 3
        if left > 2:
            segments.append(
                Segment(bar(abs(entry.share) / entry.largest, left), self.style_of("bar"))
            )
        return self.strip_of(segments)

    def _position_width(self) -> int:
        """All of a list alike; of a prompt below 10,000 tokens the same from list to list."""
        if not self.axis:
            return 0
        return max([4, *(len(str(entry.position)) for entry in self.entries)])

    def action_move(self, step: int) -> None:
        self.chosen = min(max(0, self.chosen + step), max(0, len(self.entries) - 1))
        room = max(1, self.size.height)
        top = min(max(self.scroll_offset.y, self.chosen - room + 1), self.chosen)
        self.scroll_to(y=top, animate=False, force=True)
        self.refresh()

    def action_pick(self) -> None:
        self._pick(self.chosen)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None:
            self._pick(offset.y + self.scroll_offset.y)

    def _pick(self, line: int) -> None:
        if line >= len(self.entries):
            return
        self.chosen = line
        if not self.axis:
            self.chosen = 0  # what is listed next begins with the likeliest
            self.post_message(CandidatePicked(line))
            return
        position = self.entries[line].position
        query = position if self.axis == "query" else None
        key = position if self.axis == "key" else None
        self.post_message(CellPicked(query, key))

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
