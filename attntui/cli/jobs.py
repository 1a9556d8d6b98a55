"""Texts of a corpus spread over several engines, each with the whole model; results in order."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from msgspec.structs import replace

from attntui.cli.progress import ProgressLine
from attntui.client.engine import Engine
from attntui.client.errors import EngineFault, EngineGone
from attntui.client.questions import load
from attntui.core.errors import UserError
from attntui.core.protocol import ModelInfo, ModelOptions

Found = TypeVar("Found")
Engines = Sequence[Engine]

AHEAD = 4
"""Texts that an engine may be ahead of the one whose result is waited for."""


@asynccontextmanager
async def engines(
    model: ModelOptions, jobs: int, line: ProgressLine
) -> AsyncIterator[tuple[ModelInfo, Engines]]:
    """So many engines with the model loaded, the first one first: it downloads what is not here.

    Raises:
        UserError: the model cannot be loaded.
        EngineGone, EngineFault: an engine failed, here or inside; its log is in the error's notes.
    """
    started = [Engine() for _ in range(jobs)]
    options = [replace(model, part=part, parts=jobs) for part in range(jobs)]
    try:
        async with AsyncExitStack() as stack:
            for engine in started:
                await stack.enter_async_context(engine)
            info = await load(started[0], options[0], line)
            await asyncio.gather(*map(load, started[1:], options[1:]))
            yield info, started
    except (EngineGone, EngineFault) as error:
        log = [text for engine in started for text in engine.log]
        error.add_note("The engine's log:\n" + "\n".join(log))
        raise


async def in_order(
    engines: Engines, numbers: range, ask: Callable[[Engine, int], Awaitable[Found]]
) -> AsyncGenerator[Found | UserError]:
    """What is found for each number, in their order; what the user can mend is found, too."""
    free: asyncio.Queue[Engine] = asyncio.Queue()
    for engine in engines:
        free.put_nowait(engine)

    async def find(number: int) -> Found | UserError:
        engine = await free.get()
        try:
            return await ask(engine, number)
        except UserError as error:
            return error
        finally:
            free.put_nowait(engine)

    begun: deque[asyncio.Task[Found | UserError]] = deque()
    most = 1 if len(engines) == 1 else AHEAD * len(engines)
    try:
        for number in numbers:
            begun.append(asyncio.create_task(find(number)))
            if len(begun) == most:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
