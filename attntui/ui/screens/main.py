"""The main screen: a key changes the look; what the new look needs is asked for and painted."""

import asyncio
from dataclasses import replace
from importlib import import_module
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from attntui.client.engine import Engine
from attntui.core.errors import UserError
from attntui.core.protocol import (
    ModelInfo,
    ModelOptions,
    PromptInput,
)
from attntui.core.scale import SCALES
from attntui.core.tokens import sanitise
from attntui.ui.examples import favourite_head, first_query
from attntui.ui.keys import bindings
from attntui.ui.meanings import meanings
from attntui.ui.messages import (
    CellPicked,
    HeadPicked,
    Idle,
    ModelReady,
    PromptLeft,
    PromptSubmitted,
    RunReady,
    Trouble,
    Waiting,
    WindowWanted,
)
from attntui.ui.painter import Painter
from attntui.ui.screens.windows import help_window, log_window, meaning_window
from attntui.ui.search import find_head, find_token
from attntui.ui.session import EngineEnded, Session
from attntui.ui.state import MAPS, MEANS, Lens, Look, Start
from attntui.ui.widgets.ask_line import AskLine
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.head_map import HeadBar, HeadMap
from attntui.ui.widgets.lines import CursorLine, KeyLine, StatusLine
from attntui.ui.widgets.prompt_box import PromptBox
from attntui.ui.widgets.ranked_list import RankedList


