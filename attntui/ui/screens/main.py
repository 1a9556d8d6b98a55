"""The main screen: a key changes the look; what the new look needs is asked for and painted."""

import asyncio
import gc
from dataclasses import replace
from importlib import import_module
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.worker import Worker, WorkerState

from attntui.client.engine import Engine
from attntui.core.protocol import (
    Chosen,
    Head,
    Lens,
    LessWeights,
    Mean,
    ModelInfo,
    ModelOptions,
    PromptInput,
)
from attntui.core.tokens import sanitise
from attntui.ui.beside import follow, same_outputs
from attntui.ui.choices import PAGES
from attntui.ui.examples import favourite_head, first_query
from attntui.ui.history import History
from attntui.ui.keys import bindings
from attntui.ui.memory import Memory, Past
from attntui.ui.messages import (
    CellPicked,
    HeadPicked,
    Idle,
    LookPicked,
    ModelReady,
    RequestsChanged,
    RunReady,
    Trouble,
    Waiting,
)
from attntui.ui.painter import Painter
from attntui.ui.screens.comparing import Comparing
from attntui.ui.screens.copying import Copying
from attntui.ui.screens.expecting import Expecting
from attntui.ui.screens.explaining import Explaining
from attntui.ui.screens.exporting import Exporting
from attntui.ui.screens.generating import Generating
from attntui.ui.screens.opening import Opening
from attntui.ui.screens.prompting import Prompting
from attntui.ui.screens.retracing import Retracing
from attntui.ui.screens.seeing import Seeing
from attntui.ui.screens.swapping import Swapping
from attntui.ui.screens.sweeping import Sweeping
from attntui.ui.session import EngineEnded, Session
from attntui.ui.start import Start
from attntui.ui.state import Look
from attntui.ui.widgets.ask_line import AskLine
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.bars import CursorLine, KeyLine, StatusLine
from attntui.ui.widgets.head_bar import HeadBar
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.head_values import HeadValues
from attntui.ui.widgets.message_line import MessageLine, Saying
from attntui.ui.widgets.overview import Overview
from attntui.ui.widgets.pages import Pages
from attntui.ui.widgets.pattern_pane import PatternPane
from attntui.ui.widgets.prompt_box import PromptBox, SecondBox
from attntui.ui.widgets.ranked_list import RankedList
from attntui.ui.widgets.too_small import TooSmall


