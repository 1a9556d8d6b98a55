"""The second grid: what the first is compared with, with the same cursor and the same scale."""

from __future__ import annotations

from textual import events

from attntui.ui.beside import counterpart
from attntui.ui.messages import CellPicked
from attntui.ui.state import Look
from attntui.ui.widgets.attention_grid import AttentionGrid


class SideGrid(AttentionGrid, can_focus=False):
    """Follows the grid that it was made for."""

    def __init__(self, twin: AttentionGrid) -> None:
        super().__init__("beside")
        self._first = twin
        self._facing = Look()

    @property
    def faces(self) -> bool:
        """Whether both are in sight."""
        return self.twin is not None

    def part(self) -> None:
        """Leave the first grid alone."""
        self.twin = self._first.twin = None

    def face(self, look: Look, other: Look) -> None:
        """Show the look that is compared with this one."""
        self.twin, self._first.twin = self._first, self
        self._facing = look
        self.show_look(other)
        if self.zoom != self._first.zoom:
            self.zoom = self._first.zoom
            self.lay_out()

    def on_click(self, event: events.Click) -> None:
        """The cell of the first grid that stands beside the one clicked."""
        event.stop()
        offset = event.get_content_offset(self)
        cell = self.frame.cell_at(offset) if offset is not None else None
        if cell is None:
            return
        query = counterpart(self.look, self._facing, "queries", cell[0])
        key = counterpart(self.look, self._facing, "keys", cell[1])
        if query >= 0 and key >= 0:
            self.post_message(CellPicked(query, key))
