"""The keys that change the text at the cursor; what comes of it is compared with how it was."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import TypeVar

from textual import on

from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions, PromptInput, Word
from attntui.core.retyping import (
    Place,
    Retyped,
    deleted,
    doubled,
    place_of,
    replaced,
    swapped,
    token_at,
)
from attntui.core.tokens import sanitise
from attntui.render.labels import quote
from attntui.ui.choices import Unit
from attntui.ui.memory import Past, past_of
from attntui.ui.screens.editing import FROM_FILE, WRITING, Editing
from attntui.ui.screens.looking import of_a_run
from attntui.ui.state import Look
from attntui.ui.widgets.ask_line import AskLine
from attntui.ui.widgets.prompt_box import PromptBox

Screened = TypeVar("Screened", bound="Retyping")
COMPARED = "D shows the text before, then the difference."


@dataclass(frozen=True)
class Landing:
    """Where the cursor goes when a prompt has run: to a place in its text, or None, where it is."""

    prompt: PromptInput
    change: Retyped | None = None
    says: str = ""


def once_it_ran(action: Callable[[Screened], None]) -> Callable[[Screened], None]:
    """A key that changes the text: while a changed one runs it waits, and the newest key counts."""

    @of_a_run
    @wraps(action)
    def act(screen: Screened) -> None:
        if screen.is_writing:
            screen.say(WRITING)
        elif screen.is_retyping and screen.session.prompt is not None:
            screen.waiting = screen.session.prompt, partial(action, screen)
        else:
            action(screen)

    return act


class Retyping(Editing):
    """A screen whose text can be changed at the cursor. The text changes, and the tokens follow."""

    _ran: PromptInput | None
    _landing: Landing | None = None
    waiting: tuple[PromptInput, Callable[[], None]] | None = None
    """What is to be done once a prompt has run."""
    _replacing: tuple[PromptInput, Place] | None = None
    """What is being replaced while the line asks by what."""

    @once_it_ran
    def action_replace_token(self) -> None:
        """Other text in its place: asked for, with the present one to begin with."""
        place = self.place(self.look.query)
        if place is not None and self._ran is not None:
            self._replacing = self._ran, place
            self.query_one(AskLine).ask("token", sanitise(place.says))

    @on(AskLine.Answered)
    def _token_typed(self, message: AskLine.Answered) -> None:
        if message.question != "token" or self._replacing is None:
            return
        prompt, place = self._replacing
        if not message.text:
            self.say("Nothing was typed, so nothing changes; Delete takes a token out.")
        elif message.text == sanitise(place.says):
            self.say("It is the same text, so nothing changes.")
        elif prompt is self._ran:
            change = replaced(prompt, place, message.text)
            self.retype(change, f"{quote(place.says)} is now {quote(message.text)}.")

    @once_it_ran
    def action_delete_token(self) -> None:
        place = self.place(self.look.query)
        if place is None or self._ran is None:
            return
        try:
            self.retype(deleted(self._ran, place), f"{quote(place.says)} is gone.")
        except UserError as error:
            self.say(str(error))

    @once_it_ran
    def action_swap_tokens(self) -> None:
        """With the next one of its text; the cursor goes along."""
        place = self.place(self.look.query)
        if place is None or self._ran is None:
            return
        units, at = self.look.queries, self.look.query + 1
        if at >= len(units) or units[at].part != units[at - 1].part:
            self.say("This is the last one of its text: there is none to swap with.")
            return
        after = self.place(at)
        if after is not None and after.start < place.end:
            self.say("These two share a character, so they cannot be swapped.")
        elif after is not None:
            said = f"{quote(place.says)} and {quote(after.says)} are swapped."
            self.retype(swapped(self._ran, place, after), said)

    @once_it_ran
    def action_double_token(self) -> None:
        place = self.place(self.look.query)
        if place is not None and self._ran is not None:
            self.retype(doubled(self._ran, place), f"{quote(place.says)} is there twice.")

    @property
    def is_retyping(self) -> bool:
        """Whether a prompt that nobody typed is running."""
        landing = self._landing
        return landing is not None and landing.prompt is self.session.prompt and self.session.busy

    def ran(self) -> None:
        """See `Editing`; now what waited for it is done."""
        super().ran()
        waiting, self.waiting = self.waiting, None
        if waiting is not None and waiting[0] is self.session.prompt:
            waiting[1]()

    def place(self, query: int) -> Place | None:
        """Where a token or word of the queries stands in the text; None where the user was told
        that it stands nowhere."""
        side, unit = self.look.side("queries"), self.look.queries[query]
        if self.session.file is not None:
            self.say(FROM_FILE)
        elif side is not None and self._ran is not None:
            first, last = tokens_of(unit, query)
            try:
                return place_of(self._ran, side, first, last)
            except UserError as error:
                self.say(str(error))
        return None

    def retype(self, change: Retyped, says: str) -> None:
        """Run a changed text, to be compared with the run in sight."""
        self.compare_next(change.prompt)
        self.run_prompt(Landing(change.prompt, change, f"{says} {COMPARED}"))

    def run_prompt(self, landing: Landing, model: ModelOptions | None = None) -> None:
        """Run a prompt that nobody typed, on another model where one is given: it is shown in the
        box, and what was typed there is not lost."""
        self._landing = landing
        box = self.query_one(PromptBox)
        box.lay_aside()
        box.show_past(past_of(landing.prompt))
        if model is None:
            self.session.prompt = landing.prompt
            self.work(None)
        else:
            self.open_model(model, landing.prompt)

    def landed(self, before: Look, look: Look) -> Look | None:
        """The look at a prompt that has run, the cursor where it belongs; None: anywhere."""
        landing = self._landing
        if landing is None or landing.prompt is not self.session.prompt:
            return None
        self._landing = None
        if landing.says:
            self.say(landing.says)
        look = replace(look, key=before.key)
        change, side = landing.change, look.side("queries")
        at = token_at(landing.prompt, side, change.field, change.at) if change and side else None
        if at is None:
            return replace(look, query=before.query).settle()
        query = look.unit_of("queries", at)
        shift = len(look.keys) - len(before.keys) if before.key > before.query else 0
        return replace(look, query=query, key=max(0, before.key + shift)).settle()

    def open_model(self, options: ModelOptions, prompt: PromptInput | None = None) -> None:
        """Load another model and run a prompt; None: the present text."""
        raise NotImplementedError

    def work(self, past: Past | None) -> None:
        """Run what is left to run."""
        raise NotImplementedError


def tokens_of(unit: Unit, at: int) -> tuple[int, int]:
    """The tokens of a unit, the last included."""
    return (unit.first, unit.last) if isinstance(unit, Word) else (at, at)
