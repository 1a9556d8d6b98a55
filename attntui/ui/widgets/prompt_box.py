"""The prompt: several lines, enter runs it. The app makes pasted text safe first."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import TextArea

from attntui.core.tokens import sanitise_lines
from attntui.render.labels import quote
from attntui.ui.messages import PromptLeft, PromptSubmitted


class PromptBox(TextArea):
    """Shows a prompt made safe; what runs is what was typed, or the text as it was given.

    A prompt from the command line may hold characters that cannot be shown. It runs unchanged as
    long as it is not edited here.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j", "new_line", show=False),
        Binding("escape", "leave", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(
            id="prompt",
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            tab_behavior="focus",
        )
        self.border_title = Content("Prompt")
        self._title = "Prompt"
        self._given = self._ran = ""
        self._history: list[str] = []
        self._place = 0

    def give(self, text: str) -> None:
        """Show a prompt as it was given."""
        self._given = text
        self.load_text(sanitise_lines(text))
        if self.has_focus:
            self.move_cursor(self.document.end)

    def name_others(self, pair: str | None, decoder_text: str | None) -> None:
        """Say in the title what else the model reads, as given on the command line."""
        title = "Prompt"
        if pair is not None:
            title += f" · second sentence {quote(pair)}"
        if decoder_text is not None:
            title += f" · decoder {quote(decoder_text)}"
        self._title = title
        self.border_title = Content(title)

    def on_text_area_changed(self) -> None:
        """What is not run yet says so: the picture belongs to the prompt before."""
        edited = bool(self._history) and self.prompt != self._ran
        self.border_title = Content(self._title + (" · edited, Enter runs it" if edited else ""))

    @property
    def prompt(self) -> str:
        """What would run now."""
        return self._given if self.text == sanitise_lines(self._given) else self.text

    def remember(self, prompt: str) -> None:
        """Put a prompt that ran at the end of the history."""
        if prompt in self._history:
            self._history.remove(prompt)
        self._history.append(prompt)
        self._ran = prompt
        self.on_text_area_changed()
        self._place = len(self._history) - 1

    async def _on_key(self, event: events.Key) -> None:
        row, _ = self.cursor_location
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(PromptSubmitted(self.prompt))
        elif event.key == "up" and row == 0 and self._walk(-1):
            event.stop()
            event.prevent_default()
        elif event.key == "down" and row == self.document.line_count - 1 and self._walk(1):
            event.stop()
            event.prevent_default()
        else:
            await super()._on_key(event)

    def _walk(self, step: int) -> bool:
        """The prompt before or after in the history; False where there is none."""
        place = self._place + step
        if not 0 <= place < len(self._history):
            return False
        self._place = place
        self.give(self._history[place])
        return True

    def on_focus(self) -> None:
        self.move_cursor(self.document.end)

    def on_blur(self) -> None:
        """Show where the prompt begins: a folded box shows one line of it."""
        self.move_cursor((0, 0))
        self.scroll_home(animate=False)

    def action_new_line(self) -> None:
        self.insert("\n")

    def action_leave(self) -> None:
        self.post_message(PromptLeft())
