"""`attntui order`: whether heads follow words or the places they stand at."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attntui.cli.answer import give
from attntui.cli.progress import ProgressLine
from attntui.cli.table import csv_text, layer_name
from attntui.cli.tracing import traced
from attntui.client.questions import ask
from attntui.core.edit_names import head_name
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Arrays,
    Edits,
    GetOrder,
    Head,
    ModelOptions,
    Progress,
    PromptInput,
    Stack,
    StackInfo,
)
from attntui.core.word_order import WordOrder, neighbours
from attntui.export.source import Source
from attntui.export.tower import choose_stack

COLUMNS = ("layer", "head", "by_words", "by_position", "n")
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


@dataclass(frozen=True, eq=False)
class Followed:
    """What heads follow; `top` are listed of those that follow places, and of those of words."""

    stack: StackInfo
    found: WordOrder
    top: int

    def csv(self) -> str:
        rows = []
        for layer, head, *figures in self._rows():
            shown = (f"{figure:.9g}" for figure in figures)
            rows.append([layer_name(self.stack.name, layer), head, *shown, self.found.pairs])
        return csv_text(COLUMNS, rows)

    def _rows(self) -> list[tuple[int, int, float, float]]:
        """Layer, head, by words and by position of every head."""
        by_words, by_position = self.found.by_words, self.found.by_position
        assert by_words is not None and by_position is not None
        return [
            (layer, head, float(by_words[layer, head]), float(by_position[layer, head]))
            for layer, info in enumerate(self.stack.layers)
            for head in range(info.heads)
        ]

    def lines(self) -> Iterator[str]:
        """How many pairs, and the heads that follow places and words most."""
        pairs, left_out = self.found.pairs, self.found.left_out
        what = "pair of words beside each other" if pairs == 1 else "pairs of words"
        without = f"; {left_out} left out, which become other tokens" if left_out else ""
        yield f"{pairs} {what} swapped, one at a time{without}"
        rows = [row for row in self._rows() if not np.isnan(row[2])]
        ranked = sorted(rows, key=lambda row: row[3] - row[2])
        places = [row for row in ranked if row[2] > row[3]][: self.top]
        words = [row for row in reversed(ranked) if row[2] <= row[3]][: self.top]
        for title, listed in (("follow order", places), ("follow words", words)):
            if listed:
                yield ""
                yield f"{title:<14} by words  by position  difference"
            for layer, head, by_words, by_position in listed:
                figures = (
                    f"{by_words:>8.3f}  {by_position:>11.3f}  {by_words - by_position:>+10.3f}"
                )
                name = head_name(Head(self.stack.name, layer, head))
                yield f"{name:<14} {figures}"


def order(order: Order) -> int:
    """Swap the words, print which heads follow them, and write the .csv where one is wanted.

    Raises:
        UserError: a bad output, model, prompt or stack, or a prompt without words to swap.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    return give(lambda line: _followed(order, line), order.output, order.force)


async def _followed(order: Order, line: ProgressLine) -> Followed:
    async with traced(order.model, order.prompt, order.edits, line) as source:
        stack = choose_stack(source.model, source.run.stacks, order.stack)
        found = await _swept(source, stack, line)
    if not found.pairs:
        raise UserError(NO_PAIR)
    return Followed(stack, found, order.top)


async def _swept(source: Source, stack: StackInfo, line: ProgressLine) -> WordOrder:
    found, words = WordOrder(), neighbours(source.run.sides[0])
    for done, word in enumerate(words):
        line(Progress("words swapped", done, len(words)))
        _, arrays = await ask(source.engine, GetOrder(source.run.run, stack.name, word), Arrays)
        found.add(arrays)
    return found
