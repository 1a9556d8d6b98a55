"""The keys that let the model write on, one token or many, and take another token than it did."""

from __future__ import annotations

from dataclasses import replace

from textual import on
from textual.worker import Worker

from attntui.core.errors import UserError
from attntui.core.protocol import Cut, Generated, RunInfo
from attntui.render.labels import quote
from attntui.ui.generation import Order, order_of
from attntui.ui.memory import Past, past_of
from attntui.ui.messages import CandidatePicked, NotWritten, Written
from attntui.ui.screens.editing import BUSY, FROM_FILE, NO_RUN
from attntui.ui.screens.lensing import Lensing
from attntui.ui.screens.looking import of_a_run
from attntui.ui.state import Look
from attntui.ui.widgets.ask_line import AskLine
from attntui.ui.widgets.prompt_box import PromptBox
from attntui.ui.writing import Writing

NOT_PRESENT = "The text that goes on is the present one: D goes to the present run."
LISTED = "Nothing is listed to go on with: the model predicts nothing here."


class Generating(Lensing):
    """A screen whose text grows by what the model predicts."""

    _order = Order()
    """As it was asked last."""
    _line = ""
    """The same, as it was written."""
    _writing: Writing | None = None
    _worker: Worker[None] | None = None
    _written: Generated | None = None
    """What was added, until the run of it is shown."""

    @property
    def is_writing(self) -> bool:
        """See `Editing`."""
        writing, worker = self._writing, self._worker
        begun = writing is not None and writing.goes_on
        return begun and worker is not None and not worker.is_finished

    @of_a_run
    def action_generate_next(self) -> None:
        """The next token; pressed again before it is there, one more."""
        if self._writing is not None and self.is_writing:
            self._writing.wanted += 1
        else:
            self._write_on(1)

    @of_a_run
    def action_generate(self) -> None:
        """Several tokens: how many, and how they are chosen."""
        if self.session.file is not None:
            self.say(FROM_FILE)
        else:
            self.query_one(AskLine).ask("generate", self._line)

    @on(AskLine.Answered)
    def _ordered(self, message: AskLine.Answered) -> None:
        if message.question != "generate":
            return
        try:
            self._order = order_of(message.text)
        except UserError as error:
            self.say(str(error))
            return
        self._line = self._order.text
        self._write_on(self._order.count)

    @on(CandidatePicked)
    def _candidate_picked(self, message: CandidatePicked) -> None:
        """Go on from the cursor with another token; the text after it is dropped."""
        found = self.painter.predicted
        if found is None or message.number >= len(found.entries):
            self.say(LISTED)
            return
        if not self.is_present:
            self.say(NOT_PRESENT)
            return
        token = found.entries[message.number].id
        self._write_on(1, found.run, found.position, (token,))

    def _write_on(
        self,
        count: int,
        base: int | None = None,
        last: int | None = None,
        tokens: tuple[int, ...] = (),
    ) -> None:
        session, look = self.session, self.look
        changed = look.after if look.edits else None
        present = session.base if changed is None else changed.run
        base = present if base is None else base
        if session.file is not None:
            self.say(FROM_FILE)
        elif session.busy or base is None or base not in session.held:
            self.say(BUSY if session.busy else NO_RUN)
        else:
            self._writing = Writing(
                session, base, count, self._order.sampling, look.edits, last, tokens
            )
            self._worker = self.engage(self._writing.write())

    def stop_writing(self) -> None:
        """What came stays."""
        self.workers.cancel_group(self, "session")
        self.say("Stopped; what was added stays.")

    @on(Written)
    def _has_written(self, message: Written) -> None:
        generated = message.run.generated
        assert generated is not None
        self._written = generated
        self.query_one(PromptBox).put(past_of(generated.prompt))
        tokens = message.run.sides[-1].tokens[generated.first :]
        self.say(_added([token.text for token in tokens], generated.probabilities))
        if not message.is_run:
            self.work(None)

    @on(NotWritten)
    def _not_written(self, message: NotWritten) -> None:
        self.say(message.sentence, severe=True)

    def work(self, past: Past | None) -> None:
        """Run a prompt, or what is left to do, in place of whatever runs now."""
        raise NotImplementedError

    @property
    def _grown(self) -> Generated | None:
        """What was added to the text that has run; None where that is another one."""
        written = self._written
        return written if written is not None and written.prompt == self.session.prompt else None

    def opened_after(self, look: Look) -> Look | None:
        """The look at a text that the model went on with: at its last token; None: at another."""
        if self._grown is None:
            return None
        return replace(look, query=max(len(look.queries) - 1, 0))

    def whole_cuts(self, cuts: tuple[Cut, ...]) -> tuple[Cut, ...]:
        """Those whose cells are as they were, in a text that only grew."""
        grown = self._grown
        if grown is None:
            return super().whole_cuts(cuts)
        first = grown.first
        return tuple(cut for cut in cuts if cut.stack == "encoder" or cut.query < first)

    def new_run(self, run: RunInfo) -> None:
        """See `Editing`."""
        super().new_run(run)
        self._written = None


def _added(texts: list[str], probabilities: tuple[float, ...]) -> str:
    """What was added, in a sentence."""
    if len(texts) == 1:
        return f"Added {quote(texts[0])}, p {probabilities[0]:.3f}."
    return f"Added {len(texts)} tokens: {quote(''.join(texts))}."
