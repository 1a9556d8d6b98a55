"""`attntui show`: attention as plain terminal text, for logs and pipes."""

import asyncio
import shutil
import sys
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from attntui.cli.progress import ProgressLine
from attntui.cli.report import Report
from attntui.cli.tracing import traced
from attntui.client.questions import ask, window
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Chosen,
    Edits,
    GetTop,
    GetWindow,
    Head,
    Mean,
    ModelOptions,
    PromptInput,
    Reading,
    Stack,
    Top,
    View,
)
from attntui.core.scale import Scale
from attntui.demo import MODELS
from attntui.export.matrices import Wanted, numbers_of
from attntui.export.source import Source
from attntui.export.tower import Tower, choose_stack
from attntui.render.heatmap import Heatmap
from attntui.render.palette import Palette, colour_palette, shade_palette
from attntui.render.terminal import shows_colours, terminal_mode, write_lines

PIPE_WIDTH = 80


@dataclass(frozen=True)
class Order:
    """What is to be seen: one head, or what `wanted` names in its place; None where not said."""

    model: ModelOptions
    prompt: PromptInput
    stack: Stack | None
    layer: int | None
    head: int | None
    wanted: Wanted
    reading: Reading
    edits: Edits
    query: int | None
    top: int
    as_text: bool
    scale: Scale


@dataclass(frozen=True)
class Manner:
    """How it is printed; `width` None is the terminal's, or 80 where there is none."""

    width: int | None
    style: Literal["auto", "colour", "shade"]
    theme: Literal["auto", "dark", "light"]

    @property
    def columns(self) -> int:
        if self.width is not None:
            return self.width
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH

    @property
    def colours(self) -> bool:
        return shows_colours(sys.stdout) if self.style == "auto" else self.style == "colour"

    @property
    def palette(self) -> Palette:
        if self.colours:
            return colour_palette(terminal_mode(self.theme))
        return shade_palette("default", "default")


def show(order: Order, manner: Manner) -> int:
    """Print what is ordered.

    Raises:
        UserError: a bad model, prompt, layer, head or query.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    _check_one_view(order)
    with ProgressLine() as line:
        report = asyncio.run(_report(order, manner.columns, line))
    write_lines(report.lines(manner.columns, manner.palette), sys.stdout, manner.colours)
    return 0


def _check_one_view(order: Order) -> None:
    wanted = order.wanted
    views = {
        "--mean": wanted.mean,
        "--mean-of": wanted.mean_of,
        "--rollout": wanted.rollout,
    }
    given = [option for option, value in views.items() if value]
    if len(given) > 1:
        raise UserError(f"show prints one view: choose {given[0]} or {given[1]}.")
    if given and order.head is not None:
        raise UserError(f"{given[0]} is of several heads: leave out --head.")
    if given and given != ["--mean"] and order.layer is not None:
        raise UserError(f"{given[0]} is of several layers: leave out --layer.")


async def _report(order: Order, width: int, line: ProgressLine) -> Report:
    async with traced(order.model, order.prompt, order.edits, line) as source:
        view = _choose_view(order, source)
        tower = numbers_of(source.model, source.run, view, order.reading).tower
        for sentence in source.remarks:
            line.say(sentence)
        query = _choose_query(order, source, tower)
        rows = (query, query + 1) if order.as_text else (0, tower.shape[0])
        step = 1 if order.as_text else Heatmap(tower.queries, tower.keys, width).step
        weights = await _weights(source, tower, view, rows, step, order.reading)
        hidden = await source.hidden_share(view, rows, order.reading)
        run = source.run.run
        request = GetTop(run, view, (query,), "attends_to", order.top, order.reading)
        top, _ = await ask(source.engine, request, Top, line)
    return Report(
        source=source,
        tower=tower,
        view=view,
        reading=order.reading,
        scale=order.scale,
        query=query,
        as_text=order.as_text,
        weights=weights,
        hidden=hidden,
        top=top,
    )


def _choose_view(order: Order, source: Source) -> View:
    stack, wanted = choose_stack(source.model, source.run.stacks, order.stack), order.wanted
    if wanted.rollout is not None:
        return msgspec.structs.replace(wanted.rollout, stack=stack.name)
    if wanted.mean_of:
        return Chosen(stack.name, wanted.mean_of)
    if wanted.mean:
        return Mean(stack.name, order.layer)
    bundled = MODELS.get(order.model.model)
    if bundled is not None and order.layer is None and order.head is None:
        return Head(stack.name, *bundled.head)
    attending = (at for at, layer in enumerate(stack.layers) if layer.heads)
    layer = next(attending, 0) if order.layer is None else order.layer
    return Head(stack.name, layer, order.head or 0)


def _choose_query(order: Order, source: Source, tower: Tower) -> int:
    """The query asked for, else the first masked place, else the last.

    Raises:
        UserError: there is no such query.
    """
    texts = [unit.text.strip() for unit in tower.queries]
    mask = source.model.mask_token
    if order.query is None:
        return texts.index(mask) if mask in texts else len(texts) - 1
    if order.query >= len(texts):
        raise UserError(f"There is no query {order.query}: queries are 0 to {len(texts) - 1}.")
    return order.query


async def _weights(
    source: Source, tower: Tower, view: View, rows: tuple[int, int], step: int, reading: Reading
) -> np.ndarray:
    keys = (0, tower.shape[1])
    request = GetWindow(source.run.run, view, rows, keys, step, step, reading=reading)
    return (await window(source.engine, request)).weights
