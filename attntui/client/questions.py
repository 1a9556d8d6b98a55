"""Questions with typed answers."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from msgspec.structs import replace

from attntui.client.engine import Engine
from attntui.client.errors import EngineFault
from attntui.core.protocol import (
    Arrays,
    Edit,
    Edits,
    Generate,
    GetLogits,
    GetWindow,
    Load,
    Loaded,
    ModelInfo,
    ModelOptions,
    Open,
    Progress,
    PromptInput,
    Reading,
    Reply,
    Request,
    RunInfo,
    Sampling,
    Trace,
    Traced,
    View,
)

OnProgress = Callable[[Progress], None] | None
Kind = TypeVar("Kind", bound=Reply)

TILE = 2**22
"""Weights asked for at once (16 MiB): bounds memory on both sides of the pipe."""

SHOWN = Reading()


async def ask(
    engine: Engine, request: Request, kind: type[Kind], progress: OnProgress = None
) -> tuple[Kind, list[np.ndarray]]:
    """As `Engine.ask`, for an answer of one kind.

    Raises:
        EngineFault: the answer is of another kind.
    """
    reply, arrays = await engine.ask(request, progress)
    if not isinstance(reply, kind):
        raise EngineFault(
            f"The engine answered {type(request).__name__} with {type(reply).__name__}."
        )
    return reply, arrays


async def load(
    engine: Engine,
    options: ModelOptions,
    progress: OnProgress = None,
    keep: tuple[int, ...] = (),
) -> ModelInfo:
    """Load a model; runs in `keep` are held on."""
    reply, _ = await ask(engine, Load(options, keep), Loaded, progress)
    return reply.model


async def open_file(engine: Engine, path: str, progress: OnProgress = None) -> ModelInfo:
    """Open a file of attention in place of a model."""
    reply, _ = await ask(engine, Open(path), Loaded, progress)
    return reply.model


async def trace(
    engine: Engine,
    run: int,
    prompt: PromptInput,
    progress: OnProgress = None,
    keep: tuple[int, ...] = (),
) -> RunInfo:
    """Run the loaded model on a prompt; runs in `keep` are held on."""
    reply, _ = await ask(engine, Trace(run, prompt, keep), Traced, progress)
    return reply.info


async def edit(
    engine: Engine, run: int, base: int, edits: Edits, progress: OnProgress = None
) -> RunInfo:
    """Run the prompt of run `base` again with edits."""
    reply, _ = await ask(engine, Edit(run, base, edits), Traced, progress)
    return reply.info


async def continued(
    engine: Engine,
    numbers: Iterator[int],
    base: int,
    edits: Edits,
    count: int,
    sampling: Sampling,
    progress: OnProgress = None,
) -> RunInfo:
    """The text of run `base`, made with `edits`, and up to `count` tokens that the model adds.

    With edits, the whole text is run once more with them, so that a head's mean is over all of it.
    """
    request = Generate(next(numbers), base, count, sampling)
    reply, _ = await ask(engine, request, Traced, progress)
    added = reply.info
    if not edits or added.generated is None:
        return added
    whole = await trace(engine, next(numbers), added.generated.prompt, progress)
    info = await edit(engine, next(numbers), whole.run, edits, progress)
    return replace(info, generated=added.generated, notes=added.notes)


class Rows(NamedTuple):
    """Rows of a matrix of weights: the position of the first, and float32 arrays.

    `hidden` (rows) is the weight that the reading hides from each; None where it hides none.
    """

    first: int
    weights: np.ndarray
    hidden: np.ndarray | None


async def window(engine: Engine, request: GetWindow, progress: OnProgress = None) -> Rows:
    """A window of a view, pooled as the request says."""
    reply, arrays = await ask(engine, request, Arrays, progress)
    named = dict(zip(reply.names, arrays, strict=True))
    return Rows(request.rows[0], named["weights"], named.get("hidden"))


async def matrix_rows(
    engine: Engine,
    run: int,
    view: View,
    shape: tuple[int, int],
    progress: OnProgress = None,
    reading: Reading = SHOWN,
) -> AsyncIterator[Rows]:
    """A whole matrix of weights, `shape` (queries, keys), block by block in order."""
    queries, keys = shape
    step = max(1, TILE // max(keys, 1))
    for start in range(0, queries, step):
        rows = (start, min(start + step, queries))
        yield await window(engine, GetWindow(run, view, rows, (0, keys), reading=reading), progress)


async def logit_rows(
    engine: Engine, run: int, positions: int, progress: OnProgress = None
) -> AsyncIterator[tuple[int, np.ndarray]]:
    """Logits (positions, vocabulary) as (first position, rows) in order."""
    start, step = 0, 1  # The first answer tells how wide a row is.
    while start < positions:
        rows = (start, min(start + step, positions))
        _, arrays = await ask(engine, GetLogits(run, rows), Arrays, progress)
        yield start, arrays[0]
        start, step = rows[1], max(1, TILE // max(arrays[0].shape[-1], 1))
