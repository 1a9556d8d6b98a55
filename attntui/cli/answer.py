"""What a command finds out: printed, and written as a .csv where one is wanted."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from attntui.cli.progress import ProgressLine
from attntui.export.write import check_target, whole_file


class Answer(Protocol):
    """What was found."""

    def csv(self) -> str:
        """All of it, as a .csv."""

    def lines(self) -> Iterator[str]:
        """What is printed, made safe."""


def give(find: Callable[[ProgressLine], Awaitable[Answer]], output: str | None, force: bool) -> int:
    """Find out, write the .csv where one is wanted, and print; a bad `output` is told first.

    Raises:
        UserError: a bad output, or what `find` refuses.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    if output is not None:
        check_target(output, force)

    async def found() -> Answer:
        return await find(line)

    with ProgressLine() as line:
        answer = asyncio.run(found())
    if output is not None:
        with whole_file(output, force) as stream:
            stream.write(answer.csv().encode())
    for text in answer.lines():
        print(text)
    sys.stdout.flush()
    return 0
