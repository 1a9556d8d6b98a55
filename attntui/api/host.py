"""An engine of one's own, asked from plain code: every question waits for its answer."""

import asyncio
import itertools
import weakref
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from attntui.api.loop import Loop
from attntui.client.engine import Engine
from attntui.client.errors import EngineFault, EngineGone
from attntui.client.questions import continued, edit, trace
from attntui.core.errors import UserError
from attntui.core.protocol import Edits, PromptInput, RunInfo, Sampling
from attntui.core.tokens import sanitise_lines

Result = TypeVar("Result")
Work = Callable[[Engine], Awaitable[Result]]


class Recipe(NamedTuple):
    """What a run is made of."""

    prompt: PromptInput
    edits: Edits = Edits()


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

    def trace(self, recipe: Recipe) -> RunInfo:
        """A new run, of a number that no other has."""
        number = next(self._numbers)

        async def run(engine: Engine) -> RunInfo:
            return await self._trace(engine, number, recipe)

        return self.do(run)

    def about(self, number: int, recipe: Recipe, work: Work[Result]) -> Result:
        """As `do`, with a run held that `trace` gave."""

        async def run(engine: Engine) -> Result:
            if self._held != number:
                await self._trace(engine, number, recipe)
            return await work(engine)

        return self.do(run)

    def generate(self, number: int, recipe: Recipe, count: int, sampling: Sampling) -> RunInfo:
        """A new run of a run's text and what the model adds to it."""

        async def run(engine: Engine) -> RunInfo:
            self._held = None
            info = await continued(engine, self._numbers, number, recipe.edits, count, sampling)
            self._held = info.run
            return info

        return self.about(number, recipe, run)

    async def _trace(self, engine: Engine, number: int, recipe: Recipe) -> RunInfo:
        self._held = None  # not known, should this be interrupted
        base = next(self._numbers) if recipe.edits else number
        info = await trace(engine, base, recipe.prompt)
        if recipe.edits:
            info = await edit(engine, number, base, recipe.edits)
        self._held = number
        return info


def _end(loop: Loop, engine: Engine) -> None:
    loop.close(engine.stop())
