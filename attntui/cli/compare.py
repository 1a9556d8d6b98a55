"""`attntui compare`: which heads moved between two models, an adapter off and on, an edit."""

from dataclasses import dataclass

from msgspec.structs import replace

from attntui.cli.answer import give
from attntui.cli.changes import Changes, Shifted
from attntui.cli.progress import ProgressLine
from attntui.client.engine import Engine
from attntui.client.errors import EngineFault, EngineGone
from attntui.client.questions import ask, edit, load, trace
from attntui.core.errors import UserError
from attntui.core.matching import UNMATCHED, counterparts
from attntui.core.protocol import (
    Arrays,
    Edits,
    GetPredictions,
    GetShifts,
    ModelInfo,
    ModelOptions,
    Predictions,
    PromptInput,
    RunInfo,
    Stack,
    StackInfo,
)
from attntui.core.tokens import sanitise
from attntui.render.names import edits_name

BEFORE, AFTER = 1, 2
NOTHING = (
    "There is nothing to compare: give --compare MODEL, --adapter FOLDER, --ablate LIST or --cut"
    " EDGE."
)


@dataclass(frozen=True)
class Order:
    """What is compared: `model` before, and after it `other`, or `edits`, or its own adapter."""

    model: ModelOptions
    other: ModelOptions | None
    edits: Edits
    prompt: PromptInput
    stack: Stack | None
    query: int | None
    top: int
    output: str | None
    force: bool

    @property
    def models(self) -> tuple[ModelOptions, ModelOptions | None]:
        """What is loaded before and after; None where one model runs twice.

        Raises:
            UserError: there is nothing to compare, or two things at once.
        """
        if self.other is not None:
            if self.edits:
                raise UserError("Compare one thing at a time: leave out --compare, or the edits.")
            return self.model, self.other
        if self.edits:
            return self.model, None
        if self.model.adapter is None:
            raise UserError(NOTHING)
        return replace(self.model, adapter=None), self.model


def compare(order: Order) -> int:
    """Print what changed, and write the .csv where one is wanted.

    Raises:
        UserError: a bad model, prompt or output, or nothing to compare.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    models = order.models
    return give(lambda line: _changes(order, models, line), order.output, order.force)


async def _changes(
    order: Order, models: tuple[ModelOptions, ModelOptions | None], line: ProgressLine
) -> Changes:
    engine, (first, second) = Engine(), models
    try:
        async with engine:
            model = await load(engine, first, line)
            before = await trace(engine, BEFORE, order.prompt, line)
            names = [_name(model, Edits())]
            if second is None:
                after = await edit(engine, AFTER, BEFORE, order.edits, line)
            else:
                model = await load(engine, second, line, keep=(BEFORE,))
                after = await trace(engine, AFTER, order.prompt, line, keep=(BEFORE,))
            names.append(_name(model, order.edits))
            for note in dict.fromkeys((*model.notes, *before.notes, *after.notes)):
                line.say(note)
            shifted = [
                await _shift(engine, before, after, stack, line)
                for stack in _stacks(before, after, order.stack)
            ]
            said = await _said(engine, before, after, order.query, line)
        return Changes((names[0], names[1]), (before, after), tuple(shifted), said, order.top)
    except (EngineGone, EngineFault) as error:
        error.add_note("The engine's log:\n" + "\n".join(engine.log))
        raise


def _name(model: ModelInfo, edits: Edits) -> str:
    revision = f" at {model.revision[:8]}" if model.revision else ""
    return ", ".join([f"{sanitise(model.name)}{revision}", *edits_name(edits)])


def _stacks(before: RunInfo, after: RunInfo, wanted: Stack | None) -> list[StackInfo]:
    """What both have.

    Raises:
        UserError: nothing, or not the one that is wanted.
    """
    names = [{stack.name for stack in run.stacks} for run in (before, after)]
    both = [each for each in after.stacks if each.name in names[0]]
    found = [each for each in both if wanted in {None, each.name}]
    if not found:
        told = " and ".join(", ".join(sorted(each)) for each in names)
        raise UserError(f"The two models have no such attention in common: {told}.")
    return found


async def _shift(
    engine: Engine, before: RunInfo, after: RunInfo, stack: StackInfo, line: ProgressLine
) -> Shifted:
    _, (bits,) = await ask(engine, GetShifts(after.run, stack.name, before.run), Arrays, line)
    sides = [
        next(side.tokens for side in run.sides if side.name == stack.queries)
        for run in (after, before)
    ]
    count = int((counterparts(*sides) != UNMATCHED).sum())
    other = next(each for each in before.stacks if each.name == stack.name)
    return Shifted(other, stack, bits, count)


async def _said(
    engine: Engine, before: RunInfo, after: RunInfo, query: int | None, line: ProgressLine
) -> tuple[Predictions, Predictions] | None:
    """What both predict at the query that is asked for, else the masked place, else the last
    that is not special."""
    if any(run.model is None or run.model.predicts is None for run in (before, after)):
        return None
    place = _place(after) if query is None else query
    request = GetPredictions(after.run, place, 5, before.run)
    now, _ = await ask(engine, request, Predictions, line)
    if now.divergence is not None:
        return now, now
    tokens, others = (run.sides[-1].tokens for run in (after, before))
    beside = int(counterparts(tokens, others)[place])
    there = _place(before) if beside == UNMATCHED else beside
    then, _ = await ask(engine, GetPredictions(before.run, there, 5), Predictions, line)
    return then, now


def _place(run: RunInfo) -> int:
    tokens = run.sides[-1].tokens
    mask = run.model.mask_token if run.model is not None else None
    masked = [at for at, token in enumerate(tokens) if mask and token.text.strip() == mask]
    ordinary = [at for at, token in enumerate(tokens) if not token.special]
    return next(iter([*masked, *ordinary[::-1]]), len(tokens) - 1)
