"""The keys that change the look: where the cursor is, which head, and how it is shown."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from textual import on
from textual.screen import Screen

from attntui.core.errors import UserError
from attntui.core.protocol import BETWEEN, Basis, Pooling
from attntui.core.scale import SCALES
from attntui.ui.choices import SINKS, THRESHOLDS, Lens, PageName
from attntui.ui.measures import UNMEASURED, offered
from attntui.ui.search import find_head, find_position, matches, nearest
from attntui.ui.state import Look, RolloutOptions
from attntui.ui.widgets.ask_line import AskLine
from attntui.ui.widgets.bars import StatusLine
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.pages import Pages

Item = TypeVar("Item")
Given = ParamSpec("Given")
Screened = TypeVar("Screened", bound="Looking")


def after(items: Sequence[Item], item: Item, step: int = 1) -> Item:
    """The item `step` places on, going round; the first where `item` is none of them."""
    return items[(items.index(item) + step) % len(items)] if item in items else items[0]


def of_a_run(
    action: Callable[Concatenate[Screened, Given], None],
) -> Callable[Concatenate[Screened, Given], None]:
    """A key that changes how a run is looked at: before the first one it says what is missing."""

    @wraps(action)
    def act(screen: Screened, /, *given: Given.args, **options: Given.kwargs) -> None:
        if screen.look.run is not None:
            action(screen, *given, **options)
            return
        waiting = screen.query_one(StatusLine).waiting
        missing = f"Nothing is shown yet: {waiting}."
        screen.say(missing if waiting else "No prompt has run yet: i edits it, Enter runs it.")

    return act


class Looking(Screen[None]):
    """A screen that shows one look; each key gives the next."""

    look: Look
    match = ""
    """What was searched last."""
    _searched_from = 0
    """The query at the cursor when the search began."""

    @property
    def page(self) -> Page:
        """The page in sight."""
        return self.query_one(Pages).page(self.look.page)

    def change(self, look: Look) -> None:
        """Show another look, and ask for what it needs."""
        raise NotImplementedError

    def say(self, sentence: str, severe: bool = False) -> None:
        """Tell the user."""
        raise NotImplementedError

    # The cell.

    @of_a_run
    def action_move_cell(self, down: int, right: int) -> None:
        self._go(self.page.move(self.look, down, right))

    @of_a_run
    def action_edge_cell(self, down: int, right: int) -> None:
        self._go(self.page.edge(self.look, down, right))

    @of_a_run
    def action_page(self, pages: int) -> None:
        look = self.page.turn(self.look, pages)
        if look is self.look and self.page.max_scroll_y:
            return  # the page itself was turned
        self._go(look)

    def _go(self, look: Look) -> None:
        """Show another place, or say that this is the last one."""
        if look == self.look:
            self.say("It goes no further this way.")
        self.change(look)

    @of_a_run
    def action_enter(self) -> None:
        look = self.page.enter(self.look)
        if look is None:
            self.say(
                "Enter opens a head in views 4 and 5, turns the text round in 3, sorts in 6,"
                " goes on to longer prompts in 7."
            )
        else:
            self.change(look)

    @of_a_run
    def action_search(self) -> None:
        self._searched_from = self.look.query
        self.query_one(AskLine).ask("search")

    @on(AskLine.Changed)
    def _asked_changed(self, message: AskLine.Changed) -> None:
        if message.question == "search":
            self._search(message.text)

    @on(AskLine.Answered)
    def _asked(self, message: AskLine.Answered) -> None:
        self.set_focus(self.page)
        if message.question == "head":
            self.go_to_head(message.text)
        elif message.question == "search" and message.text:
            self._search(message.text)
            self._tell_match(matches(self.look, message.text))

    def _search(self, part: str) -> None:
        """Go to the first match from where the search began, or back there."""
        self.match = part or self.match
        found = matches(self.look, part)
        at = nearest(found, self._searched_from, 0)
        self.change(replace(self.look, query=self._searched_from if at is None else found[at]))

    def _tell_match(self, found: Sequence[int]) -> None:
        """Say which of the matches the cursor is at."""
        if self.look.query not in found:
            self.say(f"The text has no “{self.match}”.")
        elif len(found) == 1:
            self.say(f"“{self.match}” is there once.")
        else:
            at = found.index(self.look.query) + 1
            self.say(f"“{self.match}”: {at:,} of {len(found):,}; n goes to the next.")

    @of_a_run
    def action_next_match(self, step: int) -> None:
        if not self.match:
            self.say("Nothing was searched yet; / searches the tokens.")
            return
        found = matches(self.look, self.match)
        at = nearest(found, self.look.query, step)
        if at is not None:
            self.change(replace(self.look, query=found[at]))
        self._tell_match(found)

    @of_a_run
    def action_mark_query(self) -> None:
        marks = self.look.marked_queries ^ {self.look.query}
        self.change(replace(self.look, marked_queries=marks))
        self._tell_marks("row", self.look.query, self.look.query in marks)

    @of_a_run
    def action_mark_key(self) -> None:
        marks = self.look.marked_keys ^ {self.look.key}
        self.change(replace(self.look, marked_keys=marks))
        self._tell_marks("column", self.look.key, self.look.key in marks)

    def _tell_marks(self, what: str, at: int, is_marked: bool) -> None:
        """Say what was marked where it is not drawn."""
        if not self.page.draws_marks:
            done = "is marked" if is_marked else "is no longer marked"
            self.say(f"The {what} of token {at} {done}; views 1, 2 and 3 show marks.")

    @of_a_run
    def action_clear_marks(self) -> None:
        if not (self.look.marked_queries or self.look.marked_keys or self.look.chosen):
            self.say("Nothing is marked; space marks a row, v a column, + a head.")
            return
        none: frozenset[int] = frozenset()
        lens: Lens = "head" if self.look.lens == "chosen" else self.look.lens
        self.change(replace(self.look, marked_queries=none, marked_keys=none, chosen=(), lens=lens))
        if not self.page.draws_marks:
            self.say("No row, column or head is marked any more.")

    # The head.

    @of_a_run
    def action_move_head(self, step: int) -> None:
        self._go(replace(self.look.move_head(step), lens="head"))

    @of_a_run
    def action_move_layer(self, step: int) -> None:
        lens: Lens = "mean" if self.look.lens == "mean" else "head"
        self._go(replace(self.look.move_layer(step), lens=lens))

    @of_a_run
    def action_go_to_head(self) -> None:
        self.query_one(AskLine).ask("head")

    def go_to_head(self, name: str) -> None:
        """Go to a head by its name, or to a token by its number."""
        find = find_position if name.strip().startswith("#") else find_head
        try:
            self.change(find(self.look, name))
        except UserError as error:
            self.say(str(error))

    @of_a_run
    def action_top_head(self) -> None:
        heads = self.query_one(HeadMap)
        largest = heads.largest()
        if largest is None:
            why = f"No head has a value: {heads.why_blank()}."
            self.say("Not measured yet." if heads.values is None else why)
            return
        layer, head, _ = largest
        self.change(replace(self.look, layer=layer, head=head, lens="head"))

    @of_a_run
    def action_next_map(self, step: int) -> None:
        self.change(replace(self.look, map=after(offered(self.look), self.look.map, step)))

    @of_a_run
    def action_sort(self) -> None:
        if self.look.page not in {"layer", "model"}:
            self.say("Heads are sorted where all are shown: 4 a layer, 5 the model.")
            return
        self.change(replace(self.look, ordered=not self.look.ordered))

    @of_a_run
    def action_next_basis(self) -> None:
        basis: Basis = "prompt" if self.look.basis == "calibration" else "calibration"
        self.change(replace(self.look, basis=basis))
        if self.look.map == "cell":
            where = "this prompt" if basis == "prompt" else "random tokens"
            self.say(f"Scores are now of {where}; the head map shows this cell, o shows a score.")

    @of_a_run
    def action_choose_head(self) -> None:
        here = (self.look.layer, self.look.head)
        rest = tuple(head for head in self.look.chosen if head != here)
        chosen = rest if here in self.look.chosen else (*rest, here)
        self.change(replace(self.look, chosen=chosen))
        names = ", ".join(f"{layer}.{head}" for layer, head in chosen)
        self.say(f"Chosen: {names or 'no head'}. Lines show each of them, m their mean.")

    @of_a_run
    def action_next_stack(self) -> None:
        names = [stack.name for stack in self.look.stacks]
        if len(names) < 2:
            self.say("This model has one stack of layers; there is nothing to switch to.")
            return
        name = after(names, self.look.stack)
        lens: Lens = "head" if name == "cross" and self.look.lens == "rollout" else self.look.lens
        none: frozenset[int] = frozenset()
        self.change(
            replace(self.look, stack=name, lens=lens, marked_queries=none, marked_keys=none)
        )

    # How it is shown.

    def action_show_page(self, name: PageName) -> None:
        if name == self.look.page:
            self.say("This is the view in sight.")
        self.change(replace(self.look, page=name))

    @of_a_run
    def action_next_mean(self) -> None:
        lenses: tuple[Lens, ...] = ("head", "mean", "all")
        if self.look.chosen:
            lenses = ("head", "mean", "chosen", "all")
        lens = after(lenses, self.look.lens) if self.look.lens in lenses else "mean"
        self.change(replace(self.look, lens=lens))

    @of_a_run
    def action_rollout(self) -> None:
        stack = self.look.stack_info
        if stack is not None and stack.queries != stack.keys:
            self.say("Rollout needs queries and keys of the same text; cross attention has two.")
            return
        lens: Lens = "head" if self.look.lens == "rollout" else "rollout"
        self.change(replace(self.look, lens=lens))

    @of_a_run
    def action_rollout_options(self) -> None:
        stack = self.look.stack_info
        if stack is None or stack.queries != stack.keys:
            self.action_rollout()
            return

        from attntui.ui.screens.rollout_window import RolloutWindow

        def changed(options: RolloutOptions) -> None:
            self.change(replace(self.look, rollout=options))

        self.change(replace(self.look, lens="rollout"))
        window = RolloutWindow(self.look.rollout, len(stack.layers), changed)
        self.app.push_screen(window)

    @of_a_run
    def action_next_scale(self) -> None:
        self.change(replace(self.look, scale=after(SCALES, self.look.scale)))

    @of_a_run
    def action_threshold(self, step: int) -> None:
        other = self.page.threshold(self.look, step)
        if other is not None:
            self._go(other)
            return
        if not self.page.leaves_out:
            self.say("Every key and every dimension is drawn here; views 1 to 5 leave out some.")
            return
        at = THRESHOLDS.index(self.look.threshold) + step
        if not 0 <= at < len(THRESHOLDS):
            self.say("Everything is drawn." if at < 0 else "The threshold goes no higher.")
            return
        self.change(replace(self.look, threshold=THRESHOLDS[at]))

    @of_a_run
    def action_words(self) -> None:
        side = self.look.side("queries")
        if side is not None and not side.words:
            self.say("The words of this text are not known, only its tokens.")
            return
        self.change(self.look.toggle_words())

    @of_a_run
    def action_next_sinks(self) -> None:
        self.change(replace(self.look, sinks=after(SINKS, self.look.sinks)))

    @of_a_run
    def action_next_between(self) -> None:
        """Go on to the next; the head map goes along unless it shows a statistic."""
        if self.look.boundary is None:
            self.say("There is one sentence; I gives a second one to models that read two.")
            return
        between, kind = after(BETWEEN, self.look.between), self.look.map
        if kind in UNMEASURED:
            kind = "cell" if between == "all" else "pair"
        self.change(replace(self.look, between=between, map=kind))

    @of_a_run
    def action_zoom(self, nearer: int) -> None:
        if self.page.change_zoom(nearer):
            self.change(self.look)  # the legend, for figures in the cells
        else:
            self.say(f"This is as {'near' if nearer > 0 else 'far'} as it goes.")

    @of_a_run
    def action_next_pooling(self) -> None:
        pooling: Pooling = "mean" if self.look.pooling == "max" else "max"
        self.change(replace(self.look, pooling=pooling))
        what = "largest weight" if pooling == "max" else "mean"
        self.say(f"A cell of many weights shows their {what}; views 1, 4 and 5 have such cells.")

    @of_a_run
    def action_fit(self) -> None:
        why = self.page.fit()
        if why:
            self.say(why)
        else:
            self.change(self.look)