class MainScreen(Screen[None]):
    """Prompt, head map, grid, lists; one look shared by all."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    AUTO_FOCUS = "#grid"

    def __init__(
        self, options: ModelOptions, prompt: PromptInput | None, start: Start, engine: Engine
    ) -> None:
        super().__init__()
        self.session = Session(options, prompt, self.post_message, engine)
        self.look = Look(
            stack=start.attention or "self", layer=start.layer or 0, head=start.head or 0
        )
        self.painter = Painter(self, self.session, lambda sentence: self._say(sentence, True))
        self._start = start
        self._match = ""
        self._trouble = ""

    def compose(self) -> ComposeResult:
        yield StatusLine()
        yield PromptBox()
        yield HeadBar("bar")
        with Container(id="panes"):
            yield HeadMap("map")
            yield AttentionGrid()
            with Container(id="lists"):
                yield RankedList("attends", "key")
                yield RankedList("attended", "query")
                yield RankedList("predictions")
        yield CursorLine()
        yield AskLine()
        yield KeyLine()

    def on_mount(self) -> None:
        prompt = self.session.prompt
        if prompt is not None:
            self.query_one(PromptBox).give(prompt.text)
            self.query_one(PromptBox).name_others(prompt.pair, prompt.decoder_text)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        """After the first paint: start the engine, and meanwhile import numpy beside the loop.

        The first answer needs numpy; importing it in the loop would stop the screen for 100 ms.
        """
        self.run_worker(asyncio.to_thread(import_module, "numpy"), exit_on_error=False)
        self._work(None)

    async def on_unmount(self) -> None:
        await self.session.close()

    def _work(self, prompt: str | None) -> None:
        """Run `prompt`, or what is left to do, in place of whatever runs now."""
        self.run_worker(
            self.session.run(prompt),
            group="session",
            description="engine",
            exclusive=True,
            exit_on_error=False,
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of ours in a task must not pass in silence, nor end the program."""
        if event.state is WorkerState.ERROR:
            fault = event.worker.error
            self._say(f"This is a fault of attntui: {type(fault).__name__}: {fault}", severe=True)

    # From the session.

    @on(Waiting)
    def _show_waiting(self, message: Waiting) -> None:
        self.query_one(StatusLine).show_waiting(message.what, message.share)
        self.query_one(AttentionGrid).show_waiting(message.what, message.share)

    @on(Idle)
    def _stop_waiting(self) -> None:
        self.query_one(AttentionGrid).show_waiting(self._trouble, None)
        missing = "" if self.session.model is not None else "no model loaded · U loads it"
        self.query_one(StatusLine).show_waiting(missing, None)

    @on(ModelReady)
    def _model_ready(self, message: ModelReady) -> None:
        box = self.query_one(PromptBox)
        if not box.text and self.session.prompt is not None:
            box.give(self.session.prompt.text)
        for note in message.model.notes:
            self._say(note)
        first = self.look.model is None
        self.look = replace(self.look, model=message.model)
        if first:
            self._place_first(message.model)
        self._change(self.look)

    def _place_first(self, model: ModelInfo) -> None:
        """The head asked for on the command line, or the one a bundled model is known for."""
        start = self._start
        if start.layer is None and start.head is None:
            layer, head = favourite_head(self.session.options.model)
            self.look = replace(self.look, layer=layer, head=head)
            return
        found = self.look.settle()
        wished, nearest = (self.look.layer, self.look.head), (found.layer, found.head)
        if wished != nearest:
            names = [f"{layer}.{head}" for layer, head in (wished, nearest)]
            self._say(f"There is no head {names[0]} here; this is the nearest, {names[1]}.")

    @on(RunReady)
    def _run_ready(self, message: RunReady) -> None:
        if self.session.prompt is not None:
            self.query_one(PromptBox).remember(self.session.prompt.text)
        for note in message.run.notes:
            self._say(note)
        if message.run.truncated:
            self._say(f"{message.run.truncated} tokens were cut off, as --truncate says.")
        if message.run.trust.why:
            is_eager = self.look.model is not None and self.look.model.capture == "eager"
            self._say(message.run.trust.why, severe=not is_eager)
        self._trouble = ""
        before = self.look
        was_last = before.query >= len(before.queries) - 1
        look = replace(before, run=message.run).settle()
        if was_last:
            look = replace(look, query=first_query(look))
        self.painter.forget()
        self._change(look)
        if before.run is None or before.queries != look.queries:
            self.run_worker(self._to_strongest_key(look), exit_on_error=False)

    async def _to_strongest_key(self, look: Look) -> None:
        """Open on the key that the query looks at most, so that the head map says something."""
        key = await self.painter.strongest_key(look)
        if key is not None and self.look == look.settle():
            self._change(replace(look, key=key))

    @on(Trouble)
    def _show_trouble(self, message: Trouble) -> None:
        self._trouble = message.sentence
        self._say(message.sentence, severe=True)

    @on(EngineEnded)
    def _engine_ended(self, message: EngineEnded) -> None:
        self._say(f"{message.sentence} Starting it again.", severe=True)
        self._work(None)

    def _say(self, sentence: str, severe: bool = False) -> None:
        """A sentence in the corner; longer for what went wrong. Never read as markup."""
        self.notify(
            sanitise(sentence),
            severity="error" if severe else "information",
            timeout=12 if severe else 5,
            markup=False,
        )

    # One look, shown everywhere.

    def _change(self, look: Look) -> None:
        """Show another look, and ask for what it needs."""
        self.look = look = look.settle()
        self.query_one(StatusLine).show_look(look)
        self.query_one(AttentionGrid).show_look(look)
        self.query_one(HeadMap).show_look(look)
        self.query_one(HeadBar).show_look(look)
        weight = self.query_one(AttentionGrid).weight_at_cursor(look)
        self.query_one(CursorLine).show_cell(look, weight)
        self._follow()

    @on(WindowWanted)
    def _follow(self) -> None:
        self.painter.follow(self.look)

    # From the panes.

    @on(CellPicked)
    def _cell_picked(self, message: CellPicked) -> None:
        query = self.look.query if message.query is None else message.query
        key = self.look.key if message.key is None else message.key
        self._change(replace(self.look, query=query, key=key))

    @on(HeadPicked)
    def _head_picked(self, message: HeadPicked) -> None:
        layer = self.look.layer if message.layer is None else message.layer
        head = self.look.head if message.head is None else message.head
        self._change(replace(self.look, layer=layer, head=head, lens="head"))

    @on(PromptSubmitted)
    def _prompt_submitted(self, message: PromptSubmitted) -> None:
        self._work(message.text)
        self.set_focus(self.query_one(AttentionGrid))

    @on(PromptLeft)
    @on(AskLine.GaveUp)
    def _back_to_grid(self) -> None:
        self.set_focus(self.query_one(AttentionGrid))

    @on(AskLine.Changed)
    def _asked_changed(self, message: AskLine.Changed) -> None:
        if message.question == "search" and message.text:
            self._match = message.text
            self._go_to_match(0)

    @on(AskLine.Answered)
    def _answered(self, message: AskLine.Answered) -> None:
        self.set_focus(self.query_one(AttentionGrid))
        if message.question == "head":
            self._go_to_head(message.text)
        elif message.text:
            self._match = message.text
            if not self._go_to_match(0):
                self._say(f"No token holds “{message.text}”.")

    def _go_to_head(self, name: str) -> None:
        try:
            self._change(find_head(self.look, name))
        except UserError as error:
            self._say(str(error))

    def _go_to_match(self, step: int) -> bool:
        at = find_token(self.look.queries, self._match, self.look.query, step)
        if at is not None:
            self._change(replace(self.look, query=at))
        return at is not None

    # Keys.

    def action_move_cell(self, down: int, right: int) -> None:
        step = self.query_one(AttentionGrid).step
        self._change(self.look.move_cell(down * step, right * step))

    def action_edge_cell(self, down: int, right: int) -> None:
        far = max(len(self.look.queries), len(self.look.keys))
        self._change(self.look.move_cell(down * far, right * far))

    def action_page(self, pages: int) -> None:
        grid = self.query_one(AttentionGrid)
        lines = max(1, grid.size.height - grid.header_height - 1)
        self._change(self.look.move_cell(pages * lines * grid.step, 0))

    def action_move_head(self, step: int) -> None:
        self._change(replace(self.look.move_head(step), lens="head"))

    def action_move_layer(self, step: int) -> None:
        lens: Lens = "mean" if self.look.lens == "mean" else "head"
        self._change(replace(self.look.move_layer(step), lens=lens))

    def action_top_head(self) -> None:
        largest = self.query_one(HeadMap).largest()
        if largest is None:
            self._say("No head has a value here.")
            return
        layer, head, _ = largest
        self._change(replace(self.look, layer=layer, head=head, lens="head"))

    def action_next_map(self) -> None:
        kind = MAPS[(MAPS.index(self.look.map) + 1) % len(MAPS)]
        self._change(replace(self.look, map=kind))

    def action_next_stack(self) -> None:
        names = [stack.name for stack in self.look.stacks]
        if len(names) < 2:
            self._say("This model has one stack of layers; there is nothing to switch to.")
            return
        name = names[(names.index(self.look.stack) + 1) % len(names)]
        lens: Lens = "head" if name == "cross" and self.look.lens == "rollout" else self.look.lens
        self.painter.forget()
        self._change(replace(self.look, stack=name, lens=lens))

    def action_next_mean(self) -> None:
        at = MEANS.index(self.look.lens) if self.look.lens in MEANS else 0
        self._change(replace(self.look, lens=MEANS[(at + 1) % len(MEANS)]))

    def action_rollout(self) -> None:
        stack = self.look.stack_info
        if stack is not None and stack.queries != stack.keys:
            self._say("Rollout needs queries and keys of the same text; cross attention has two.")
            return
        lens: Lens = "head" if self.look.lens == "rollout" else "rollout"
        self._change(replace(self.look, lens=lens))

    def action_next_scale(self) -> None:
        scale = SCALES[(SCALES.index(self.look.scale) + 1) % len(SCALES)]
        self._change(replace(self.look, scale=scale))

    def action_zoom(self, nearer: int) -> None:
        if not self.query_one(AttentionGrid).change_zoom(nearer):
            self._say("This is as near as it goes." if nearer > 0 else "All of it is in sight.")

    def action_fit(self) -> None:
        self.query_one(AttentionGrid).fit()

    def action_meaning(self) -> None:
        self.app.push_screen(meaning_window(meanings(self.look)))

    def action_help(self) -> None:
        self.app.push_screen(help_window())

    def action_log(self) -> None:
        self.app.push_screen(log_window(self.session.engine.log))

    def action_next_theme(self) -> None:
        if not self.app.next_theme():  # type: ignore[attr-defined]
            self._say("In 16 colours and without colour, the terminal's own theme is used.")

    def action_edit_prompt(self) -> None:
        self.set_focus(self.query_one(PromptBox))

    def action_search(self) -> None:
        self.query_one(AskLine).ask("search")

    def action_next_match(self, step: int) -> None:
        if not self._match:
            self._say("Nothing was searched yet; / searches the tokens.")
        elif not self._go_to_match(step):
            self._say(f"No token holds “{self._match}”.")

    def action_go_to_head(self) -> None:
        self.query_one(AskLine).ask("head")

    def action_leave(self) -> None:
        if self.session.busy:
            self.workers.cancel_group(self, "session")
            self._say("Cancelled; Enter in the prompt runs it.")
        else:
            self.set_focus(self.query_one(AttentionGrid))

    def action_retry(self) -> None:
        self._work(None)

    async def action_free(self) -> None:
        if self.session.busy:
            self._say("The engine is at work; Esc cancels that first.")
        elif self.session.model is None:
            self._work(None)
        else:
            await self.session.free()
            self._say("The model is freed; U loads it again.")
