"""A page that paints a sheet of small maps, one of them the selection, and moves among them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.strip import Strip

from attntui.render.labels import fit
from attntui.render.thumbnails import DotPen, Shading
from attntui.ui.measures import MEASURES
from attntui.ui.messages import HeadPicked, LookPicked
from attntui.ui.state import Look
from attntui.ui.widgets.map_sheet import HeadName, Sheet
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.sheet_picture import SheetPicture
from attntui.ui.widgets.small_maps import SmallMaps

if TYPE_CHECKING:
    import numpy as np

SELECTED, CHOSEN = 0, 1
"""Kinds of frames."""


class SheetPage(Page):
    """Small maps with frames around the selected and the chosen ones."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.sheet: Sheet | None = None
        """What is painted."""
        self.maps = SmallMaps()
        self.values: np.ndarray | None = None
        """(layers, heads) of the head map's measure; None while it is not known."""
        self._picture: SheetPicture | None = None
        self._pen: DotPen | None = None

    # What stays in sight, where a page has it.

    @property
    def fixed_columns(self) -> int:
        """Columns on the left that stay in sight."""
        return 0

    @property
    def fixed_lines(self) -> int:
        """Lines above that stay in sight."""
        return 0

    def column_numbers(self) -> list[Segment]:
        """The line above that stays in sight."""
        return []

    def row_number(self, row: int, at: int) -> list[Segment]:
        """What stays in sight on the left of a line: the how manieth of a row of maps."""
        return []

    @property
    def room(self) -> Size:
        """Columns and lines for maps."""
        width, height = self.scrollable_content_region.size
        return Size(max(0, width - self.fixed_columns), max(0, height - self.fixed_lines))

    def rows_in_sight(self, sheet: Sheet, margin: int = 0) -> range:
        """Rows of maps in sight, and so many screens around them."""
        lines, top = self.room.height, self.scroll_offset.y
        first, _ = sheet.row_at(top - margin * lines)
        last, _ = sheet.row_at(top + (1 + margin) * lines - 1)
        return range(max(0, first), min(last + 1, len(sheet.rows)))

    # The selection.

    @property
    def selected(self) -> HeadName:
        return self.look.layer, self.look.head

    def repaint(self) -> None:
        """Follow the look, and paint no more than what it changes."""
        before = self._picture
        self.take_picture()
        now = self._picture
        if before is None or now is None or before.shading != now.shading:
            self.refresh()
            return
        changed = set(before.frames) ^ set(now.frames)
        moved = before.frames[-1:] != now.frames[-1:]
        if not changed or (moved and self.scroll_to_selection()):
            return
        whole = self.size.region
        above = Region(0, 0, whole.width, self.fixed_lines)
        beside = Region(0, 0, self.fixed_columns, whole.height)
        maps = (self._region(place) for place, _ in changed)
        self.refresh(*(whole.intersection(region) for region in (*maps, above, beside)))

    def _region(self, place: tuple[int, int]) -> Region:
        """Where a map lies now, its frame and caption among it."""
        assert self.sheet is not None
        row, column = place
        x = self.fixed_columns + self.sheet.left(column) - 1 - self.scroll_offset.x
        y = self.fixed_lines + self.sheet.line(row) - self.sheet.margin - self.scroll_offset.y
        return Region(x, y, self.sheet.slot + 1, self.sheet.pitch + self.sheet.margin)

    def scroll_to_selection(self) -> bool:
        """Bring the selected map into sight; whether anything moved."""
        place = None if self.sheet is None else self.sheet.place(self.selected)
        if place is None:
            return False
        region, now = self._region(place), self.scroll_offset
        left, top = region.x - self.fixed_columns + now.x, region.y - self.fixed_lines + now.y
        x = min(max(now.x, left + region.width - self.room.width), left)
        y = min(max(now.y, top + region.height - self.room.height), top)
        if (x, y) == now:
            return False
        self.scroll_to(x, y, animate=False, force=True)
        return True

    def _go(self, look: Look, down: int, right: int) -> Look:
        """The look at the head so many maps on; from out of sight, at the first in sight."""
        sheet = self.sheet
        if sheet is None or not any(sheet.rows):
            return look
        place = sheet.place(self.selected)
        rows = [row for row in self.rows_in_sight(sheet) if sheet.rows[row]]
        if place is None or (rows and place[0] not in rows):
            row, column = (rows or [0])[0], 0
        else:
            row, column = sheet.step(place, down, right)
        layer, head = sheet.rows[row][column]
        return replace(look, layer=layer, head=head, lens="head")

    def move(self, look: Look, down: int, right: int) -> Look:
        return self._go(look, down, right)

    def edge(self, look: Look, down: int, right: int) -> Look:
        far = 0 if self.sheet is None else sum(len(row) for row in self.sheet.rows)
        return self._go(look, down * far, right * far)

    def turn(self, look: Look, pages: int) -> Look:
        in_sight = 1 if self.sheet is None else self.room.height // self.sheet.pitch
        return self._go(look, pages * max(1, in_sight), 0)

    def enter(self, look: Look) -> Look | None:
        """Open the head in the grid."""
        return replace(look, page="grid", lens="head")

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or self.sheet is None:
            return
        x, y = offset.x - self.fixed_columns, offset.y - self.fixed_lines
        if x < 0 or y < 0:
            return
        head = self.sheet.head_at(x + self.scroll_offset.x, y + self.scroll_offset.y)
        if head is None:
            return
        self.post_message(HeadPicked(*head))
        if event.chain == 2:
            here = replace(self.look, layer=head[0], head=head[1])
            self.post_message(LookPicked(replace(here, page="grid", lens="head")))

    # Painting.

    @property
    def pen(self) -> DotPen:
        if self._pen is None:
            self._pen = DotPen(self.palette, (self.style_of("current"), self.style_of("bar")))
        return self._pen

    def notify_style_update(self) -> None:
        self._pen = None
        self.take_picture()
        super().notify_style_update()

    def take_picture(self) -> None:
        """Take in the look, without painting it yet."""
        self._picture = None
        if self.sheet is not None:
            heads = [*((head, CHOSEN) for head in self.look.chosen), (self.selected, SELECTED)]
            places = ((self.sheet.place(head), kind) for head, kind in heads)
            frames = [(place, kind) for place, kind in places if place is not None]
            shading = self._shading(self.sheet)
            self._picture = SheetPicture(self.sheet, self.maps, shading, self.pen, frames)

    def _shading(self, sheet: Sheet) -> Shading:
        look, stack = self.look, self.look.stack_info
        boundary = next((at for at, unit in enumerate(look.keys) if unit.part == 1), 0)
        return Shading(
            sheet.grain,
            look.scale,
            self.palette.count,
            stack is not None and stack.causal,
            look.threshold,
            look.between,
            boundary,
        )

    def render_line(self, y: int) -> Strip:
        picture = self._picture
        if picture is None:
            return self.strip_of([])
        if y < self.fixed_lines:
            return self.strip_of(self.column_numbers())
        line = y - self.fixed_lines + self.scroll_offset.y
        row, at = picture.sheet.row_at(line)
        if row >= len(picture.sheet.rows):
            return self.strip_of([])
        number = self.row_number(row, at)
        if row >= 0 and at == 0 and not picture.sheet.rows[row]:
            return self.strip_of([*number, Segment("no attention", self.style_of("faint"))])
        if picture.sheet.captions and at == 0:
            return self.strip_of([*number, *self._captions(row)])
        width = self.size.width - self.fixed_columns
        return self.strip_of([*number, *picture.segments(line, self.scroll_offset.x, width)])

    def _captions(self, row: int) -> list[Segment]:
        """The names and values above a row of maps."""
        assert self.sheet is not None
        segments = []
        for head in self.sheet.rows[row]:
            segments += list(self._caption(head, self.sheet.width + 2, self.sheet.slot))
        left = self.scroll_offset.x
        return list(Strip(segments).crop(left, left + self.size.width))

    def _caption(self, head: HeadName, bar: int, width: int) -> Strip:
        """A head's name and value; of the selection, a bar over its map."""
        mark = "+" if head in self.look.chosen else " "
        name, value = f"{mark}{head[0]}.{head[1]}", self._value(head)
        if len(name) + len(value) + 1 >= width:
            value, _, _ = value.partition(" ")  # without its unit
        if head == self.selected:
            text = f"{name} {value}"
            pieces = [Segment(fit(text, max(bar, len(text))), self.style_of("cursor"))]
        else:
            faint = self.style_of("faint")
            pieces = [Segment(name, self.style_of("text")), Segment(f" {value}", faint)]
        return Strip(pieces).extend_cell_length(width, self.style_of("text")).crop(0, width)

    def _value(self, head: HeadName) -> str:
        """The value of a head in figures; empty while it is not known."""
        if self.values is None:
            return ""
        value = float(self.values[head])
        return "–" if math.isnan(value) else MEASURES[self.look.map].shown(value)
