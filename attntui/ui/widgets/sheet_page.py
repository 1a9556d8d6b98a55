"""A page that paints a sheet of small maps, one of them the selection, and moves among them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.strip import Strip

from attntui.core.protocol import GetMaps
from attntui.render.labels import fit
from attntui.render.thumbnails import DotPen, Shading
from attntui.ui.measures import measure_of
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

    draws_marks = False

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.sheet: Sheet | None = None
        """What is to be shown."""
        self.kind: GetMaps | None = None
        """What is asked for each layer of it."""
        self.maps = SmallMaps()
        self.values: np.ndarray | None = None
        """(layers, heads) of the head map's measure; None while it is not known."""
        self._picture: SheetPicture | None = None
        self._pen: DotPen | None = None

    @property
    def painted(self) -> Sheet | None:
        """What is painted."""
        return None if self._picture is None else self._picture.sheet

    def room(self, sheet: Sheet) -> Size:
        """Columns and lines in which maps are in sight."""
        return self.scrollable_content_region.size - (sheet.fixed_columns, sheet.fixed_lines)

    def rows_in_sight(self, sheet: Sheet, margin: int = 0) -> range:
        """Rows of maps in sight, and so many screens around them."""
        lines, top = self.room(sheet).height, self.scroll_offset.y
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
        sheet = now.sheet
        above = Region(0, 0, self.size.width, sheet.fixed_lines)
        beside = Region(0, 0, sheet.fixed_columns, self.size.height)
        maps = (self._region(sheet, place) for place, _ in changed)
        self._refresh_some(*maps, above, beside)

    def refresh_layer(self, sheet: Sheet, layer: int) -> None:
        """Paint the maps of a layer, as far as they are in sight."""
        self._refresh_some(
            *(
                self._region(sheet, (row, column))
                for row in self.rows_in_sight(sheet)
                for column, (each, _) in enumerate(sheet.rows[row])
                if each == layer
            )
        )

    def _refresh_some(self, *regions: Region) -> None:
        """Paint these, as far as they are in sight; no region at all would mean the whole page."""
        seen = [region for each in regions if (region := self.size.region.intersection(each))]
        if seen:
            self.refresh(*seen)

    def _region(self, sheet: Sheet, place: tuple[int, int]) -> Region:
        """Where a map lies now, its frame and caption among it."""
        row, column = place
        x = sheet.fixed_columns + sheet.left(column) - 1 - self.scroll_offset.x
        y = sheet.fixed_lines + sheet.line(row) - sheet.margin - self.scroll_offset.y
        return Region(x, y, sheet.slot + 1, sheet.pitch + sheet.margin)

    def scroll_to_selection(self) -> bool:
        """Bring the selected map into sight; whether anything moved."""
        sheet = self.painted
        place = None if sheet is None else sheet.place(self.selected)
        if sheet is None or place is None:
            return False
        region, room, now = self._region(sheet, place), self.room(sheet), self.scroll_offset
        left, top = region.x - sheet.fixed_columns + now.x, region.y - sheet.fixed_lines + now.y
        x = min(max(now.x, left + region.width - room.width), left)
        y = min(max(now.y, top + region.height - room.height), top)
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
        in_sight = 1 if self.sheet is None else self.room(self.sheet).height // self.sheet.pitch
        return self._go(look, pages * max(1, in_sight), 0)

    def enter(self, look: Look) -> Look | None:
        """Open the head in the grid, or the mean that is looked at."""
        return replace(look, page="grid")

    def on_click(self, event: events.Click) -> None:
        offset, sheet = event.get_content_offset(self), self.painted
        if offset is None or sheet is None:
            return
        x, y = offset.x - sheet.fixed_columns, offset.y - sheet.fixed_lines
        if x < 0 or y < 0:
            return
        head = sheet.head_at(x + self.scroll_offset.x, y + self.scroll_offset.y)
        if head is None:
            return
        self.post_message(HeadPicked(*head))
        if event.chain == 2:
            here = replace(self.look, layer=head[0], head=head[1])
            self.post_message(LookPicked(replace(here, page="grid", lens="head")))

    # Painting.

    @property
    def pen(self) -> DotPen:
        if self._pen is None or self._pen.palette is not self.palette:
            self._pen = DotPen(self.palette, (self.style_of("current"), self.style_of("bar")))
        return self._pen

    def notify_style_update(self) -> None:
        self._pen = None
        if self.painted is self.sheet:
            self.take_picture()
        super().notify_style_update()

    def take_picture(self) -> None:
        """Take in what is to be shown, without painting it yet."""
        sheet, kind, self._picture = self.sheet, self.kind, None
        if sheet is not None and kind is not None:
            heads = [*((head, CHOSEN) for head in self.look.chosen), (self.selected, SELECTED)]
            places = ((sheet.place(head), kind) for head, kind in heads)
            frames = [(place, kind) for place, kind in places if place is not None]
            shading = self._shading(sheet)
            self._picture = SheetPicture(sheet, self.maps, kind, shading, self.pen, frames)

    def _shading(self, sheet: Sheet) -> Shading:
        look, stack = self.look, self.look.stack_info
        return Shading(
            sheet.grain,
            look.scale,
            self.palette.count,
            stack is not None and stack.causal,
            look.threshold,
            self.palette.zero,
        )

    def render_line(self, y: int) -> Strip:
        picture = self._picture
        if picture is None:
            return self.strip_of([])
        sheet = picture.sheet
        if y < sheet.fixed_lines:
            return self.strip_of(self._column_numbers(sheet))
        line = y - sheet.fixed_lines + self.scroll_offset.y
        row, at = sheet.row_at(line)
        if row >= len(sheet.rows):
            return self.strip_of([])
        if sheet.captions and at == 0:
            return self.strip_of(self._captions(sheet, row))
        number = self._row_number(sheet, row if at == 0 else -1)
        if at == 0 and row >= 0 and not sheet.rows[row]:
            return self.strip_of([*number, Segment(self._nothing(row), self.style_of("faint"))])
        width = self.size.width - sheet.fixed_columns
        return self.strip_of([*number, *picture.segments(line, self.scroll_offset.x, width)])

    def _nothing(self, layer: int) -> str:
        """Why a layer has no maps."""
        stack = self.look.stack_info
        is_there = stack is not None and stack.layers[layer].kind == "unrecorded"
        return "not recorded" if is_there else "no attention"

    def _column_numbers(self, sheet: Sheet) -> list[Segment]:
        """The numbers of the heads, above a table."""
        faint, current = self.style_of("faint"), self.style_of("current")
        numbers = []
        for head in range(max(len(row) for row in sheet.rows)):
            style = current if head == self.look.head else faint
            numbers.append(Segment(f" {head}".ljust(sheet.slot), style))
        return [Segment(" " * sheet.fixed_columns, faint), *self._in_sight(numbers)]

    def _row_number(self, sheet: Sheet, row: int) -> list[Segment]:
        """The number of a layer, on the left of a table; blank for -1."""
        if not sheet.fixed_columns:
            return []
        style = self.style_of("current" if row == self.look.layer else "faint")
        number = "" if row < 0 else row
        return [Segment(f"{number:>{sheet.fixed_columns - 1}} ", style)]

    def _captions(self, sheet: Sheet, row: int) -> list[Segment]:
        """The names and values above a row of maps."""
        bar, width = sheet.width + 2, sheet.slot
        return self._in_sight(
            [segment for head in sheet.rows[row] for segment in self._caption(head, bar, width)]
        )

    def _in_sight(self, segments: list[Segment]) -> list[Segment]:
        """A line from the first column in sight on."""
        left = self.scroll_offset.x
        return list(Strip(segments).crop(left, left + self.size.width))

    def _caption(self, head: HeadName, bar: int, width: int) -> Strip:
        """A head's name and value; of the selection, a bar over its map."""
        mark = "+" if head in self.look.chosen else " "
        name, value = f"{mark}{head[0]}.{head[1]}", self._value(head)
        if len(name) + len(value) + 1 >= width:
            value, _, _ = value.partition(" ")  # without its unit
        if len(name) + len(value) + 1 > width:
            value = ""  # a number cut short would read as another number
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
        return "–" if math.isnan(value) else measure_of(self.look).shown(value)
