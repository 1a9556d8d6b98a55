"""A question at the bottom of the screen: what to search, where to go, which file to write."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from attntui.ui.generation import EXAMPLE
from attntui.ui.widgets.leaving import Leaving

Question = Literal["search", "head", "export", "replace", "token", "generate"]
LABELS: dict[Question, tuple[str, str]] = {
    "search": ("Search the text", "part of it, then Enter; n and N for more"),
    "head": ("Go to", "a head, such as 5.1, or a token, such as #12"),
    "export": ("Write to file", "what is in sight: .png .svg .html .npz .safetensors .json .csv"),
    "token": ("Replace it by", "other text"),
    "generate": ("Add tokens", f"20, or {EXAMPLE}"),
    "replace": ("The file exists; replace it", "y or n"),
}


class AskField(Leaving, Input):
    """What is typed in answer; Enter ends it."""

    async def _on_key(self, event: events.Key) -> None:
        if self.passes_on(event):
            return
        if event.key == "enter":  # here, as the app's bindings are looked through a message later
            event.stop()
            self.leave()
            await self.action_submit()


class AskLine(Horizontal):
    """Hidden until something is asked; tells every change and the answer."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", show=False)]

    @dataclass
    class Changed(Message):
        question: Question
        text: str

    @dataclass
    class Answered(Message):
        question: Question
        text: str

    class GaveUp(Message):
        pass

    def __init__(self) -> None:
        super().__init__(id="ask")
        self.question: Question = "search"

    def compose(self) -> ComposeResult:
        yield Label("", id="ask-label", markup=False)
        yield AskField(id="ask-input", select_on_focus=False)

    def ask(self, question: Question, value: str = "") -> None:
        self.question = question
        label, hint = LABELS[question]
        self.query_one(Label).update(f"{label}: ")
        field = self.query_one(AskField)
        field.stay()  # one answer may bring the next question
        field.placeholder = hint
        field.value = value
        field.cursor_position = len(value)
        self.display = True
        self.screen.set_focus(field)  # now: `focus` does it later, and typing may be ahead

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.display:
            self.post_message(self.Changed(self.question, event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.display = False
        self.post_message(self.Answered(self.question, event.value))

    def action_give_up(self) -> None:
        self.display = False
        self.post_message(self.GaveUp())
