"""`attntui ablate`: what a task loses without each head, or without sets of heads."""

import asyncio
import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from attntui.cli.jobs import Engines, engines, in_order
from attntui.cli.kept import Kept
from attntui.cli.losses import Losses
from attntui.cli.progress import ProgressLine
from attntui.cli.table import csv_text, layer_name
from attntui.cli.task_file import read_task
from attntui.client.engine import Engine
from attntui.client.questions import ask
from attntui.core.edit_names import head_name, heads_of
from attntui.core.errors import UserError
from attntui.core.protocol import (
    AblateWith,
    Arrays,
    GetAnswers,
    Head,
    ModelInfo,
    ModelOptions,
    Progress,
    Question,
)
from attntui.export.write import check_target, whole_file

Heads = tuple[Head, ...]


@dataclass(frozen=True)
class Order:
    """What is to be found out."""

    model: ModelOptions
    task: str
    sets: tuple[str, ...]
    """Sets of heads as on the command line; none: each head alone."""
    ablate_with: AblateWith
    output: str | None
    force: bool
    top: int
    jobs: int = 1
    """How many engines answer, each with the whole model."""


def ablate(order: Order) -> int:
    """Run the task, print what it loses, and write the .csv where one is wanted.

    Raises:
        UserError: a bad task, output, model or head.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    questions = read_task(order.task)
    sets = [heads_of(each) for each in order.sets]
    if order.output is not None:
        check_target(order.output, order.force)
    with ProgressLine() as line:
        losses = asyncio.run(_losses(order, questions, sets, line))
    for text in losses.lines(order.top):
        print(text)
    sys.stdout.flush()
    return 0


async def _losses(
    order: Order, questions: list[Question], sets: list[Heads], line: ProgressLine
) -> Losses:
    async with engines(order.model, order.jobs, line) as (model, loaded):
        chosen = sets or _every_head(model)
        if order.output is None:
            results: list[Any] = []
            await _answer(loaded, order, questions, chosen, results, results.append, line)
            return _mean(chosen, results)
        kept = Kept(order.output, _work(order, model, questions, chosen))
        with (
            kept.opened(anew=order.force),
            kept.told(line, lambda: len(kept.results), len(questions), "questions", "answered"),
        ):
            await _answer(loaded, order, questions, chosen, kept.results, kept.add, line)
        losses = _mean(chosen, kept.results)
        with whole_file(order.output, order.force) as stream:
            stream.write(_csv(losses).encode())
        kept.remove()
        return losses


async def _answer(
    loaded: Engines,
    order: Order,
    questions: list[Question],
    sets: Sequence[Heads],
    results: list[Any],
    add: Callable[[Any], None],
    line: ProgressLine,
) -> None:
    """Add to `results` each question's [log-probabilities, logit differences] that is not there."""

    async def answer(engine: Engine, number: int) -> list[Any]:
        request = GetAnswers(questions[number], tuple(sets), order.ablate_with)
        _, arrays = await ask(engine, request, Arrays)
        return [array.tolist() for array in arrays]

    done, total = len(results), len(questions)
    line(Progress("questions", done, total))
    async with aclosing(in_order(loaded, range(done, total), answer)) as found:
        async for scores in found:
            done += 1
            if isinstance(scores, UserError):
                raise UserError(f"{order.task}, question {done}: {scores}") from scores
            add(scores)
            line(Progress("questions", done, total))


def _every_head(model: ModelInfo) -> list[Heads]:
    return [
        (Head(stack.name, at, head),)
        for stack in model.stacks
        for at, layer in enumerate(stack.layers)
        for head in range(layer.heads)
    ]


def _work(
    order: Order, model: ModelInfo, questions: list[Question], sets: Sequence[Heads]
) -> dict[str, Any]:
    """What decides the results, so that only the same work goes on."""
    asked = hashlib.sha256(msgspec.json.encode(questions)).hexdigest()
    return {
        "model": model.name,
        "revision": model.revision,
        "dtype": model.dtype,
        "questions": asked,
        "sets": ["+".join(map(head_name, heads)) for heads in sets],
        "ablate_with": order.ablate_with,
    }


def _mean(sets: Sequence[Heads], results: list[Any]) -> Losses:
    scores = np.array(results, dtype=np.float64)  # (questions, 2, 1 + sets)
    logprob, difference = scores[:, 0], scores[:, 1]
    columns = [(difference > 0).mean(0), logprob.mean(0), difference.mean(0)]
    return Losses(tuple(sets), np.stack(columns, axis=1), len(results))


def _csv(losses: Losses) -> str:
    """layer, head, accuracy, logprob, logit_difference, n; the whole model first.

    A set of several heads has no layer, and `0.2+1.2` for its head.
    """
    rows = []
    for heads, row in zip(((), *losses.sets), losses.scores, strict=True):
        layer, head = "", "+".join(map(head_name, heads))
        if len(heads) == 1:
            layer, head = layer_name(heads[0].stack, heads[0].layer), str(heads[0].head)
        rows.append([layer, head, *(f"{value:.9g}" for value in row), losses.count])
    return csv_text(["layer", "head", "accuracy", "logprob", "logit_difference", "n"], rows)
