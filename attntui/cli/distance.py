"""`attntui distance`: how far layers and heads look, in a prompt and in longer ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attntui.cli.answer import give
from attntui.cli.progress import ProgressLine
from attntui.cli.table import csv_text, head_map, layer_name
from attntui.cli.tracing import traced
from attntui.client.questions import ask
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Arrays,
    Edits,
    GetReach,
    ModelOptions,
    PromptInput,
    Stack,
    StackInfo,
)
from attntui.export.tower import choose_stack

COLUMNS = ("times", "tokens", "layer", "head", "distance", "k", "beyond")


@dataclass(frozen=True)
class Order:
    """What is to be measured: weights further than `beyond` tokens, of the text said `times`."""

    model: ModelOptions
    prompt: PromptInput
    stack: Stack | None
    edits: Edits
    beyond: int
    times: tuple[int, ...]
    output: str | None
    force: bool


@dataclass(frozen=True, eq=False)
class Reach:
    """How far heads look in so many tokens; `distance` and `beyond` (layers, heads)."""

    times: int
    tokens: int
    distance: np.ndarray
    beyond: np.ndarray


@dataclass(frozen=True, eq=False)
class Reaches:
    """Length by length; `beyond` is how many tokens away that share of weight begins."""

    stack: StackInfo
    lengths: list[Reach]
    beyond: int

    def csv(self) -> str:
        return csv_text(COLUMNS, self._rows())

    def lines(self) -> Iterator[str]:
        for each in self.lengths:
            yield from _lines(each, self.beyond)

    def _rows(self) -> Iterator[list[object]]:
        for each in self.lengths:
            for layer, info in enumerate(self.stack.layers):
                for head in range(info.heads):
                    figures = each.distance[layer, head], each.beyond[layer, head]
                    far, share = (f"{value:.9g}" for value in figures)
                    name = layer_name(self.stack.name, layer)
                    yield [each.times, each.tokens, name, head, far, self.beyond, share]


def times_of(text: str) -> tuple[int, ...]:
    """`1,2,4`: each once, the least first.

    Raises:
        UserError: it is no such list.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 0 < int(part) < 10**6 for part in parts):
        raise UserError(f"--lengthen {text!r} is no list of numbers such as 1,2,4.")
    return tuple(sorted({int(part) for part in parts}))


def measure(order: Order) -> int:
    """Print the distances, and write the .csv where one is wanted.

    Raises:
        UserError: a bad output, model or prompt, or no length that the model can read.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    return give(lambda line: _measured(order, line), order.output, order.force)


async def _measured(order: Order, line: ProgressLine) -> Reaches:
    """Length by length; one that the model does not read is left out and told."""
    found: list[Reach] = []
    async with traced(order.model, order.prompt, order.edits, line) as source:
        stack = choose_stack(source.model, source.run.stacks, order.stack)
        for times in order.times:
            request = GetReach(source.run.run, stack.name, (order.beyond,), times)
            try:
                _, arrays = await ask(source.engine, request, Arrays, line)
            except UserError as error:
                if not found:
                    raise
                line.say(f"left out: {error}")
                break
            distance, beyond, tokens = arrays
            found.append(Reach(times, int(tokens[0]), distance, beyond[0]))
    return Reaches(stack, found, order.beyond)


def _lines(reach: Reach, beyond: int) -> Iterator[str]:
    times = "" if reach.times == 1 else f", the text {reach.times} times"
    yield f"{reach.tokens:,} tokens{times}"
    yield ""
    yield "mean distance in tokens"
    yield from _table(reach.distance, "{:.2f}")
    yield ""
    yield f"share of weight beyond {beyond} tokens"
    yield from _table(reach.beyond, "{:.3f}")
    yield ""


def _table(values: np.ndarray, form: str) -> Iterator[str]:
    """Every head; where they are too many for the width, each layer's mean, least and largest."""
    lines = list(head_map(values, form.format))
    if lines:
        yield from lines
        return
    yield "layer    mean   least      largest"
    for layer, row in enumerate(values):
        if np.isfinite(row).any():
            least, largest = int(np.nanargmin(row)), int(np.nanargmax(row))
            ends = [f"{layer}.{at} {form.format(row[at])}" for at in (least, largest)]
            yield f"{layer:>5} {form.format(np.nanmean(row)):>7}   {ends[0]:<11}{ends[1]}"
