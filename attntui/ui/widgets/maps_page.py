"""What the layer and the model page share: which small maps are needed, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual.geometry import Size

from attntui.core.protocol import GetMaps, Reply, Request
from attntui.ui import captions
from attntui.ui.measures import is_on_random, measure_of
from attntui.ui.state import Look
from attntui.ui.widgets.map_sheet import HeadName, Matrix, Sheet, Zoom, next_side
from attntui.ui.widgets.sheet_page import SheetPage

if TYPE_CHECKING:
    import numpy as np


class MapsPage(SheetPage):
    """Asks for one layer's maps at a time, those in sight first, so that no key waits for all.

    What is painted stays until the first maps of what is to be shown next have come.
    """

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.zoom: Zoom = "plain"
        self._to_top = False

    def subject(self) -> tuple[str, ...]:
        """What is shown, in words; then notes, for which there may be no room."""
        raise NotImplementedError

    def lay_maps(self, matrix: Matrix, room: Size) -> Sheet:
        """The maps to show, in their places."""
        raise NotImplementedError

    # What is shown.

    def show_look(self, look: Look) -> None:
        before, self.look = self.look, look
        if (before.run, before.stack, before.words) != (look.run, look.stack, look.words):
            self.zoom, self.values = "plain", None
        if (before.ordered, before.map, before.basis) != (look.ordered, look.map, look.basis):
            self._to_top = True
        if not self.lay_out() and self.painted is self.sheet:
            self._update_title()
            self.repaint()

    def show_values(self, values: np.ndarray | None) -> None:
        import numpy as np

        before, self.values = self.values, values
        both = before is not None and values is not None
        if before is values or (both and np.array_equal(before, values, equal_nan=True)):  # type: ignore[arg-type]
            return
        self._to_top = self._to_top or self.look.ordered
        if not self.lay_out() and self.painted is not None and self.painted.captions:
            self._update_title()
            self.refresh()

    def heads(self) -> list[list[HeadName]]:
        """The heads of each layer."""
        stack = self.look.stack_info
        layers = () if stack is None else stack.layers
        return [[(at, head) for head in range(layer.heads)] for at, layer in enumerate(layers)]

    def in_order(self, heads: list[HeadName]) -> list[HeadName]:
        """Heads in the order asked for: as they are, or by value, largest first, unknown last."""
        if not self.look.ordered or self.values is None:
            return heads
        values = self.values[tuple(zip(*heads, strict=True))]
        return [heads[at] for at in (-values).argsort(kind="stable").tolist()]

    def measured(self) -> str:
        """The measure that captions tell."""
        where = " on random tokens" if is_on_random(self.look) else ""
        return measure_of(self.look).name + where

    def order(self) -> str:
        """The order of maps that flow."""
        if self.values is None:
            return f"to be sorted by {self.measured()}"
        return f"by {self.measured()}, largest first"

    def lay_out(self) -> bool:
        """Sizes and places anew; whether there is something else to show than before."""
        look, room = self.look, self.size - (1, 0)  # 1: a scrollbar
        before = self.sheet, self.kind
        if look.run is None or not look.queries or not look.keys or not room:
            self.sheet = self.kind = None
            self.repaint()
            return False
        sheet = self.lay_maps(self._matrix(), room)
        steps = sheet.grain.row_step, sheet.grain.key_step
        kind = GetMaps(look.run.run, look.stack, 0, *steps, look.pooling, look.heads_reading)
        if (sheet, kind) == before:
            return False
        self.sheet, self.kind = sheet, kind
        in_sight = (replace(kind, layer=layer) for layer in self._layers(sheet, 0))
        if self.painted is None or any(self.maps.holds(request) for request in in_sight):
            self._show()
        self.ask()
        return True

    def _matrix(self) -> Matrix:
        pen = self.pen
        return Matrix(len(self.look.queries), len(self.look.keys), pen.square, pen.per_line)

    def _show(self) -> None:
        """Paint the sheet that is to be shown."""
        sheet = self.sheet
        assert sheet is not None
        columns, lines = sheet.size
        self.virtual_size = Size(sheet.fixed_columns + columns, sheet.fixed_lines + lines)
        self.take_picture()
        self._update_title()
        if self._to_top:
            self.scroll_to(0, 0, animate=False, force=True)
        else:
            self.scroll_to_selection()
            # Once more when the scrollbars have come or gone: they take a line and a column.
            self.call_after_refresh(self.scroll_to_selection)
        self._to_top = False
        self.refresh()

    def _update_title(self) -> None:
        if self.sheet is not None:
            (name, *notes), grain = self.subject(), self.sheet.grain
            title = captions.maps_title(name, tuple(notes), grain, self.look)
            self.set_title(title)

    def on_resize(self) -> None:
        self.lay_out()

    def change_zoom(self, nearer: int) -> bool:
        sheet = self.sheet
        if sheet is None or (nearer < 0 and sheet.size[1] <= self.room(sheet).height):
            return False
        side = next_side(self._matrix(), sheet, nearer)
        if side is None:
            return False
        self.zoom = side
        self.lay_out()
        return True

    def fit(self) -> str:
        self.zoom = "whole"
        return "" if self.lay_out() else super().fit()

    # Which maps are needed.

    def _layers(self, sheet: Sheet, margin: int) -> list[int]:
        """The layers in sight, and so many screens around, in order of sight."""
        rows = [sheet.rows[row] for row in self.rows_in_sight(sheet, margin)]
        return list(dict.fromkeys(layer for row in rows for layer, _ in row))

    def requests(self, look: Look) -> dict[str, Request]:
        """The first layer in sight whose maps are missing; then those a screen away."""
        if self.sheet is None or self.kind is None:
            return {}
        for layer in self._layers(self.sheet, 0) + self._layers(self.sheet, 1):
            request = replace(self.kind, layer=layer)
            if not self.maps.holds(request):
                return {"maps": request}
        return {}

    def accept(self, slot: str, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        assert isinstance(request, GetMaps)
        sheet = self.sheet
        if sheet is None or replace(request, layer=0) != self.kind:
            return
        self.maps.put(request, arrays[0], self._layers(sheet, 1))
        if self.painted is not sheet:
            self._show()
        else:
            self.refresh_layer(sheet, request.layer)
        self._ask_more()

    def _ask_more(self) -> None:
        if self.requests(self.look):
            self.ask()

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        self._ask_more()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._ask_more()
