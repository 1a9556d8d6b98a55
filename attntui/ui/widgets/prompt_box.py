"""The boxes that a prompt is typed in. Enter runs it; the app makes pasted text safe first."""

from pathlib import Path
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import TextArea

from attntui.core.tokens import sanitise, sanitise_lines
from attntui.ui.memory import Past
from attntui.ui.messages import PromptEdited, PromptLeft, PromptSubmitted, SecondWanted
from attntui.ui.widgets.leaving import Leaving


class TextBox(Leaving, TextArea):
    """Shows a text made safe; what runs is what was typed, or the text as it was given.

    A text from the command line may hold characters that cannot be shown. It runs unchanged as
    long as it is not edited here.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+j", "new_line", show=False),
        Binding("escape", "leave", show=False),
        Binding("ctrl+t", "other", show=False),
        Binding("ctrl+u", "empty", show=False),
        Binding("ctrl+home", "edge(False)", show=False),
        Binding("ctrl+end", "edge(True)", show=False),
    ]

    def __init__(self, id: str, title: str) -> None:  # noqa: A002
        super().__init__(
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            highlight_cursor_line=False,
            tab_behavior="focus",
        )
        self.border_title = Content(title)
        self._title = title
        self._given = ""

    def give(self, text: str) -> None:
        """Show a text as it was given."""
        self._given = text
        self.load_text(sanitise_lines(text))
        if self.has_focus:
            self.move_cursor(self.document.end)

    @property
    def prompt(self) -> str:
        """What would run now."""
        return self._given if self.text == sanitise_lines(self._given) else self.text

    async def _on_key(self, event: events.Key) -> None:
        if self.passes_on(event):
            return
        row, _ = self.cursor_location
        last = row == self.document.line_count - 1
        if event.key == "enter":
            self.leave()
            self.post_message(PromptSubmitted())
        elif not (event.key == "up" and row == 0 and self.walk(-1)) and not (
            event.key == "down" and last and self.walk(1)
        ):
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()

    def walk(self, step: int) -> bool:
        """The prompt before or after in the history; False where there is none."""
        return False

    def on_text_area_changed(self) -> None:
        self.post_message(PromptEdited())

    def on_focus(self) -> None:
        self.move_cursor(self.document.end)

    def on_blur(self) -> None:
        """Show where the text begins: a folded box shows one line of it."""
        self.move_cursor((0, 0))
        self.scroll_home(animate=False)

    def action_new_line(self) -> None:
        self.insert("\n")

    def action_empty(self) -> None:
        """All of it: a long prompt has many lines on the screen."""
        if not self.read_only:
            self.clear()

    def action_edge(self, end: bool) -> None:
        self.move_cursor(self.document.end if end else (0, 0))

    def action_leave(self) -> None:
        self.post_message(PromptLeft())

    def action_other(self) -> None:
        self.post_message(SecondWanted(self.id != "second"))


class SecondBox(TextBox):
    """The second sentence of a pair, or what an encoder-decoder's decoder reads; folded away while
    there is none."""

    def __init__(self) -> None:
        super().__init__("second", "")

    def on_mount(self) -> None:
        self.display = False

    def set_title(self, title: str) -> None:
        """What this text is to the model."""
        self.border_title = Content(title)

    def give(self, text: str) -> None:
        super().give(text)
        self.display = bool(text) or self.has_focus

    def on_blur(self) -> None:
        super().on_blur()
        self.display = bool(self.text)


class PromptBox(TextBox):
    """The prompt, and the history of prompts that its first and last line walk through."""

    def __init__(self) -> None:
        super().__init__("prompt", "Prompt")
        self.past: list[Past] = []
        self._place = 0
        self._pictured: Past | None = None
        """The prompt of the picture; before the first run, of the picture to come."""
        self._now: Past | None = None
        """The prompt that the model runs."""

    @property
    def second(self) -> SecondBox:
        return self.screen.query_one(SecondBox)

    def belong_to(self, file: str | None) -> None:
        """Show the text of a file, which cannot be edited; or, with None, a prompt."""
        if self.read_only and file is None:
            self.show_past(Past(""))
        self.read_only = self.second.read_only = file is not None
        self._title = "Prompt" if file is None else f"Text · read from {sanitise(Path(file).name)}"
        self.show_edited()

    @property
    def typed(self) -> Past:
        """What would run now, both boxes."""
        return Past(self.prompt, self.second.prompt)

    @property
    def draft(self) -> Past | None:
        """What was typed and has not run; None where nothing is left to run."""
        typed = self.typed
        return typed if typed.text and typed != self._pictured and not self.read_only else None

    def lay_aside(self) -> None:
        """Keep what was typed and has not run among the prompts before: another is to be shown."""
        if self.draft is not None:
            self._go_to_end(self.draft)

    def open(self, past: list[Past], draft: Past | None) -> None:
        """Begin with the prompts of sessions before, and with what the last one left unrun."""
        self.past = past
        self._place = len(past)
        if draft is not None:
            self.show_past(draft)

    def expect(self, past: Past) -> None:
        """The prompt that runs first; it is shown where nothing else was typed."""
        self._pictured = self._pictured or past
        if not self.text:
            self.show_past(past)

    def put(self, past: Past) -> None:
        """Show a prompt that somebody else wrote; what was typed is found by going up."""
        if self.draft is not None:
            self._go_to_end(self.typed)
        self.show_past(past)

    def show_past(self, past: Past) -> None:
        """Show a prompt, both of its texts."""
        self.give(past.text)
        self.second.give(past.second)

    def show_running(self, past: Past | None) -> None:
        """The prompt that the model runs now; None: it runs none of these boxes'."""
        self._now = past
        self.show_edited()

    def show_edited(self) -> None:
        """What is not run yet says so: the picture belongs to another prompt."""
        note = ""
        if self.draft is not None:
            is_running = self.draft == self._now
            note = " · running" if is_running else " · not run yet, Enter runs it"
        elif self._pictured and self._pictured.text and not (self.typed.text or self.read_only):
            note = " · empty, below is still the prompt before"
        self.border_title = Content(self._title + note)
        self.set_class(bool(note), "-edited")

    def restore(self) -> bool:
        """The prompt of the picture in place of an emptied one; False where there is none to put
        back, or the box is not empty."""
        if self._pictured is None or self.typed.text.strip():
            return False
        self.give(self._pictured.text)
        return True

    def remember(self, past: Past) -> None:
        """Put a prompt that ran at the end of the history."""
        self._go_to_end(past)
        self._pictured = past
        self.show_edited()

    def forget(self, past: Past) -> None:
        """A prompt that is not worth going back to."""
        if past in self.past:
            self.past.remove(past)

    def _go_to_end(self, past: Past) -> None:
        """Make a prompt the newest of the history; an empty one stands below it."""
        if past in self.past:
            self.past.remove(past)
        self._place = len(self.past)
        if past.text:
            self.past.append(past)

    def walk(self, step: int) -> bool:
        if self.read_only:
            return False
        if self.typed not in self.past[self._place : self._place + 1]:
            self._go_to_end(self.typed)  # it was edited, and would be lost
        place = self._place + step
        if not 0 <= place < len(self.past):
            return False
        self._place = place
        self.show_past(self.past[place])
        return True
