"""The keys that change the look: where the cursor is, which head, and how it is shown."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from textual import on
from textual.screen import Screen

from attntui.core.errors import UserError
from attntui.core.protocol import BETWEEN, Basis
from attntui.core.scale import SCALES
from attntui.ui.measures import UNMEASURED, offered
from attntui.ui.search import find_head, find_token
from attntui.ui.state import SINKS, THRESHOLDS, Lens, Look, PageName, RolloutOptions
from attntui.ui.widgets.ask_line import AskLine
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.pages import Pages

Item = TypeVar("Item")


def after(items: Sequence[Item], item: Item, step: int = 1) -> Item:
    """The item `step` places on, going round; the first where `item` is none of them."""
    return items[(items.index(item) + step) % len(items)] if item in items else items[0]


class Looking(Screen[None]):
    """A screen that shows one look; each key gives the next."""

    look: Look
    match = ""
    """What was searched last."""

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

    def action_move_cell(self, down: int, right: int) -> None:
        self.change(self.page.move(self.look, down, right))

    def action_edge_cell(self, down: int, right: int) -> None:
        self.change(self.page.edge(self.look, down, right))

    def action_page(self, pages: int) -> None:
        self.change(self.page.turn(self.look, pages))

    def action_enter(self) -> None:
        look = self.page.enter(self.look)
        if look is not None:
            self.change(look)

    def action_search(self) -> None:
        self.query_one(AskLine).ask("search")

    @on(AskLine.Changed)
    def _asked_changed(self, message: AskLine.Changed) -> None:
        if message.question == "search" and message.text:
            self.match = message.text
            self.go_to_match(0)

    @on(AskLine.Answered)
    def _asked(self, message: AskLine.Answered) -> None:
        self.set_focus(self.page)
        if message.question == "head":
            self.go_to_head(message.text)
        elif message.question == "search" and message.text:
            self.match = message.text
            if not self.go_to_match(0):
                self.say(f"No token holds “{message.text}”.")

    def action_next_match(self, step: int) -> None:
        if not self.match:
            self.say("Nothing was searched yet; / searches the tokens.")
        elif not self.go_to_match(step):
            self.say(f"No token holds “{self.match}”.")

    def go_to_match(self, step: int) -> bool:
        """Go to the next token that holds what was searched; False where there is none."""
        at = find_token(self.look.queries, self.match, self.look.query, step)
        if at is not None:
            self.change(replace(self.look, query=at))
        return at is not None

    def action_mark_query(self) -> None:
        self.change(replace(self.look, marked_queries=self.look.marked_queries ^ {self.look.query}))

    def action_mark_key(self) -> None:
        self.change(replace(self.look, marked_keys=self.look.marked_keys ^ {self.look.key}))

    def action_clear_marks(self) -> None:
        if not (self.look.marked_queries or self.look.marked_keys or self.look.chosen):
            self.say("Nothing is marked; space marks a row, v a column, + a head.")
            return
        none: frozenset[int] = frozenset()
        lens: Lens = "head" if self.look.lens == "chosen" else self.look.lens
        self.change(replace(self.look, marked_queries=none, marked_keys=none, chosen=(), lens=lens))

    # The head.

    def action_move_head(self, step: int) -> None:
        self.change(replace(self.look.move_head(step), lens="head"))

    def action_move_layer(self, step: int) -> None:
        lens: Lens = "mean" if self.look.lens == "mean" else "head"
        self.change(replace(self.look.move_layer(step), lens=lens))

    def action_go_to_head(self) -> None:
        self.query_one(AskLine).ask("head")

    def go_to_head(self, name: str) -> None:
        """Go to a head by its name."""
        try:
            self.change(find_head(self.look, name))
        except UserError as error:
            self.say(str(error))

    def action_top_head(self) -> None:
        largest = self.query_one(HeadMap).largest()
        if largest is None:
            self.say("No head has a value here.")
            return
        layer, head, _ = largest
        self.change(replace(self.look, layer=layer, head=head, lens="head"))

    def action_next_map(self, step: int) -> None:
        self.change(replace(self.look, map=after(offered(self.look), self.look.map, step)))

    def action_sort(self) -> None:
        if self.look.page not in {"layer", "model"}:
            self.say("Heads are sorted where all are shown: 4 a layer, 5 the model.")
            return
        self.change(replace(self.look, ordered=not self.look.ordered))

    def action_next_basis(self) -> None:
        basis: Basis = "prompt" if self.look.basis == "calibration" else "calibration"
        self.change(replace(self.look, basis=basis))

    def action_choose_head(self) -> None:
        here = (self.look.layer, self.look.head)
        rest = tuple(head for head in self.look.chosen if head != here)
        chosen = rest if here in self.look.chosen else (*rest, here)
        self.change(replace(self.look, chosen=chosen))
        names = ", ".join(f"{layer}.{head}" for layer, head in chosen)
        self.say(f"Chosen: {names or 'no head'}. Lines show each of them, m their mean.")

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
        self.change(replace(self.look, page=name))

    def action_next_mean(self) -> None:
        lenses: tuple[Lens, ...] = ("head", "mean", "all")
        if self.look.chosen:
            lenses = ("head", "mean", "chosen", "all")
        self.change(replace(self.look, lens=after(lenses, self.look.lens)))

    def action_rollout(self) -> None:
        stack = self.look.stack_info
        if stack is not None and stack.queries != stack.keys:
            self.say("Rollout needs queries and keys of the same text; cross attention has two.")
            return
        lens: Lens = "head" if self.look.lens == "rollout" else "rollout"
        self.change(replace(self.look, lens=lens))

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

    def action_next_scale(self) -> None:
        self.change(replace(self.look, scale=after(SCALES, self.look.scale)))

    def action_threshold(self, step: int) -> None:
        at = THRESHOLDS.index(self.look.threshold) + step
        if not 0 <= at < len(THRESHOLDS):
            self.say("Everything is drawn." if at < 0 else "The threshold goes no higher.")
            return
        self.change(replace(self.look, threshold=THRESHOLDS[at]))

    def action_words(self) -> None:
        side = self.look.side("queries")
        if side is not None and not side.words:
            self.say("The words of this text are not known, only its tokens.")
            return
        self.change(self.look.toggle_words())

    def action_next_sinks(self) -> None:
        self.change(replace(self.look, sinks=after(SINKS, self.look.sinks)))

    def action_next_between(self) -> None:
        """Go on to the next; the head map goes along unless it shows a statistic."""
        if self.look.boundary is None:
            self.say("There is one sentence; I gives a second one to models that read two.")
            return
        between, kind = after(BETWEEN, self.look.between), self.look.map
        if kind in UNMEASURED:
            kind = "cell" if between == "all" else "pair"
        self.change(replace(self.look, between=between, map=kind))

    def action_zoom(self, nearer: int) -> None:
        if self.page.change_zoom(nearer):
            self.change(self.look)  # the legend, for figures in the cells
        else:
            self.say("This is as near as it goes." if nearer > 0 else "All of it is in sight.")

    def action_fit(self) -> None:
        self.page.fit()
        self.change(self.look)
