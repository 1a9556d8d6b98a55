"""`attntui scan`: every head over many texts, one after another, of which only sums are kept."""

import asyncio
import hashlib
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec.structs import replace

from attntui.cli.jobs import Engines, engines, in_order
from attntui.cli.kept import Kept
from attntui.cli.progress import ProgressLine
from attntui.cli.table import csv_text
from attntui.client.engine import Engine
from attntui.client.questions import trace
from attntui.core.errors import UserError
from attntui.core.protocol import (
    ModelInfo,
    ModelOptions,
    Progress,
    PromptInput,
    RunInfo,
    Stack,
    StackInfo,
)
from attntui.export.tower import choose_stack
from attntui.export.write import check_target, whole_file

RUN = 1
KEEP_INTERVAL = 1.0
"""Seconds between two times that the sums so far are kept: each waits for the disk."""


@dataclass(frozen=True)
class Order:
    """Which model reads, how, and where the numbers go."""

    model: ModelOptions
    prompt: PromptInput
    """How texts are read; its own is replaced by each of them."""
    stack: Stack | None
    output: str | None
    force: bool
    top: int | None
    jobs: int = 1
    """How many engines read, each with the whole model."""


class Survey(Protocol):
    """What is found out, and its sums so far."""

    what: str
    """What its texts are: "prompts"."""
    texts: Sequence[str]
    content: str
    """All that decides what is read, for the file of an interrupted scan."""
    columns: tuple[str, ...]

    def begin(self, stack: StackInfo) -> None:
        """Before anything else: the heads to look at.

        Raises:
            UserError: they cannot be looked at in this way.
        """

    async def look(self, engine: Engine, run: RunInfo, at: int) -> Any:
        """What a run of text `at` shows."""

    def add(self, shown: Any, at: int) -> None:
        """Add what text `at` shows to the sums."""

    def state(self) -> Any:
        """The sums as JSON takes them."""

    def restore(self, state: Any) -> None:
        """Go on from sums kept before."""

    def rows(self) -> Iterable[Sequence[object]]:
        """The lines of the .csv."""

    def lines(self, top: int | None) -> Iterator[str]:
        """The table."""


@dataclass
class Count:
    """How many texts were gone through, how many of them were left out, and why the first was."""

    done: int = 0
    left_out: int = 0
    why: str = ""


def scan(order: Order, survey: Survey) -> int:
    """Have the model read every text, print what is found, and write the .csv where one is wanted.

    Raises:
        UserError: a bad output or model, or no text that the model can read.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    if order.output is not None:
        check_target(order.output, order.force)
    count = Count()
    with ProgressLine() as line:
        asyncio.run(_scan(order, survey, count, line))
        if count.left_out == count.done:
            raise UserError(f"None of the {survey.what} could be read; the first, {count.why}")
        for text in survey.lines(order.top):
            print(text)
        sys.stdout.flush()
        if count.left_out:
            left_out = f"left out: {count.left_out} of {count.done} {survey.what}"
            line.say(f"{left_out}; the first, {count.why}")
    return 0


async def _scan(order: Order, survey: Survey, count: Count, line: ProgressLine) -> None:
    async with engines(order.model, order.jobs, line) as (model, loaded):
        stack = choose_stack(model, model.stacks, order.stack)
        survey.begin(stack)
        # An encoder needs nothing that its decoder writes.
        generate = 0 if stack.name == "encoder" else order.prompt.generate
        prompt = replace(order.prompt, generate=generate)
        if order.output is None:
            await _read(loaded, prompt, survey, count, line)
            return
        kept = Kept(order.output, _work(order, survey, model, stack))
        with _gone_on(kept, order, survey, count, line):
            await _read(loaded, prompt, survey, count, line, kept)
        if count.left_out < count.done:
            with whole_file(order.output, order.force) as stream:
                stream.write(csv_text(survey.columns, survey.rows()).encode())
        kept.remove()


@contextmanager
def _gone_on(
    kept: Kept, order: Order, survey: Survey, count: Count, line: ProgressLine
) -> Iterator[None]:
    """Go on from what was kept, and however this ends, keep what there is then."""
    total = len(survey.texts)
    with kept.opened(anew=order.force):
        if kept.results:
            count.done, count.left_out, count.why, sums = kept.results[-1]
            survey.restore(sums)
        with kept.told(line, lambda: count.done, total, survey.what, "read"):
            try:
                yield
            finally:
                _keep(kept, survey, count)


def _keep(kept: Kept, survey: Survey, count: Count) -> None:
    kept.put([count.done, count.left_out, count.why, survey.state()])


async def _read(
    loaded: Engines,
    prompt: PromptInput,
    survey: Survey,
    count: Count,
    line: ProgressLine,
    kept: Kept | None = None,
) -> None:
    """Read the texts that are not read yet; one that the model cannot read is left out."""

    async def look(engine: Engine, at: int) -> Any:
        run = await trace(engine, RUN, replace(prompt, text=survey.texts[at]))
        return await survey.look(engine, run, at)

    kept_at, total = time.monotonic(), len(survey.texts)
    line(Progress(survey.what, count.done, total))
    # Sums in the order of the texts are the same to the last bit, however many engines read.
    async with aclosing(in_order(loaded, range(count.done, total), look)) as found:
        async for shown in found:
            if isinstance(shown, UserError):
                count.left_out += 1
                count.why = count.why or f"number {count.done + 1}: {shown}"
            else:
                survey.add(shown, count.done)
            count.done += 1
            line(Progress(survey.what, count.done, total))
            if kept is not None and time.monotonic() > kept_at + KEEP_INTERVAL:
                _keep(kept, survey, count)
                kept_at = time.monotonic()


def _work(order: Order, survey: Survey, model: ModelInfo, stack: StackInfo) -> dict[str, Any]:
    """What decides the sums, so that only the same work goes on."""
    return {
        "model": model.name,
        "revision": model.revision,
        "dtype": model.dtype,
        "stack": stack.name,
        "reading": [order.prompt.special_tokens, order.prompt.truncate],
        "survey": survey.columns,
        "texts": hashlib.sha256(survey.content.encode()).hexdigest(),
    }
