"""The grid: one cell per weight, queries down, keys across, labels that stay in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip

from attntui.core.protocol import GetWindow, Reading, Reply, Request, View
from attntui.core.tokens import visible
from attntui.render.labels import downwards, fit, header_height, longest
from attntui.render.rules import below, upright
from attntui.render.strips import DIGITS_FROM, cursor_segments, digit_segments, row_segments
from attntui.ui import captions
from attntui.ui.choices import Legend, Unit
from attntui.ui.messages import CellPicked
from attntui.ui.state import Look
from attntui.ui.widgets.grid_frame import GridFrame
from attntui.ui.widgets.grid_window import (
    PLAIN,
    GridWindow,
    Zoom,
    first_look,
    fitting_zoom,
    next_zoom,
)
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.waiting import waiting_line

if TYPE_CHECKING:
    import numpy as np

    from attntui.ui.widgets.overview import Overview

LABEL_LEAST, LABEL_LIMIT = 6, 16
"""Columns of a row's label; special tokens are cut to what the others need."""
LABEL_LINES = ((24, 8), (16, 6), (10, 4), (0, 3))
"""From which height on a column's label may have so many lines."""
MARK = "▸"
UNDERLINED = Style(underline=True, bold=True)


class AttentionGrid(Page):
    """Shows the window it was given; asks for another when it shows cells it does not have."""

    twin: AttentionGrid | None = None
    """The grid beside this one; both have one scale."""
    overview: Overview | None = None
    """The whole matrix in small, where this grid shows a part of it."""

    def __init__(self, id: str = "grid") -> None:  # noqa: A002
        super().__init__(id)
        self.zoom = PLAIN
        self._is_zoomed = False
        """Whether the user chose the zoom."""
        self.window: GridWindow | None = None
        self._largest: GridWindow | None = None
        self.waiting = ""
        self.share: float | None = None
        self._levels: list[list[int]] = []
        self.header_height = 0
        self._painted: GridFrame | None = None
        """The frame of all lines while they are painted."""
        self._measured: tuple[tuple[Unit, ...], int] = ((), LABEL_LEAST)
        """The queries, and the columns that their labels need."""

    # What is shown.

    def show_look(self, look: Look) -> None:
        """Follow the cursor, the scale and the tokens; the weights come by `show_window`."""
        before, self.look = self.look, look
        if before.run is not look.run or (before.stack, before.words) != (look.stack, look.words):
            self.window = None
            if not self._keeps_zoom(before):
                self.zoom = min(self.fitting_zoom(), PLAIN, key=lambda zoom: zoom[1])
                self._is_zoomed = False
            self.lay_out()
        self._update_title()
        if (before.scale, before.threshold) != (look.scale, look.threshold):
            self._update_levels()
            self.refresh()
        elif (before.marked_queries, before.marked_keys) != (look.marked_queries, look.marked_keys):
            self._scroll_to_cursor()
            self.refresh()
        elif (before.query, before.key) != (look.query, look.key):
            self._move_cursor(before)

    def _keeps_zoom(self, before: Look) -> bool:
        """Whether the user chose the zoom, and for a matrix of much this size."""
        sizes = [max(len(look.queries), len(look.keys)) for look in (before, self.look)]
        return self._is_zoomed and max(sizes) <= 2 * min(sizes)

    def requests(self, look: Look) -> dict[str, Request]:
        """The window in sight; and each row's largest weight, for the row scale, where not all
        keys are in it."""
        window = self.wanted_window(look)
        if window is None or look.run is None:
            return {}
        first = first_look(window, look.run)
        wanted: dict[str, Request] = {"window": window}
        if first is not None:
            wanted = {"sample": first, "window": window}
        if look.scale != "row" or window.keys == (0, len(look.keys)):
            return wanted
        keys = len(look.keys)
        largest = replace(first or window, keys=(0, keys), key_step=keys)
        return {**wanted, "largest": largest}

    def accept(self, slot: str, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        """Paint these weights."""
        assert isinstance(request, GetWindow)
        if slot == "sample" and self.holds(replace(request, sampled=0)):
            return
        if slot in {"window", "sample"}:
            self.window = GridWindow(request, arrays[0])
            self._update_title()
        else:
            self._largest = GridWindow(request, arrays[0])
        for grid in (self, self.twin):
            if grid is not None:
                grid._update_levels()
                grid.refresh()

    @property
    def drawn(self) -> tuple[View, Reading]:
        request = self.window.request if self.window is not None else None
        return super().drawn if request is None else (request.view, request.reading)

    def _update_title(self) -> None:
        """The title tells of the weights that are painted, while others are on their way."""
        window = self.window
        view = self.look.view if window is None else window.request.view
        step, sampled = (window.step, window.request.sampled) if window else (1, 0)
        self.set_title(captions.view_title(view, step, self.look, sampled))

    def show_waiting(self, what: str, share: float | None) -> None:
        """What is waited for, in the middle of an empty grid."""
        self.waiting, self.share = what, share
        if self.look.run is None:
            self.refresh()

    def holds(self, request: GetWindow) -> bool:
        """Whether the answer to a request is what is painted."""
        return self.window is not None and self.window.request == request

    def weight_at_cursor(self, look: Look) -> float | None:
        """The exact weight of the cell, if the window in hand holds it unpooled."""
        return None if self.window is None else self.window.weight_at(look)

    def _update_levels(self) -> None:
        if self.window is not None:
            stack = self.look.stack_info
            causal = stack is not None and stack.causal
            shown = self.window.levels(
                self.look.scale,
                self.palette,
                causal,
                self._largest,
                self.look.threshold,
                self._peak(),
            )
            self._levels = shown.tolist()

    def _peak(self) -> float:
        """What counts as 1 of numbers that have no bounds of their own: the largest in sight."""
        twin = self.twin
        windows = [self.window, None if twin is None else twin.window]
        return max(0.0 if window is None else window.peak for window in windows)

    def notify_style_update(self) -> None:
        self._update_levels()
        super().notify_style_update()

    # Geometry: positions are tokens, cells are `step` tokens a side.

    @property
    def cell_width(self) -> int:
        return self.zoom[0]

    @property
    def step(self) -> int:
        return self.zoom[1]

    @property
    def legend(self) -> Legend:
        return "figures" if self.cell_width >= DIGITS_FROM else "shades"

    @property
    def label_width(self) -> int:
        queries = self.look.queries
        if queries is not self._measured[0]:  # every line asks, and 1,024 tokens take 0.3 ms
            texts = [unit.text for unit in queries if not unit.special]
            self._measured = queries, max(LABEL_LEAST, longest(texts, LABEL_LIMIT))
        return self._number_width + 1 + self._measured[1] + 1

    @property
    def _number_width(self) -> int:
        return len(str(max(len(self.look.queries) - 1, 0)))

    @property
    def frame(self) -> GridFrame:
        if self._painted is not None:
            return self._painted
        return GridFrame(
            self.scrollable_content_region.size,
            self.scroll_offset,
            self.zoom,
            self.label_width,
            self.header_height,
            len(self.look.queries),
            len(self.look.keys),
        )

    def lay_out(self) -> None:
        """Sizes and column labels anew, after new tokens, a zoom or a resize."""
        self.header_height = self._needed_height()
        self.virtual_size = self.frame.whole()
        self._scroll_to_cursor()
        self.refresh()
        self._ask()

    def _needed_height(self) -> int:
        height = self.size.height
        most = next(lines for least, lines in LABEL_LINES if height >= least)
        texts = [unit.text for unit in self.look.keys]
        ordinary = [unit.text for unit in self.look.keys if not unit.special]
        return header_height(texts[:: self.step], ordinary, most)

    def change_zoom(self, nearer: int) -> bool:
        """Zoom in (1) or out (-1); False where there is no further zoom."""
        zoom = next_zoom(self.zoom, nearer)
        longest_side = max(len(self.look.queries), len(self.look.keys))
        if zoom is None or zoom[1] >= max(2, 2 * longest_side):
            return False
        self.zoom, self._is_zoomed = zoom, True
        self.lay_out()
        return True

    def fitting_zoom(self) -> Zoom:
        """The nearest zoom at which the whole prompt is in sight."""
        columns = self.size.width - self.label_width
        lines = self.size.height - self.header_height
        return fitting_zoom(columns, lines, len(self.look.keys), len(self.look.queries))

    def fit(self) -> str:
        before = self.zoom
        self.header_height = self._needed_height()
        self.zoom, self._is_zoomed = self.fitting_zoom(), True
        self.lay_out()
        if self.zoom != before:
            return ""
        return "This is as far as it goes." if self.max_scroll_y else super().fit()

    def on_resize(self) -> None:
        self.lay_out()

    def watch_show_vertical_scrollbar(self) -> None:
        """Scrollbars take a line and a column."""
        self.call_after_refresh(self._scroll_to_cursor)

    def watch_show_horizontal_scrollbar(self) -> None:
        self.call_after_refresh(self._scroll_to_cursor)

    # Which weights are needed.

    def wanted_window(self, look: Look) -> GetWindow | None:
        """What is in sight, and as much again around it, so that scrolling seldom waits."""
        if look.run is None:
            return None
        rows, keys = self.frame.around()
        if rows[0] >= rows[1] or keys[0] >= keys[1]:
            return None
        step = self.step
        return GetWindow(
            look.run.run, look.view, rows, keys, step, step, look.pooling, look.reading
        )

    def _ask(self) -> None:
        rows, keys = self.frame.visible()
        if self.overview is not None:
            self.overview.show_part(rows, keys)
        window = self.window
        if self.look.run is not None and not (
            window is not None
            and window.is_of(self.look)
            and window.step == self.step
            and window.covers(rows, keys)
        ):
            self.ask()

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        self._ask()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._ask()

    # The cursor.

    def _move_cursor(self, before: Look) -> None:
        if not self._scroll_to_cursor():
            frame, look = self.frame, self.look
            self.refresh(*frame.cross(before.query, before.key), *frame.cross(look.query, look.key))

    def _scroll_to_cursor(self) -> bool:
        """Bring the cursor out from under the labels; whether anything moved."""
        place = self.frame.scroll_to(max(self.look.query, 0), max(self.look.key, 0))
        if place is not None:
            self.scroll_to(*place, animate=False, force=True)
        return place is not None

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        cell = self.frame.cell_at(offset) if offset is not None else None
        if cell is not None:
            self.post_message(CellPicked(*cell))

    # Painting.

    def render_lines(self, crop: Region) -> list[Strip]:
        self._painted = self.frame  # every line asks for it
        try:
            return super().render_lines(crop)
        finally:
            self._painted = None

    def render_line(self, y: int) -> Strip:
        if self.look.run is None or not self.header_height:
            styles = self.style_of("text"), self.style_of("bar")
            return self.strip_of(waiting_line(y, self.size, self.waiting, self.share, *styles))
        if y < self.header_height:
            return self._header_line(y)
        return self._row_line(y - self.header_height + self.scroll_offset.y)

    def _is_marked(self, marks: frozenset[int], cell: int) -> bool:
        return any(cell * self.step <= at < (cell + 1) * self.step for at in marks)

    def _header_line(self, y: int) -> Strip:
        plain, current = self.style_of("text"), self.style_of("current")
        segments = [Segment(" " * self.frame.label_width, plain)]
        for column in self.frame.columns():
            style = current if column == self.look.key // self.step else plain
            if self._is_marked(self.look.marked_keys, column):
                style = style + UNDERLINED
            label = downwards(self.look.keys[column * self.step].text, self.header_height)
            piece = fit(label[y], min(2, self.cell_width))
            left = (self.cell_width - 2) // 2
            text = " " * left + piece + " " * (self.cell_width - 2 - left)
            segments.append(Segment(text, style))
        return self.strip_of(segments)

    def _label_segments(self, row: int, token: Unit) -> list[Segment]:
        is_current = row == self.look.query // self.step
        style = self.style_of("current" if is_current else "text")
        faint = style if is_current else self.style_of("faint")
        mark = MARK if self._is_marked(self.look.marked_queries, row) else " "
        number = f"{row * self.step:>{self._number_width}}{mark}"
        room = self.frame.label_width - self._number_width - 2
        text = visible(token.text)
        text = text + "…" if self.step > 1 else text
        return [Segment(number, faint), Segment(fit(text, room), style), Segment(" ", style)]

    def _row_line(self, row: int) -> Strip:
        queries = self.look.queries
        if row * self.step >= len(queries):
            return self.strip_of([])
        labels = self._label_segments(row, queries[row * self.step])
        return self.strip_of([*labels, *self._ruled(row, self._cells(row))])

    def _ruled(self, row: int, cells: list[Segment]) -> list[Segment]:
        """The cells of a row with thin lines where the second sentence of a pair begins."""
        boundary = self.look.boundary
        if boundary is None:
            return cells
        ink, at = self.style_of("faint"), boundary // self.step
        if row + 1 == at:
            cells = below(cells, 0, Segment.get_line_length(cells), ink)
        across = (at - self.frame.columns().start) * self.cell_width
        return upright(cells, across, ink) if across > 0 else cells

    def _cells(self, row: int) -> list[Segment]:
        """One row of the body; blank where the weights have not come yet."""
        columns, window, width = self.frame.columns(), self.window, self.cell_width
        if window is None or window.step != self.step:
            return []
        down = row - window.request.rows[0] // self.step
        first = window.request.keys[0] // self.step
        if not 0 <= down < len(self._levels):
            return []
        start, stop = columns.start - first, columns.stop - first
        missing = max(0, -start)
        shown = self._levels[down][max(0, start) : max(0, stop)]
        weights = window.weights[down, max(0, start) : max(0, stop)].tolist()
        cells = [Segment(" " * (missing * width), self.palette.outside)] if missing else []
        at = self.look.key // self.step - columns.start - missing
        if row != self.look.query // self.step or not 0 <= at < len(shown):
            return cells + self._plain_cells(shown, weights)
        return [
            *cells,
            *self._plain_cells(shown[:at], weights[:at]),
            *cursor_segments(shown[at], weights[at], self.palette, width),
            *self._plain_cells(shown[at + 1 :], weights[at + 1 :]),
        ]

    def _plain_cells(self, shown: list[int], weights: list[float]) -> list[Segment]:
        if self.cell_width >= DIGITS_FROM:
            return digit_segments(shown, weights, self.palette, self.cell_width)
        return row_segments(shown, self.palette, self.cell_width)
