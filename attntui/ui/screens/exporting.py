"""Writing what is in sight to a file: asked for by name, never over another file without asking."""

from textual import on
from textual.screen import Screen

from attntui.client.errors import EngineFault, EngineGone
from attntui.core.errors import UserError
from attntui.core.tokens import sanitise
from attntui.export.write import FileExists
from attntui.ui.session import Session
from attntui.ui.state import Look
from attntui.ui.widgets.ask_line import AskLine


class Exporting(Screen[None]):
    """A screen whose picture and numbers can be kept."""

    look: Look
    session: Session
    _path = ""

    def say(self, sentence: str, severe: bool = False) -> None:
        """Tell the user."""
        raise NotImplementedError

    def action_export(self) -> None:
        if self.look.run is None:
            self.say("There is nothing to write yet.")
            return
        self.query_one(AskLine).ask("export", self._path)

    @on(AskLine.Answered)
    def _file_named(self, message: AskLine.Answered) -> None:
        if message.question == "export" and message.text.strip():
            self._path = message.text.strip()
            self._write(force=False)
        elif message.question == "replace":
            if message.text.strip().casefold() in {"y", "yes"}:
                self._write(force=True)
            else:
                self.say(f"{self._path} stays as it is.")

    def _write(self, force: bool) -> None:
        self.run_worker(
            self._export(self._path, force), group="export", exclusive=True, exit_on_error=False
        )

    async def _export(self, path: str, force: bool) -> None:
        from attntui.ui.files import write_look

        try:
            remarks = await write_look(path, force, self.look, self.session)
        except FileExists:
            self.query_one(AskLine).ask("replace")
        except (UserError, EngineFault, EngineGone) as error:
            self.say(str(error), severe=True)
        else:
            said = [remark[:1].upper() + remark[1:] for remark in remarks]
            self.say(" ".join([f"Written to {sanitise(path)}.", *said]))