class MainScreen(
    Generating,
    Comparing,
    Seeing,
    Expecting,
    Retracing,
    Swapping,
    Sweeping,
    Opening,
    Explaining,
    Prompting,
    Copying,
    Exporting,
):
    """Prompt, head map, grid, lists; one look shared by all."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    AUTO_FOCUS = "#grid"

    def __init__(
        self, options: ModelOptions, prompt: PromptInput | None, start: Start, engine: Engine
    ) -> None:
        super().__init__()
        self.session = Session(options, prompt, self.post_message, engine, start.file)
        self.memory = Memory()
        self.history = History()
        self.look = start.look or Look(
            stack=start.attention or "self", layer=start.layer or 0, head=start.head or 0
        )
        self.painter = Painter(
            self, self.session, lambda sentence: self.say(sentence, True), self._show_late
        )
        self._start, self.tables = start, start.tables
        self._trouble = self._refusal = ""
        self._is_refused = False
        """Whether the model could not be loaded."""
        self._has_compared = False
        """Whether the model to compare with, from the command line, was asked for."""

    def compose(self) -> ComposeResult:
        yield StatusLine(self.session.engine.place.name)
        yield PromptBox()
        yield SecondBox()
        yield HeadBar("bar")
        with Container(id="panes"):
            with Container(id="heads"):
                yield HeadMap("map")
                yield Overview()
                yield PatternPane()
            yield Pages()
            with Container(id="lists"):
                yield RankedList("attends", "key")
                yield RankedList("attended", "query")
                yield RankedList("predictions")
        yield CursorLine()
        yield AskLine()
        yield KeyLine()
        yield MessageLine()
        yield TooSmall()

    def on_mount(self) -> None:
        self.query_one("#grid", AttentionGrid).overview = self.query_one(Overview)
        self.open_memory(self._start.draft)
        self.fill_boxes()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """After the first paint: start the engine, and meanwhile import numpy beside the loop.

        The first answer needs numpy; importing it in the loop would stop the screen for 100 ms.
        Whoever started the screen may have put off collecting garbage; what there is now is kept,
        and never looked through.
        """
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        self.run_worker(asyncio.to_thread(import_module, "numpy"), exit_on_error=False)
        self.work(None)

    async def on_unmount(self) -> None:
        self.save()
        await self.session.close()

    def work(self, past: Past | None) -> None:
        """Run a prompt, or what is left to do, in place of whatever runs now."""
        self.engage(self.session.run(past))
        self.box.show_running(past)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of ours in a task must not pass in silence, nor end the program."""
        if event.state is WorkerState.ERROR:
            fault = event.worker.error
            self.say(f"This is a fault of attntui: {type(fault).__name__}: {fault}", severe=True)

    # From the session.

    @on(Waiting)
    def _show_waiting(self, message: Waiting) -> None:
        self.query_one(MessageLine).act()
        self._show_held()
        self.query_one(StatusLine).show_waiting(message.what, message.share)
        self.query_one("#grid", AttentionGrid).show_waiting(message.what, message.share)

    def _show_held(self) -> None:
        """Whether the engine has what is looked at."""
        run = self.look.run
        self.query_one(StatusLine).show_held(run is not None and run.run in self.session.held)

    def _show_late(self, what: str, share: float | None) -> None:
        """What a pane waits for; what the session waits for comes first."""
        if not self.session.busy:
            for line in self.query(StatusLine):  # none while the screen goes
                line.show_waiting(what or self._missing, share)

    @on(Idle)
    def _stop_waiting(self) -> None:
        self.box.show_running(None)
        self.query_one("#grid", AttentionGrid).show_waiting(self._trouble, None)
        self.painter.show_late()
        self._follow()  # what was given up for what has ended

    @property
    def _missing(self) -> str:
        """What there is not, and the key that brings it."""
        if self.session.model is None:
            return f"no model loaded · {'Ctrl+O opens one' if self._is_refused else 'U loads it'}"
        return "" if self.session.base is not None else "the prompt has not run · R tries again"

    @on(ModelReady)
    def _model_ready(self, message: ModelReady) -> None:
        self._is_refused = False
        self.fill_boxes()
        if self.session.file is None:
            self.memory.add_model(self.session.options)
        for note in message.model.notes:
            self.note(note)
        first = self.look.model is None and self._start.look is None
        self.look = replace(self.look, model=message.model)
        self.lay_tables(message.model)
        if first:
            self._place_first(message.model)
        self.change(self.look)

    def _place_first(self, model: ModelInfo) -> None:
        """The head asked for on the command line, or the one a bundled model is known for."""
        start = self._start
        if start.layer is None and start.head is None:
            layer, head = model.opens_at or favourite_head(self.session.options.model)
            self.look = replace(self.look, layer=layer, head=head)
            return
        found = self.look.settle()
        wished, nearest = (self.look.layer, self.look.head), (found.layer, found.head)
        if wished != nearest:
            names = [f"{layer}.{head}" for layer, head in (wished, nearest)]
            self.say(f"There is no head {names[0]} here; this is the nearest, {names[1]}.")

    @on(RunReady)
    def _run_ready(self, message: RunReady) -> None:
        self.prompt_has_run(message.run)
        for note in message.run.notes:
            self.note(note)
        if message.run.truncated:
            self.note(f"{message.run.truncated} tokens were cut off, as --truncate says.")
        if message.run.trust.why:
            captured = self.look.model is not None and self.look.model.capture == "interface"
            if captured:
                self.say(message.run.trust.why, severe=True)
            else:
                self.note(message.run.trust.why)
        self._trouble = ""
        self.query_one(MessageLine).take_back(sanitise(self._refusal))
        before = self.look
        if before.run is None and self._start.look is not None:  # a resumed place
            self.change(replace(before, run=message.run))
            self.new_run(message.run)
            return
        alone = before.compare(None, None)
        look = replace(alone, run=message.run).settle()
        is_new = before.run is None or before.queries != look.queries
        if is_new:
            look = self._opened(before, look)
        if before.run is not None and not same_outputs(before.run, message.run):
            look = look.without_logits()
        landed = self.landed(before, look)
        other = None if self._has_compared else self._start.compare
        is_sought = is_new and landed is None and look.facing is None and other is None
        is_next = isinstance(look.view, Head | Mean | Chosen) and not (self._edits or self._kept)
        if is_sought and is_next:  # the model does not run before it is found
            self.painter.pause()
        self.change(landed or look)
        self.new_run(message.run)
        if other is not None:
            self._has_compared = True
            self.compare_with(other)
        elif is_sought:
            self.run_worker(self._to_strongest_key(look), exit_on_error=False)

    def _opened(self, before: Look, look: Look) -> Look:
        """The look at another text: without the marks of the one before, at a masked place where
        there is one, and at the last token where the cursor was at the last one."""
        grown = self.opened_after(look)
        if grown is not None:
            return grown
        if before.marked_queries or before.marked_keys:
            self.note("The text changed: its rows and columns are not marked any more.")
        none: frozenset[int] = frozenset()
        if look.facing is not None:  # the cursor stays where it is in the pinned text
            return replace(follow(before, look), marked_queries=none, marked_keys=none)
        first = first_query(look)
        is_mask = first < len(look.queries) - 1
        was_last = before.query >= len(before.queries) - 1
        query = first if was_last or is_mask else look.query
        return replace(look, query=query, marked_queries=none, marked_keys=none)

    async def _to_strongest_key(self, look: Look) -> None:
        """Open on the key that the query looks at most, so that the head map says something."""
        try:
            key = await self.painter.strongest_key(look)
        finally:
            self.painter.go_on()
        if key is not None and self.look == look.settle():
            self.change(replace(look, key=key))
        else:
            self.post_message(RequestsChanged())

    @on(Trouble)
    def _show_trouble(self, message: Trouble) -> None:
        self._trouble = message.sentence
        if not message.lasts:
            self._refusal = message.sentence
        self._is_refused = self.session.model is None
        self.say(message.sentence, severe=True)

    @on(EngineEnded)
    def _engine_ended(self, message: EngineEnded) -> None:
        self.say(message.sentence, severe=True)
        if message.again:
            self.work(None)
        else:
            self.post_message(Idle())

    def say(self, sentence: str, severe: bool = False) -> None:
        """A sentence over the keys, at once; longer for what went wrong. Never read as markup."""
        self._tell(Saying(sanitise(sentence), severe))

    def note(self, sentence: str) -> None:
        """A sentence that nobody asked for: after what is being said."""
        self._tell(Saying(sanitise(sentence), can_wait=True))

    def _tell(self, saying: Saying) -> None:
        for line in self.query(MessageLine):  # none while the screen goes
            line.show(saying)

    # One look, shown everywhere.

    def change(self, look: Look) -> None:
        """Show another look, and ask for what it needs."""
        before = self.look
        self.look = look = look.settle().in_step(before)
        if look != before:
            self.query_one(MessageLine).act()
        if before.run is not look.run or before.stack != look.stack:
            self.painter.forget(is_other_text=before.queries != look.queries)
        self.query_one(Pages).show(look.page)
        for name in PAGES:
            self.set_class(name == look.page, f"-{name}")
        self.query_one(StatusLine).show_look(look)
        self.page.show_look(look)
        self.show_beside()
        self.query_one(Overview).show_look(look)
        for heads in self.query(HeadValues):
            heads.show_look(look)
        self.page.show_values(self.query_one(HeadMap).values)
        self.query_one(PatternPane).show_look(look)
        weight = self.page.weight_at_cursor(look)
        is_difference = self.page.shows_differences and (
            look.reading.against or isinstance(look.view, LessWeights)
        )
        legend = "differences" if is_difference else self.page.legend
        if isinstance(look.view, Lens):
            legend = "lens"
        self.query_one(CursorLine).show_cell(look, weight, legend)
        self.query_one(KeyLine).show_page(look.page)
        if before.page != look.page and self.focused is not None and not self.focused.display:
            self.focus_page()
        self._follow()
        self.save_soon()

    def focus_page(self) -> None:
        """The keyboard to the page in sight."""
        self.set_focus(self.page)

    @on(RequestsChanged)
    def _follow(self) -> None:
        self._show_held()
        side, small = self.side_grid, self.query_one(Overview)
        others = [*([side] if side is not None and side.faces else []), small]
        self.painter.follow(self.look, self.page, others)

    # From the panes.

    @on(CellPicked)
    def _cell_picked(self, message: CellPicked) -> None:
        query = self.look.query if message.query is None else message.query
        key = self.look.key if message.key is None else message.key
        self.change(replace(self.look, query=query, key=key))

    @on(HeadPicked)
    def _head_picked(self, message: HeadPicked) -> None:
        layer = self.look.layer if message.layer is None else message.layer
        head = self.look.head if message.head is None else message.head
        self.change(replace(self.look, layer=layer, head=head, lens="head"))

    @on(LookPicked)
    def _look_picked(self, message: LookPicked) -> None:
        self.change(message.look)

    @on(AskLine.GaveUp)
    def _back_to_grid(self) -> None:
        self.focus_page()

    # Keys.

    def action_next_theme(self) -> None:
        if not self.app.next_theme():  # type: ignore[attr-defined]
            self.say("In 16 colours and without colour, the terminal's own theme is used.")

    def action_leave(self) -> None:
        if self.is_writing:
            self.stop_writing()
        elif self.session.busy:
            self.workers.cancel_group(self, "session")
            self.say("Cancelled; Enter in the prompt runs it.")
        elif self.stop_describing():
            self.say("Cancelled; d measures the heads.")
        elif self.page.give_up():
            self.painter.stop(self.look.page, "reach")
        elif self.focused is self.page:
            has_stopped, is_given_up = self.stop_swapping(), self.painter.give_up()
            if is_given_up and not self.painter.shows(self.look):
                self.change(replace(self.look, lens="head", method="weights"))
                self.say("Given up; the head's own weights are shown again.")
            elif not has_stopped:
                anew = "Given up; another row, head or key asks anew."
                self.say(anew if is_given_up else "Nothing is running. q quits.")
        else:
            self.focus_page()
