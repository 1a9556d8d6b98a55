"""`attntui order`: whether heads follow words or the places they stand at."""

import asyncio
import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attntui.cli.progress import ProgressLine
from attntui.cli.tracing import traced
from attntui.client.questions import ask
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Arrays,
    Edits,
    GetOrder,
    ModelOptions,
    Progress,
    PromptInput,
    Stack,
    StackInfo,
)
from attntui.core.word_order import WordOrder, neighbours
from attntui.export.source import Source
from attntui.export.tower import choose_stack
from attntui.export.write import check_target, whole_file

NO_PAIR = "The prompt has no two words beside each other that can be swapped: give it more words."


@dataclass(frozen=True)
class Order:
    """What is to be found out."""

    model: ModelOptions
    prompt: PromptInput
    stack: Stack | None
    edits: Edits
    output: str | None
    force: bool
    top: int


def order(order: Order) -> int:
    """Swap the words, print which heads follow them, and write the .csv where one is wanted.

    Raises:
        UserError: a bad output, model, prompt or stack, or a prompt without words to swap.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    if order.output is not None:
        check_target(order.output, order.force)
    with ProgressLine() as line:
        stack, found = asyncio.run(_found(order, line))
    if order.output is not None:
        with whole_file(order.output, order.force) as stream:
            stream.write(_csv(stack, found).encode())
    for text in _lines(stack, found, order.top):
        print(text)
    sys.stdout.flush()
    return 0


async def _found(order: Order, line: ProgressLine) -> tuple[StackInfo, WordOrder]:
    async with traced(order.model, order.prompt, order.edits, line) as source:
        stack = choose_stack(source.model, source.run.stacks, order.stack)
        found = await _swept(source, stack, line)
    if not found.pairs:
        raise UserError(NO_PAIR)
    return stack, found


async def _swept(source: Source, stack: StackInfo, line: ProgressLine) -> WordOrder:
    found, words = WordOrder(), neighbours(source.run.sides[0])
    for done, word in enumerate(words):
        line(Progress("words swapped", done, len(words)))
        _, arrays = await ask(source.engine, GetOrder(source.run.run, stack.name, word), Arrays)
        found.add(arrays)
    return found


def _rows(stack: StackInfo, found: WordOrder) -> list[tuple[int, int, float, float]]:
    """Layer, head, by words and by position of every head."""
    assert found.by_words is not None and found.by_position is not None
    return [
        (layer, head, float(found.by_words[layer, head]), float(found.by_position[layer, head]))
        for layer, info in enumerate(stack.layers)
        for head in range(info.heads)
    ]


def _lines(stack: StackInfo, found: WordOrder, top: int) -> Iterator[str]:
    """How many pairs, and the heads that follow places and words most."""
    pairs = "pair of words beside each other" if found.pairs == 1 else "pairs of words"
    left_out = f"; {found.left_out} left out, which become other tokens" if found.left_out else ""
    yield f"{found.pairs} {pairs} swapped, one at a time{left_out}"
    rows = _rows(stack, found)
    ranked = sorted((row for row in rows if not np.isnan(row[2])), key=lambda row: row[3] - row[2])
    places = [row for row in ranked if row[2] > row[3]][:top]
    words = [row for row in reversed(ranked) if row[2] <= row[3]][:top]
    for title, listed in (("follow order", places), ("follow words", words)):
        if listed:
            yield ""
            yield f"{title:<14} by words  by position  difference"
        for layer, head, by_words, by_position in listed:
            figures = f"{by_words:>8.3f}  {by_position:>11.3f}  {by_words - by_position:>+10.3f}"
            yield f"{f'{layer}.{head}':<14} {figures}"


def _csv(stack: StackInfo, found: WordOrder) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["layer", "head", "by_words", "by_position", "n"])
    for layer, head, *figures in _rows(stack, found):
        writer.writerow([layer, head, *(f"{figure:.9g}" for figure in figures), found.pairs])
    return text.getvalue()
