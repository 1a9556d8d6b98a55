"""`attntui export`: a model's attention on one prompt, as numbers in a file."""

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

import attntui
from attntui.cli.formats import FORMATS, Format, FormatName, Place
from attntui.cli.progress import ProgressLine
from attntui.cli.selection import Selection, parse_selection
from attntui.cli.space import check_space
from attntui.cli.tower import Tower, choose_tower
from attntui.cli.write import STDOUT, whole_file
from attntui.client.engine import Engine, EngineFault, EngineGone
from attntui.client.questions import load, logit_rows, matrix_rows, trace
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Head,
    HeadFusion,
    Mean,
    ModelInfo,
    ModelOptions,
    Progress,
    PromptInput,
    Rollout,
    RunInfo,
    Stack,
    View,
)
from attntui.core.tokens import whole_text

RUN = 1


@dataclass(frozen=True)
class Plan:
    """What is wanted. `layers` and `heads` as on the command line."""

    model: ModelOptions
    prompt: PromptInput
    stack: Stack | None
    layers: str
    heads: str
    mean: bool
    rollout: Rollout | None
    logits: bool


def rollout_options(
    wanted: bool,
    residual: float | None,
    start_layer: int | None,
    head_fusion: HeadFusion | None,
    discard_ratio: float | None,
) -> Rollout | None:
    """Rollout's options, the defaults filled in; the stack is not known yet.

    Raises:
        UserError: options of a rollout that is not wanted.
    """
    given = {
        "residual": residual,
        "start_layer": start_layer,
        "head_fusion": head_fusion,
        "discard_ratio": discard_ratio,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if wanted:
        return msgspec.convert({"type": "rollout", "stack": "self", **chosen}, Rollout)
    if chosen:
        option = next(iter(chosen)).replace("_", "-")
        raise UserError(f"--{option} needs --rollout.")
    return None


def export_file(plan: Plan, output: str, format_: FormatName | None, force: bool) -> int:
    """Write what `plan` wants to `output`; everything that can be checked early is.

    Raises:
        UserError: a bad list, output, model, prompt, layer or head.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    name = format_ or _format_of(output)
    selections = parse_selection(plan.layers, "--layers"), parse_selection(plan.heads, "--heads")
    if plan.logits and name == "csv":
        raise UserError("A .csv holds attention only; write logits to .npz or .json.")
    if output == STDOUT and name == "npz":
        raise UserError("An .npz cannot go to standard output; use --format json or csv.")
    with whole_file(output, force) as stream, ProgressLine() as line:
        file = FORMATS[name](stream)
        try:
            asyncio.run(_export(plan, selections, file, output, line))
            file.finish()
        finally:
            file.abandon()
    return 0


def _format_of(output: str) -> FormatName:
    if output == STDOUT:
        raise UserError("Standard output has no suffix: add --format json or --format csv.")
    suffix = Path(output).suffix.lower().removeprefix(".")
    for name in FORMATS:
        if suffix == name:
            return name
    raise UserError(
        f"{output} has no known suffix: export writes .npz, .json and .csv; or name a --format."
    )


async def _export(
    plan: Plan,
    selections: tuple[Selection, Selection],
    file: Format,
    output: str,
    line: ProgressLine,
) -> None:
    engine = Engine()
    try:
        async with engine:
            model = await load(engine, plan.model, line)
            run = await trace(engine, RUN, plan.prompt, line)
            tower = choose_tower(model, run, plan.stack, *selections)
            if plan.logits:
                _check_logits(model, run, tower)
            for sentence in _remarks(model, run, tower):
                line.say(sentence)
            check_space(output, _weights(plan, tower) * file.bytes_per_weight)
            _write_names(file, tower)
            await _Writing(engine, file, tower, line).write(plan)
            file.entry("meta", _meta(plan, model, run, tower))
    except (EngineGone, EngineFault) as error:
        error.add_note("The engine's log:\n" + "\n".join(engine.log))
        raise


def _remarks(model: ModelInfo, run: RunInfo, tower: Tower) -> list[str]:
    doubt = (
        () if run.trust.exact else (f"these numbers are not known to be exact: {run.trust.why}",)
    )
    return [*doubt, *model.notes, *run.notes, *tower.remarks]


def _check_logits(model: ModelInfo, run: RunInfo, tower: Tower) -> None:
    """
    Raises:
        UserError: the model predicts nothing, or not at the positions of these queries.
    """
    if model.predicts is None:
        raise UserError(f"{model.name} predicts nothing: leave out --logits.")
    if run.sides[-1].name != tower.stack.queries:
        raise UserError("Logits are the decoder's: use --attention decoder or cross with --logits.")


def _weights(plan: Plan, tower: Tower) -> int:
    matrices = len(tower.layers) * (len(tower.heads) + plan.mean) + (plan.rollout is not None)
    return matrices * math.prod(tower.shape)


def _write_names(file: Format, tower: Tower) -> None:
    file.entry("tokens", [whole_text(token.text) for token in tower.queries])
    file.entry("token_ids", [token.id for token in tower.queries])
    if tower.stack.keys != tower.stack.queries:
        file.entry("key_tokens", [whole_text(token.text) for token in tower.keys])
    file.entry("layers", tower.layers)
    file.entry("heads", tower.heads)


class _Writing:
    """Arrays on their way from the engine to the file."""

    def __init__(self, engine: Engine, file: Format, tower: Tower, line: ProgressLine) -> None:
        self._engine = engine
        self._file = file
        self._tower = tower
        self._line = line

    async def write(self, plan: Plan) -> None:
        """Write `attention` and whatever else is wanted."""
        stack, (_, keys) = self._tower.stack.name, self._tower.shape
        rollout = plan.rollout and msgspec.structs.replace(plan.rollout, stack=stack)
        if rollout is not None:
            # Its first row, so that a bad option is said before the long work, not after it.
            async for _ in matrix_rows(self._engine, RUN, rollout, (1, keys), self._line):
                pass
        await self._attention()
        if plan.mean:
            await self._mean()
        if rollout is not None:
            self._file.begin("rollout", self._tower.shape)
            await self._matrix(rollout, "all", "rollout")
        if plan.logits:
            await self._logits()

    async def _attention(self) -> None:
        tower, name = self._tower, self._tower.stack.name
        shape = (len(tower.layers), len(tower.heads), *tower.shape)
        self._file.begin("attention", shape)
        for done, layer in enumerate(tower.layers):
            self._line(Progress("reading attention, layer", done, len(tower.layers)))
            for head in tower.heads:
                if tower.has(layer, head):
                    await self._matrix(Head(name, layer, head), layer, head)
                else:
                    self._nothing(layer, head)

    async def _mean(self) -> None:
        tower = self._tower
        self._file.begin("mean", (len(tower.layers), *tower.shape))
        for done, layer in enumerate(tower.layers):
            self._line(Progress("averaging heads, layer", done, len(tower.layers)))
            await self._matrix(Mean(tower.stack.name, layer), layer, "mean")

    async def _logits(self) -> None:
        queries = len(self._tower.queries)
        async for start, rows in logit_rows(self._engine, RUN, queries, self._line):
            if not start:
                self._file.begin("logits", (queries, rows.shape[-1]))
            self._file.add(rows, Place("", "", start))

    async def _matrix(self, view: View, layer: int | str, head: int | str) -> None:
        shape = self._tower.shape
        async for start, rows in matrix_rows(self._engine, RUN, view, shape, self._line):
            self._file.add(rows, Place(layer, head, start))

    def _nothing(self, layer: int, head: int) -> None:
        queries, keys = self._tower.shape
        row = np.full((1, keys), np.nan, np.float32)
        for query in range(queries):
            self._file.add(row, Place(layer, head, query))


def _meta(plan: Plan, model: ModelInfo, run: RunInfo, tower: Tower) -> dict[str, object]:
    """Where the numbers come from and how far to trust them."""
    return {
        "attntui": attntui.__version__,
        "model": whole_text(model.name),
        "revision": model.revision,
        "architecture": model.architecture,
        "dtype": model.dtype,
        "device": model.device,
        "capture": model.capture,
        "attention": tower.stack.name,
        "learned_sink": tower.stack.learned_sink,
        "trust": _plain(run.trust),
        "prompt": _plain(plan.prompt),
        "truncated": run.truncated,
        "rollout": None if plan.rollout is None else _plain(plan.rollout),
        "notes": _remarks(model, run, tower),
    }


def _plain(value: msgspec.Struct) -> dict[str, object]:
    """A struct's fields as JSON knows them: NaN, which it does not know, becomes null."""
    fields: dict[str, object] = msgspec.json.decode(msgspec.json.encode(value))
    return {name: field for name, field in fields.items() if name not in ("type", "stack")}
