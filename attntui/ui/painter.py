"""From a look to the panes: asks for what is needed, paints what comes, drops what is late."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual.screen import Screen

from attntui.client.engine import EngineFault, EngineGone, Superseded
from attntui.core.errors import UserError
from attntui.core.protocol import (
    STATISTICS,
    GetStatistics,
    GetTop,
    GetWindow,
    Predictions,
    Reply,
    Request,
    Top,
)
from attntui.ui import captions
from attntui.ui.session import Session
from attntui.ui.state import Look
from attntui.ui.wanted import Slot, wanted
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.grid_window import GridWindow
from attntui.ui.widgets.head_map import HeadBar, HeadMap
from attntui.ui.widgets.lines import CursorLine
from attntui.ui.widgets.ranked_list import RankedList

if TYPE_CHECKING:
    import numpy as np


class Painter:
    """Asks at most once for the same thing; an answer older than what is painted is dropped."""

    def __init__(
        self, screen: Screen[None], session: Session, complain: Callable[[str], None]
    ) -> None:
        self._screen, self._session, self._complain = screen, session, complain
        self._asked: dict[Slot, Request] = {}
        self._count = 0
        self._painted: dict[Slot, int] = {}
        self._look = Look()

    def forget(self) -> None:
        """Ask for everything anew: another run, or another stack."""
        self._asked.clear()

    def follow(self, look: Look) -> None:
        """Paint what is known of this look, and ask for the rest."""
        self._look = look
        window = self._screen.query_one(AttentionGrid).wanted_window(look)
        requests = wanted(look, window)
        for slot, request in requests.items():
            is_held = look.run is not None and look.run.run == self._session.held_run
            known = self._session.known(request)
            if self._asked.get(slot) == request or (known is None and not is_held):
                continue
            self._asked[slot] = request
            self._count += 1
            if known is not None:
                self._accept(slot, request, self._count, *known)
            else:
                self._screen.run_worker(
                    self._fetch(slot, request, self._count),
                    group=slot,
                    description=slot,
                    exit_on_error=False,
                )
        self._list("predictions").display = "predictions" in requests

    async def strongest_key(self, look: Look) -> int | None:
        """The key that the query looks at most; None where it cannot be told."""
        if look.run is None:
            return None
        request = GetTop(look.run.run, look.view, (look.query,), "attends_to", 1)
        try:
            reply, _ = await self._session.latest("strongest", request)
        except (Superseded, EngineGone, EngineFault, UserError):
            return None
        entries = reply.entries if isinstance(reply, Top) else ()
        return entries[0].position if entries else None

    async def _fetch(self, slot: Slot, request: Request, number: int) -> None:
        try:
            reply, arrays = await self._session.latest(slot, request)
        except (Superseded, EngineGone):
            return
        except (UserError, EngineFault) as error:
            self._complain(str(error))
            return
        if self._screen.is_mounted:
            self._accept(slot, request, number, reply, arrays)

    def _accept(
        self, slot: Slot, request: Request, number: int, reply: Reply, arrays: list[np.ndarray]
    ) -> None:
        run = self._look.run
        is_stale = run is None or getattr(reply, "run", None) != run.run
        if is_stale or number < self._painted.get(slot, 0):
            return
        self._painted[slot] = number
        getattr(self, f"_paint_{slot}")(request, reply, arrays)

    # One method for each slot.

    def _list(self, name: str) -> RankedList:
        return self._screen.query_one(f"#{name}", RankedList)

    def _paint_window(self, request: GetWindow, reply: Reply, arrays: list[np.ndarray]) -> None:
        grid = self._screen.query_one(AttentionGrid)
        grid.show_window(GridWindow(request, arrays[0]))
        grid.set_title(
            captions.view_title(request.view, request.row_step, grid.size.width, self._look)
        )

    def _paint_largest(self, request: GetWindow, reply: Reply, arrays: list[np.ndarray]) -> None:
        self._screen.query_one(AttentionGrid).show_largest(GridWindow(request, arrays[0]))

    def _paint_cell(self, request: GetWindow, reply: Reply, arrays: list[np.ndarray]) -> None:
        if request == self._asked.get("cell"):
            self._screen.query_one(CursorLine).show_cell(self._look, float(arrays[0][0, 0]))

    def _paint_map(self, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        values = arrays[0]
        if isinstance(request, GetStatistics):
            if self._look.map == "cell":
                return
            values = values[STATISTICS.index(self._look.map)]
        self._screen.query_one(HeadMap).show_values(values)
        self._screen.query_one(HeadBar).show_values(values)

    def _paint_attends(self, request: GetTop, reply: Reply, arrays: list[np.ndarray]) -> None:
        entries, note = captions.top_entries(cast(Top, reply), self._look.keys)
        self._list("attends").show_entries(
            captions.attends_title(self._look, request.positions[0]), entries, note
        )

    def _paint_attended(self, request: GetTop, reply: Reply, arrays: list[np.ndarray]) -> None:
        entries, note = captions.top_entries(cast(Top, reply), self._look.queries)
        self._list("attended").show_entries(
            captions.attended_title(self._look, request.positions[0]), entries, note
        )

    def _paint_predictions(self, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        found = cast(Predictions, reply)
        title = captions.predictions_title(found, self._look)
        self._list("predictions").show_entries(title, captions.prediction_entries(found))
