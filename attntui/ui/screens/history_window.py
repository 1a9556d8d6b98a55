"""All runs of the session as a tree, to go to one of them."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from attntui.ui.history import History, Node
from attntui.ui.screens.on_top import OnTop


class HistoryWindow(OnTop[Node | None]):
    """Gives the run that was chosen, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,H", "dismiss(None)", show=False),
        Binding("j", "move(1)", show=False),
        Binding("k", "move(-1)", show=False),
    ]

    def __init__(self, history: History) -> None:
        super().__init__()
        self._lines = list(history.lines())
        self._here = history.here

    def compose(self) -> ComposeResult:
        marked = ((lead, node, "•" if node is self._here else " ") for lead, node in self._lines)
        options = OptionList(
            *(
                Option(Content.assemble((f"{mark} ", "bold"), (lead, "dim"), node.change))
                for lead, node, mark in marked
            ),
            id="options",
            markup=False,
        )
        options.border_title = Content("Runs of this session")
        options.border_subtitle = Content("Enter goes there · Esc closes")
        yield options

    def on_mount(self) -> None:
        nodes = [node for _, node in self._lines]
        if self._here is not None:
            self.query_one(OptionList).highlighted = nodes.index(self._here)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._lines[event.option_index][1])

    def action_move(self, step: int) -> None:
        options = self.query_one(OptionList)
        if step > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()
