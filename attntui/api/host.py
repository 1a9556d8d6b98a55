"""An engine of one's own, asked from plain code: every question waits for its answer."""

import asyncio
import itertools
import weakref
from collections.abc import Awaitable, Callable
from typing import TypeVar

from attntui.api.loop import Loop
from attntui.client.engine import Engine
from attntui.client.errors import EngineFault, EngineGone
from attntui.client.questions import trace
from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput, RunInfo
from attntui.core.tokens import sanitise_lines

Result = TypeVar("Result")
Work = Callable[[Engine], Awaitable[Result]]


class Host:
    """An engine, which ends when this is closed or forgotten, and with the process.

    The engine holds one run, the newest. Asking about an older one runs its prompt again.
    """

    def __init__(self) -> None:
        self._loop = Loop()
        self._engine = Engine()
        self._lock = asyncio.Lock()
        self._held: int | None = None
        self._numbers = itertools.count(1)
        self.close = weakref.finalize(self, _end, self._loop, self._engine)

    def do(self, work: Work[Result]) -> Result:
        """What `work` finds, with the engine started.

        Raises:
            UserError: the user can mend it, or this was closed.
            EngineFault, EngineGone: the engine failed; its log is in the error's notes.
        """
        if not self.close.alive:
            raise UserError("This model was closed: load it again.")
        try:
            return self._loop.run(self._alone(work))
        except (EngineFault, EngineGone) as error:
            log = sanitise_lines("\n".join(self._engine.log))
            error.add_note(f"The engine's log:\n{log}")
            raise

    async def _alone(self, work: Work[Result]) -> Result:
        async with self._lock:
            return await work(self._engine)

    def trace(self, prompt: PromptInput) -> RunInfo:
        """A new run, of a number that no other has."""
        number = next(self._numbers)

        async def run(engine: Engine) -> RunInfo:
            return await self._trace(engine, number, prompt)

        return self.do(run)

    def about(self, number: int, prompt: PromptInput, work: Work[Result]) -> Result:
        """As `do`, with a run held that `trace` gave."""

        async def run(engine: Engine) -> Result:
            if self._held != number:
                await self._trace(engine, number, prompt)
            return await work(engine)

        return self.do(run)

    async def _trace(self, engine: Engine, number: int, prompt: PromptInput) -> RunInfo:
        self._held = None  # not known, should this be interrupted
        info = await trace(engine, number, prompt)
        self._held = number
        return info


def _end(loop: Loop, engine: Engine) -> None:
    loop.close(engine.stop())
