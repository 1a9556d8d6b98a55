"""From a look to the panes: asks for what is needed, paints what comes, drops what is late."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Literal, cast

from msgspec.structs import replace
from textual.screen import Screen

from attntui.client.engine import EngineFault, EngineGone, Superseded
from attntui.core.costs import QUICK, weights
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Chosen,
    GetAttribution,
    GetEffects,
    GetOrder,
    GetShares,
    GetShifts,
    GetStatistics,
    GetTop,
    GetWindow,
    Head,
    Lens,
    Mean,
    Predictions,
    Progress,
    Reply,
    Request,
    Signed,
    Statistics,
    Top,
)
from attntui.render.ranking import Entry, top_entries
from attntui.ui import captions
from attntui.ui.choices import PageName, Unit
from attntui.ui.late import Late
from attntui.ui.messages import RequestsChanged
from attntui.ui.order import OrderSweep
from attntui.ui.session import Session
from attntui.ui.state import Look
from attntui.ui.sweep import Sweep
from attntui.ui.wanted import wanted
from attntui.ui.widgets.bars import CursorLine
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.head_values import HeadValues
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.pattern_pane import PatternPane
from attntui.ui.widgets.ranked_list import RankedList

if TYPE_CHECKING:
    import numpy as np


HOLD = 0.015
"""Seconds for which nothing is painted once other weights of the same page were asked for. Most
come after 5 ms: another head of 4,096 tokens was painted after 33 ms in one frame, 48 in two; a run
of 1,024 tokens 50 ms after it had ended, 125 in three."""

Beside = Literal["beside", "overview"]
Slot = tuple[PageName | Beside | None, str]
"""Which page asked (None: what is shown on every page), and for what."""


class Painter:
    """Asks at most once for the same thing; an answer older than what is painted is dropped."""

    def __init__(
        self,
        screen: Screen[None],
        session: Session,
        complain: Callable[[str], None],
        wait: Callable[[str, float | None], object],
    ) -> None:
        self._screen, self._session, self._complain = screen, session, complain
        self._late = Late(wait, screen.set_timer)
        self._asked: dict[Slot, Request] = {}
        self._count = 0
        self._painted: dict[Slot, int] = {}
        self._look = Look()
        self._sweep = Sweep(session)
        self._given_up: set[Slot] = set()
        """Asked for, and not to be asked for again before something else is looked at."""
        self._views: dict[PageName | Beside | None, type] = {}
        """The kind of view that was painted last on each page."""
        self._is_paused = False
        self._held = ExitStack()
        """While it holds something, nothing is painted."""
        self.order = OrderSweep()
        self.predicted: Predictions | None = None
        """The predictions that are listed."""

    def forget(self, is_other_text: bool) -> None:
        """Ask for everything anew: another run, or another stack. Of another text, the lists go."""
        self._asked.clear()
        self._views.clear()
        if is_other_text:
            for ranked in self._screen.query(RankedList):
                ranked.clear()

    def pause(self) -> None:
        """Ask for nothing and paint nothing: the place that is looked at is about to be found."""
        self._is_paused = True
        self._hold()

    def go_on(self) -> None:
        """The place is found, or is not to be found; `follow` asks again."""
        self._is_paused = False

    def follow(self, look: Look, page: Page, others: Sequence[Page]) -> None:
        """Paint what is known of this look, and ask for the rest: first what is in the middle.

        `others` are in sight besides: a second grid, the whole matrix in small.
        """
        before, self._look = self._look, look
        if self._is_paused:
            return
        if self._given_up and look != before:
            for slot in self._given_up:
                self._asked.pop(slot, None)
            self._given_up.clear()
        requests: dict[Slot, Request] = {}
        if look.run is not None and look.queries and look.keys:
            requests |= {(look.page, slot): one for slot, one in page.requests(look).items()}
        requests |= {(None, slot): one for slot, one in wanted(look).items()}
        for other in others:
            name = cast("Beside", other.id)
            requests |= {(name, slot): one for slot, one in other.requests(other.look).items()}
        effects = self._sweep.next(look)
        if effects is not None:
            requests[None, "effects"] = effects
        swap = self.order.next(look)
        if swap is not None:
            requests[None, "order"] = swap
        self._show_sweeps()
        for slot in [slot for slot in self._asked if slot not in requests]:
            if slot[0] or self._is_of_another_kind(slot):
                self._give_up(slot)
        for slot, request in requests.items():
            is_held = getattr(request, "run", 0) in self._session.held
            if getattr(request, "sampled", 0) and self._session.known(replace(request, sampled=0)):
                continue  # all of it is known
            known = self._session.known(request)
            if self._asked.get(slot) == request or (known is None and not is_held):
                continue
            self._give_up(slot, request)
            self._asked[slot] = request
            self._count += 1
            if known is None and before.page == look.page and slot == (look.page, "window"):
                self._hold()
            if known is not None:
                self._accept(slot, request, self._count, *known)
            else:
                self._screen.run_worker(
                    self._fetch(slot, request, self._count),
                    group=_name(slot),
                    description=_name(slot),
                    exit_on_error=False,
                )
        if (None, "attends") in requests and (None, "attended") not in requests:
            self.stop(None, "attended")
            self._list("attended").show_entries(captions.NO_COLUMNS, ())
        self._list("predictions").display = (None, "predictions") in requests

    def _hold(self) -> None:
        """Paint nothing until the page's weights have come, and not for long."""
        self._release()
        self._held.enter_context(self._screen.app.batch_update())
        self._held.callback(self._screen.set_timer(HOLD, self._release).stop)

    def _release(self) -> None:
        self._held.close()
        self._screen.check_idle()

    def stop(self, page: PageName | Beside | None, name: str) -> None:
        """Give up what a page (None: every page) asked for; it may ask again."""
        self._asked.pop((page, name), None)
        self._screen.workers.cancel_group(self._screen, _name((page, name)))

    def give_up(self) -> bool:
        """Give up what takes long, until something else is looked at; False: there is none.

        What has not taken long yet is let be, but for weights that are slow by their kind: Esc is
        often pressed without need.
        """
        late = [slot for slot in self._asked if self._takes_long(slot)]
        for slot in late:
            self._screen.workers.cancel_group(self._screen, _name(slot))
            if self._is_quick(self._asked[slot]):  # it waited for the others: once more
                del self._asked[slot]
            else:
                self._given_up.add(slot)
        self._screen.post_message(RequestsChanged())
        return bool(late)

    def _takes_long(self, slot: Slot) -> bool:
        view = getattr(self._asked[slot], "view", None)
        is_slow = view is not None and not isinstance(view, Head | Mean | Chosen)
        name = _name(slot)
        return name in self._late.names or (is_slow and name in self._late.awaited)

    def shows(self, look: Look) -> bool:
        """Whether the page has painted anything of such a view as is looked at."""
        return self._views.get(look.page, type(look.view)) is type(look.view)

    def _is_quick(self, request: Request) -> bool:
        """Whether it takes no time by itself."""
        run = self._look.run
        if not isinstance(getattr(request, "view", None), Head | Mean | Chosen):
            return False
        count = weights(request, run.stacks, run.sides) if run is not None else None
        return count is not None and count <= QUICK

    def show_late(self) -> None:
        """Say what is waited for, or that nothing is."""
        self._late.say()

    def _give_up(self, slot: Slot, request: Request | None = None) -> None:
        """Give up what a slot asked for, if it takes long: it would keep `request` waiting.

        What takes no time may come: while a key is held down, something is seen of every place.
        """
        asked, run = self._asked.get(slot), self._look.run
        if asked is None or run is None:
            return
        is_slow = getattr(asked, "sampled", 0) or self._is_of_another_kind(slot, request)
        count = weights(asked, run.stacks, run.sides)
        if is_slow or (count is not None and count > QUICK):
            self.stop(*slot)

    def _is_of_another_kind(self, slot: Slot, request: Request | None = None) -> bool:
        """Whether a lens or a rollout was asked for and now something else is: the model may run
        for it, and every row would wait."""
        view = getattr(request, "view", self._look.view)
        return type(getattr(self._asked[slot], "view", view)) is not type(view)

    def rest(self) -> None:
        """Give up whatever takes long: the engine is to run the model."""
        for slot in list(self._asked):
            self._give_up(slot)

    async def measure(self, look: Look) -> None:
        """Ask for the statistics of all heads and paint them, however long it takes; say how far
        they are."""
        if look.run is None:
            return
        request = GetStatistics(look.run.run, look.stack, look.basis)
        self._count += 1
        await self._fetch((None, "statistics"), request, self._count, self._session.tell)

    async def ask(self, request: Request) -> tuple[Reply, list[np.ndarray]] | None:
        """An answer that is not painted; None where there is none, and the user was told."""
        try:
            return await self._session.latest("asked", request)
        except (UserError, EngineFault, EngineGone) as error:
            self._complain(str(error))
        except Superseded:
            pass
        return None

    async def strongest_key(self, look: Look) -> int | None:
        """The key that the query looks at most; None where it cannot be told."""
        if look.run is None:
            return None
        request = GetTop(look.run.run, look.view, (look.query,), "attends_to", 1, look.reading)
        try:
            reply, _ = await self._session.latest("strongest", request)
        except (Superseded, EngineGone, EngineFault, UserError):
            return None
        entries = reply.entries if isinstance(reply, Top) else ()
        return entries[0].position if entries else None

    async def _fetch(
        self,
        slot: Slot,
        request: Request,
        number: int,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        name = _name(slot)
        try:
            with nullcontext(progress) if progress else self._late.waiting(name) as tell:
                reply, arrays = await self._session.latest(name, request, tell)
        except (Superseded, EngineGone):
            return
        except (UserError, EngineFault) as error:
            page = self._screen.query_one(f"#{slot[0]}", Page) if slot[0] else None
            if page is None or isinstance(error, EngineFault) or not page.refuse(str(error)):
                self._complain(str(error))
            return
        if self._screen.is_mounted:
            self._accept(slot, request, number, reply, arrays)

    def _accept(
        self, slot: Slot, request: Request, number: int, reply: Reply, arrays: list[np.ndarray]
    ) -> None:
        look = self._look
        runs = {run.run for run in (look.run, look.before, look.after) if run is not None}
        is_stale = getattr(reply, "run", None) not in {*runs, self._session.base}
        if is_stale or number < self._painted.get(slot, 0):
            return
        self._painted[slot] = number
        page, name = slot
        if page is not None:
            if (view := getattr(request, "view", None)) is not None:
                self._views[page] = type(view)
            self._screen.query_one(f"#{page}", Page).accept(name, request, reply, arrays)
            if slot == (self._look.page, "window") and request == self._asked.get(slot):
                self._release()
        else:
            getattr(self, f"_paint_{name.replace('-', '_')}")(request, reply, arrays)

    # One method for each slot that is no page's.

    def _list(self, name: str) -> RankedList:
        return self._screen.query_one(f"#{name}", RankedList)

    def _paint_cell(self, request: GetWindow, reply: Reply, arrays: list[np.ndarray]) -> None:
        if request == self._asked.get((None, "cell")):
            self._screen.query_one(CursorLine).show_cell(self._look, float(arrays[0][0, 0]))

    def _paint_cell_beside(
        self, request: GetWindow, reply: Reply, arrays: list[np.ndarray]
    ) -> None:
        if request == self._asked.get((None, "cell-beside")):
            self._screen.query_one(CursorLine).show_beside(self._look, float(arrays[0][0, 0]))

    def _paint_cell_map(self, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        for heads in self._screen.query(HeadValues):
            heads.show_cell_map(arrays[0])
        self._show_values()

    def _paint_shares(self, request: GetShares, reply: Reply, arrays: list[np.ndarray]) -> None:
        if request.reading == self._look.heads_reading:
            for heads in self._screen.query(HeadValues):
                heads.show_shares(arrays[0])
            self._show_values()

    def _paint_shift(self, request: GetShifts, reply: Reply, arrays: list[np.ndarray]) -> None:
        for heads in self._screen.query(HeadValues):
            heads.show_shift(arrays[0])
        self._show_values()

    def _paint_direct(
        self, request: GetAttribution, reply: Reply, arrays: list[np.ndarray]
    ) -> None:
        if request.target == self._look.aim:
            for heads in self._screen.query(HeadValues):
                heads.show_direct(arrays[0])
            self._screen.query_one(PatternPane).show_parts(*arrays)
            self._show_values()

    def _paint_effects(self, request: GetEffects, reply: Reply, arrays: list[np.ndarray]) -> None:
        self._sweep.put(request, arrays[0])
        self._screen.post_message(RequestsChanged())  # the next layer

    def _paint_order(self, request: GetOrder, reply: Reply, arrays: list[np.ndarray]) -> None:
        self.order.put(request, *arrays)
        self._screen.post_message(RequestsChanged())  # the next pair

    def _show_sweeps(self) -> None:
        """What heads off in turn, or swapped words, have come to for the present look."""
        look = self._look
        for heads in self._screen.query(HeadValues):
            if look.map == "effect":
                heads.show_effects(self._sweep.values(look), self._sweep.done(look))
            elif look.map == "order":
                heads.show_order(self.order.found(look), self.order.done(look))
        if look.map in {"effect", "order"}:
            self._show_values()

    def _paint_statistics(
        self, request: GetStatistics, reply: Reply, arrays: list[np.ndarray]
    ) -> None:
        if (request.stack, request.basis) == (self._look.stack, self._look.basis):
            for heads in self._screen.query(HeadValues):
                heads.show_statistics(arrays[0], cast(Statistics, reply).eligible)
            self._screen.query_one(PatternPane).show_statistics(arrays[0])
            self._show_values()

    def _show_values(self) -> None:
        page = self._screen.query_one(f"#{self._look.page}", Page)
        page.show_values(self._screen.query_one(HeadMap).values)

    def _paint_attends(self, request: GetTop, reply: Reply, arrays: list[np.ndarray]) -> None:
        if request.reading != self._look.reading:
            return
        entries, note = _entries(request, reply, self._look.keys)
        title = captions.attends_title(
            self._look, request.view, request.positions, cast(Top, reply)
        )
        self._list("attends").show_entries(title, entries, note)

    def _paint_attended(self, request: GetTop, reply: Reply, arrays: list[np.ndarray]) -> None:
        if request.reading != self._look.reading:
            return
        entries, note = _entries(request, reply, self._look.queries)
        title = captions.attended_title(self._look, request.view, request.positions)
        self._list("attended").show_entries(title, entries, note)

    def _paint_predictions(self, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        self.predicted = found = cast(Predictions, reply)
        self._screen.query_one(CursorLine).show_predicted(found)
        title = captions.predictions_title(found, self._look)
        self._list("predictions").show_entries(title, captions.prediction_entries(found))


def _name(slot: Slot) -> str:
    return ".".join(part for part in slot if part)


def _entries(request: GetTop, reply: Reply, units: Sequence[Unit]) -> tuple[tuple[Entry, ...], str]:
    is_signed = bool(request.reading.against) or isinstance(request.view, Signed)
    is_share = not isinstance(request.view, Lens | Signed)
    return top_entries(cast(Top, reply), units, is_difference=is_signed, is_share=is_share)
