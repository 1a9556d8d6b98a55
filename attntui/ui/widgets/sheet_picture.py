"""A sheet of small maps as it is painted: its maps, and frames around some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace
from rich.segment import Segment

from attntui.core.protocol import GetMaps
from attntui.render.thumbnails import OUTSIDE, DotPen, Shading, draw_frame
from attntui.ui.widgets.map_sheet import Sheet
from attntui.ui.widgets.small_maps import SmallMaps

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class SheetPicture:
    """Lines of a sheet, made of the maps that have come; where none has, there is nothing yet."""

    sheet: Sheet
    maps: SmallMaps
    kind: GetMaps
    """What is asked for each layer."""
    shading: Shading
    pen: DotPen
    frames: Sequence[tuple[tuple[int, int], int]]
    """(row, column) of a map, and the kind of its frame; later ones lie over others."""

    def segments(self, line: int, left: int, width: int) -> list[Segment]:
        """A line of maps, from column `left` on."""
        import numpy as np

        each = self.sheet.per_line
        dots = np.full((each, self.sheet.size[0]), OUTSIDE, np.int8)
        for at in range(each):
            self._draw(dots[at], line * each + at)
        return self.pen.segments(dots[:, left : left + width])

    def _draw(self, dots: np.ndarray, at: int) -> None:
        """What crosses one line of dots of the maps and their frames."""
        sheet = self.sheet
        row, within = divmod(at - sheet.first_dot(0), sheet.pitch * sheet.per_line)
        if 0 <= row < len(sheet.rows) and within < sheet.dots:
            for column, (layer, head) in enumerate(sheet.rows[row]):
                request, left = replace(self.kind, layer=layer), sheet.left(column)
                shown = self.maps.dots(request, self.shading)
                if shown is not None:
                    dots[left : left + sheet.width] = shown[head, within]
        for (row, column), kind in self.frames:
            down, left = at - sheet.first_dot(row), sheet.left(column)
            draw_frame(dots, down, left, sheet.width, sheet.dots, kind)
