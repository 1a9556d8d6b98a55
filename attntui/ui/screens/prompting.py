"""The prompt's boxes on the screen: what is typed, run, walked through and never lost."""

from collections.abc import Sequence

from textual import on
from textual.screen import Screen
from textual.timer import Timer

from attntui.core.protocol import PromptInput, RunInfo, Token
from attntui.ui.memory import Memory, Past, Place, past_of
from attntui.ui.messages import PromptEdited, PromptLeft, PromptSubmitted, Refused, SecondWanted
from attntui.ui.session import Session
from attntui.ui.state import Look
from attntui.ui.widgets.bars import KeyLine
from attntui.ui.widgets.prompt_box import PromptBox, SecondBox, TextBox

READ_ONLY = "The text belongs to the file, and there is no model to read another."
SAVE_AFTER = 0.5
"""Seconds from a change until the place is written: a lost connection loses no more."""


class Prompting(Screen[None]):
    """A screen with a prompt, a second text where the model reads one, and a memory."""

    look: Look
    session: Session
    memory: Memory
    _saving: Timer | None = None
    _found: Past | None = None
    """What the last session left unrun, back in the box."""
    _draft: Past | None = None
    """What was typed and has not run, kept beside the box: on leaving, the box goes first."""
    _ran: PromptInput | None = None
    """The prompt of the picture."""

    def say(self, sentence: str, severe: bool = False) -> None:
        """Tell the user."""
        raise NotImplementedError

    def work(self, past: Past | None) -> None:
        """Run a prompt, or what is left to do, in place of whatever runs now."""
        raise NotImplementedError

    def focus_page(self) -> None:
        """The keyboard to the page in sight."""
        raise NotImplementedError

    @property
    def box(self) -> PromptBox:
        return self.query_one(PromptBox)

    def open_memory(self, draft: Past | None) -> None:
        """Go on from the sessions before; what the last one left unrun goes into the box, or is
        among the prompts that up finds."""
        self.memory.take_over(draft)
        self.box.open(self.memory.prompts(), draft)
        self._found = self._draft = draft

    def on_descendant_focus(self) -> None:
        self._tell_keys()

    def on_descendant_blur(self) -> None:
        self._tell_keys()

    def _tell_keys(self) -> None:
        """The footer has the keys that work where the keyboard is."""
        self.query_one(KeyLine).show_typing(isinstance(self.focused, TextBox))

    def fill_boxes(self) -> None:
        """Show the prompt that runs next, where the user has typed nothing yet."""
        prompt = self.session.prompt
        self.box.belong_to(self.session.file)
        self.query_one(SecondBox).set_title(
            "Decoder's text" if self.session.is_two_sided else "Second sentence"
        )
        if prompt is not None:
            self.box.expect(past_of(prompt))

    def prompt_has_run(self, run: RunInfo) -> None:
        """Keep the prompt that gave the present run; of a file show the text."""
        if self.session.file is not None:
            self.box.show_past(Past(*(text_of(side.tokens) for side in run.sides)))
        elif self.session.prompt is not None:
            before, self._ran = self._ran, self.session.prompt
            past = past_of(self._ran)
            if not _is_made(self._ran):
                self.memory.add_prompt(past)
            elif before is not None and _is_made(before):  # one line, however often it grew
                self.box.forget(past_of(before))
            self.box.remember(past)
            self._draft = self.box.draft
        self.save_soon()

    def save_soon(self) -> None:
        """Write the place once the user has paused."""
        if self._saving is not None:
            self._saving.stop()
        self._saving = self.set_timer(SAVE_AFTER, self.save)

    def save(self) -> None:
        """Write where the session is, and what was typed and has not run.

        A session that came to nothing, as with a misspelt model, leaves the place as it was.
        """
        came_to_nothing = self.look.model is None and self._draft in {None, self._found}
        if self.session.file is None and not came_to_nothing:
            prompt = self._ran or self.session.prompt
            self.memory.save_place(Place(self.session.options, prompt, self.look, self._draft))

    @on(PromptEdited)
    def _prompt_edited(self) -> None:
        self.box.show_edited()
        self._draft = self.box.draft
        self.save_soon()

    @on(Refused)
    def _refused(self, message: Refused) -> None:
        """Leave, with the sentence for whoever opened the screen."""
        self.app.refusal = message.sentence  # type: ignore[attr-defined]
        self.app.exit()

    @on(PromptSubmitted)
    def _prompt_submitted(self) -> None:
        if self.session.file is not None:
            self.say(READ_ONLY)
        elif self.box.restore():
            self.say("An empty prompt cannot run; the one before is back.")
        else:
            self.work(self.box.typed)
        self.focus_page()

    @on(PromptLeft)
    def _prompt_left(self) -> None:
        self.focus_page()

    @on(SecondWanted)
    def _second_wanted(self, message: SecondWanted) -> None:
        if message.second:
            self.action_edit_second()
        else:
            self.action_edit_prompt()

    def action_edit_prompt(self) -> None:
        if self.session.file is None:
            self.set_focus(self.box)
        else:
            self.say(READ_ONLY)

    def action_edit_second(self) -> None:
        model = self.look.model
        if self.session.file is not None:
            self.say(READ_ONLY)
            return
        second = self.query_one(SecondBox)
        takes = model is None or model.has_segments or self.session.is_two_sided
        if model is not None and not (takes or second.prompt):  # one of --pair can be edited
            self.say(f"{model.name} reads one text; BERT's kind reads two sentences.")
            return
        second.display = True
        self.set_focus(second)


def _is_made(prompt: PromptInput) -> bool:
    """Whether a prompt was not typed, but made of tokens."""
    return prompt.ids is not None or prompt.decoder_ids is not None


def text_of(tokens: Sequence[Token]) -> str:
    """Tokens as a text: with spaces between where they bring none of their own."""
    texts = [token.text for token in tokens]
    return ("" if any(text.startswith(" ") for text in texts) else " ").join(texts)
