"""Copying to the clipboard of the terminal, and to a file for terminals without one."""

from textual.screen import Screen

from attntui.core.protocol import GetWindow
from attntui.ui.copies import cell_text, line_text, list_text
from attntui.ui.memory import Memory
from attntui.ui.painter import Painter
from attntui.ui.state import Look
from attntui.ui.widgets.ranked_list import RankedList

CHOICES = (
    ("c", "cell", "this cell and its weight"),
    ("r", "row", "the whole row: what the query attends to"),
    ("k", "column", "the whole column: what attends to the key"),
    ("t", "table", "the lists beside the grid"),
)


class Copying(Screen[None]):
    """A screen whose numbers can be taken along."""

    look: Look
    memory: Memory
    painter: Painter

    def say(self, sentence: str, severe: bool = False) -> None:
        """Tell the user."""
        raise NotImplementedError

    def action_copy(self) -> None:
        if self.look.run is None:
            self.say("There is nothing to copy yet.")
            return
        from attntui.ui.screens.menu import Menu

        self.app.push_screen(Menu("Copy", CHOICES), self._copy_chosen)

    def _copy_chosen(self, what: str | None) -> None:
        if what is not None:
            self.run_worker(self._copy(what), exit_on_error=False, description="copy")

    async def _copy(self, what: str) -> None:
        text = self._lists() if what == "table" else await self._weights(what)
        if not text:
            return
        self.app.copy_to_clipboard(text)
        kept = self.memory.write_copy(text)
        where = f"; should the terminal have none, it is in {kept}" if kept else ""
        self.say(f"The {what} is in the clipboard{where}.")

    async def _weights(self, what: str) -> str:
        look = self.look
        assert look.run is not None
        rows = (look.query, look.query + 1) if what != "column" else (0, len(look.queries))
        keys = (look.key, look.key + 1) if what != "row" else (0, len(look.keys))
        request = GetWindow(look.run.run, look.view, rows, keys, reading=look.reading)
        answer = await self.painter.ask(request)
        if answer is None:
            return ""
        weights = answer[1][0]
        if what == "cell":
            return cell_text(look, float(weights[0, 0]))
        return line_text(look.queries if what == "column" else look.keys, weights.ravel())

    def _lists(self) -> str:
        shown = [each for each in self.query(RankedList) if each.entries]
        return "\n\n".join(list_text(each.title, each.entries) for each in shown)
