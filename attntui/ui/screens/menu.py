"""A few choices, each with a letter."""

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from attntui.ui.screens.on_top import OnTop


class Menu(OnTop[str | None]):
    """Gives the name that was chosen, or None. `choices` are (letter, name, words)."""

    def __init__(self, title: str, choices: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._title, self._choices = title, choices

    def compose(self) -> ComposeResult:
        width = max(len(name) for _, name, _ in self._choices)
        options = OptionList(
            *(
                Option(Content.assemble((letter, "bold"), f"  {name:<{width}}  {words}"))
                for letter, name, words in self._choices
            ),
            id="options",
            markup=False,
        )
        options.border_title = Content(self._title)
        options.border_subtitle = Content("Esc closes")
        yield options

    def on_key(self, event: events.Key) -> None:
        """A letter chooses at once."""
        event.stop()
        if event.key in {"escape", "q"}:
            self.dismiss(None)
        for letter, name, _ in self._choices:
            if event.character == letter:
                self.dismiss(name)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index][1])
