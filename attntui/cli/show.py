"""`attntui show`: attention as plain terminal text, for logs and pipes."""

import asyncio
import shutil
import sys
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from attntui.cli.aim import aimed
from attntui.cli.generation import Generation
from attntui.cli.lens import LensOrder
from attntui.cli.outlook import outlook
from attntui.cli.progress import ProgressLine
from attntui.cli.report import Report
from attntui.cli.tracing import traced
from attntui.client.questions import ask, window
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Chosen,
    Edits,
    Flow,
    GetTop,
    GetWindow,
    Head,
    Lens,
    Mean,
    ModelOptions,
    PromptInput,
    Reading,
    Relevance,
    Stack,
    Targeted,
    Top,
    View,
    Word,
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
    lens: LensOrder | None
    generation: Generation | None
    query: int | None
    top: int
    predict: int
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
        "--lens": order.lens,
    }
    given = [option for option, value in views.items() if value]
    if len(given) > 1:
        raise UserError(f"show prints one view: choose {given[0]} or {given[1]}.")
    if order.lens is not None and order.lens.name in ("norm", "gradient"):
        return
    if given and order.head is not None:
        raise UserError(f"{given[0]} is of several heads: leave out --head.")
    if given and given != ["--mean"] and order.layer is not None:
        raise UserError(f"{given[0]} is of several layers: leave out --layer.")


async def _report(order: Order, width: int, line: ProgressLine) -> Report:
    async with traced(order.model, order.prompt, order.edits, line, order.generation) as source:
        lens, target = None, None
        if order.lens is not None:
            lens, target = await aimed(order.lens, source, line)
        view = _choose_view(order, source, lens)
        tower = numbers_of(source.model, source.run, view, order.reading).tower
        for sentence in source.remarks:
            line.say(sentence)
        query = _choose_query(order, source, tower, target)
        rows = (query, query + 1) if order.as_text else (0, tower.shape[0])
        step = 1 if order.as_text else Heatmap(tower.queries, tower.keys, width).step
        weights = await _weights(source, tower, view, rows, step, order.reading)
        hidden = await source.hidden_share(view, rows, order.reading)
        run = source.run.run
        request = GetTop(run, view, (query,), "attends_to", order.top, order.reading)
        top, _ = await ask(source.engine, request, Top, line)
        ahead = None
        if order.predict:
            ahead = await outlook(source, tower, query, order.predict, line)
    return Report(
        source=source,
        tower=tower,
        view=view,
        target=target,
        reading=order.reading,
        scale=order.scale,
        query=query,
        as_text=order.as_text,
        weights=weights,
        hidden=hidden,
        top=top,
        ahead=ahead,
    )


def _choose_view(order: Order, source: Source, lens: Lens | None) -> View:
    stack, wanted = choose_stack(source.model, source.run.stacks, order.stack), order.wanted
    if wanted.rollout is not None:
        return msgspec.structs.replace(wanted.rollout, stack=stack.name)
    if wanted.mean_of:
        return Chosen(stack.name, wanted.mean_of)
    if wanted.mean:
        return Mean(stack.name, order.layer)
    if isinstance(lens, Relevance | Flow):
        return msgspec.structs.replace(lens, stack=stack.name)
    bundled = MODELS.get(order.model.model)
    attending = (at for at, layer in enumerate(stack.layers) if layer.heads)
    layer, head = next(attending, 0) if order.layer is None else order.layer, order.head
    if bundled is not None and order.layer is None and order.head is None:
        layer, head = bundled.head
    if lens is not None:
        return msgspec.structs.replace(lens, stack=stack.name, layer=layer, head=order.head)
    return Head(stack.name, layer, head or 0)


def _choose_query(order: Order, source: Source, tower: Tower, target: Targeted | None) -> int:
    """The query asked for, else the target's, else the first masked place, else the last.

    Raises:
        UserError: there is no such query.
    """
    texts = [unit.text.strip() for unit in tower.queries]
    if order.query is not None:
        if order.query >= len(texts):
            raise UserError(f"There is no query {order.query}: queries are 0 to {len(texts) - 1}.")
        return order.query
    if target is not None and tower.stack.queries == source.run.sides[-1].name:
        return _unit_at(tower, target.target.position)
    mask = source.model.mask_token
    return texts.index(mask) if mask in texts else len(texts) - 1


def _unit_at(tower: Tower, position: int) -> int:
    """Which query, a token or a word, a token's position is in."""
    words = (
        at
        for at, unit in enumerate(tower.queries)
        if isinstance(unit, Word) and position <= unit.last
    )
    return next(words, position)


async def _weights(
    source: Source, tower: Tower, view: View, rows: tuple[int, int], step: int, reading: Reading
) -> np.ndarray:
    keys = (0, tower.shape[1])
    request = GetWindow(source.run.run, view, rows, keys, step, step, reading=reading)
    return (await window(source.engine, request)).weights
