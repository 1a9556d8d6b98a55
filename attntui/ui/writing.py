"""A model that writes on: some tokens at a time, so that what came stays where it is stopped."""

from dataclasses import dataclass
from time import monotonic

from msgspec.structs import replace

from attntui.client.engine import EngineFault, EngineGone
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Edits,
    Generate,
    Generated,
    Progress,
    RunInfo,
    Sampling,
    Traced,
)
from attntui.ui.messages import NotWritten, Waiting, Written
from attntui.ui.session import Session

PATIENCE = 0.3
"""Seconds that a question to the engine may take before it asks for as many tokens the next time,
and not for twice as many."""


@dataclass(eq=False)
class Writing:
    """Tokens added after the text of run `base`, of which the positions up to `last` stay.

    First `tokens` as they are, then up to `wanted` in all, which may grow meanwhile.
    """

    session: Session
    base: int
    wanted: int
    sampling: Sampling
    edits: Edits
    """What is changed in the model, and is to be changed in the run of the whole text."""
    last: int | None = None
    tokens: tuple[int, ...] = ()
    goes_on: bool = True
    _found: RunInfo | None = None
    _first: int | None = None
    _probabilities: tuple[float, ...] = ()
    _size: int = 1

    async def write(self) -> None:
        """Write until all is there, the text ends, or this is cancelled."""
        with self.session.turn():
            why = ""
            try:
                while self.goes_on and len(self._probabilities) < self.wanted:
                    await self._some()
            except (UserError, EngineFault, EngineGone) as error:
                why = str(error)
            finally:
                self.goes_on = False
                self._tell()
                if why:
                    self.session.post(NotWritten(why))

    async def _some(self) -> None:
        """As many tokens as come soon."""
        session, begun = self.session, monotonic()
        left = self.wanted - len(self._probabilities) - len(self.tokens)
        count = min(left, self._size - len(self.tokens))
        request = Generate(
            session.next_run(),
            self.base,
            count,
            self.sampling,
            self.last,
            self.tokens,
            tuple(session.held),
        )
        reply, _ = await session.engine.ask(request, self._progress)
        assert isinstance(reply, Traced) and reply.info.generated is not None
        added = reply.info.generated
        self.goes_on = len(added.probabilities) == count + len(self.tokens)
        self._found, self.base, self.last, self.tokens = reply.info, reply.info.run, None, ()
        self._first = added.first if self._first is None else self._first
        self._probabilities += added.probabilities
        if monotonic() - begun < PATIENCE:
            self._size *= 2

    def _progress(self, progress: Progress) -> None:
        done = len(self._probabilities)
        if progress.stage == "generating":
            done += progress.done
        what = f"adding token {min(done + 1, self.wanted)} of {self.wanted}"
        self.session.post(Waiting(what, done / self.wanted))

    def _tell(self) -> None:
        """What came is the text from now on; with edits, the run without them is to be made."""
        if self._found is None or self._found.generated is None or self._first is None:
            return
        prompt = self._found.generated.prompt
        found = Generated(prompt=prompt, first=self._first, probabilities=self._probabilities)
        self.session.prompt = prompt
        is_run = not self.edits and self.session.engine.alive
        self.session.post(Written(replace(self._found, generated=found), is_run))
        if is_run:
            self.session.adopt(replace(self._found, generated=found))
