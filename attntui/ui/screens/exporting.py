"""Writing what is in sight to a file: asked for by name, never over another file without asking."""

from textual import on
from textual.screen import Screen

from attntui.client.errors import EngineFault, EngineGone
from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput
from attntui.core.tokens import sanitise
from attntui.export.file import Looks, fill, kind_of
from attntui.export.matrices import Numbers, Wanted, numbers_of, sections
from attntui.export.source import Source
from attntui.export.tower import choose_tower
from attntui.export.write import FileExists, whole_file
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
        try:
            kind = kind_of(path)
            with whole_file(path, force) as stream:
                source, numbers = self._source(), self._numbers()
                looks = Looks(scale=self.look.scale)
                remarks = await fill(stream, kind, source, numbers, looks)
        except FileExists:
            self.query_one(AskLine).ask("replace")
        except (UserError, EngineFault, EngineGone) as error:
            self.say(str(error), severe=True)
        else:
            self.say(" ".join([f"Written to {sanitise(path)}.", *remarks]))

    def _source(self) -> Source:
        look = self.look
        assert look.model is not None and look.run is not None
        prompt = self.session.prompt or PromptInput(text="")  # a file has none
        return Source(self.session.engine, look.model, look.run, prompt)

    def _numbers(self) -> Numbers:
        """The view in sight; of the pages of small maps, all heads of the layer or of the model."""
        look = self.look
        assert look.model is not None and look.run is not None
        if look.page not in {"layer", "model"}:
            return numbers_of(look.model, look.run, look.view, look.reading)
        layers = ((look.layer, look.layer),) if look.page == "layer" else None
        tower = choose_tower(look.model, look.run, look.stack, layers, None, look.words)
        return Numbers(tower, sections(tower, Wanted()), look.reading)
