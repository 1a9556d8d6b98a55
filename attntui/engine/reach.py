"""How far heads look, in this prompt and in the same text said several times."""

from dataclasses import replace
from functools import partial
from itertools import groupby

import msgspec
import numpy as np
import torch

from attntui.core.errors import UserError
from attntui.core.protocol import GetReach, SideInfo
from attntui.engine import positions, room
from attntui.engine.again import NO_MODEL
from attntui.engine.forward import CheckCancel, Report, forward, never, silent
from attntui.engine.layers import Layer, tiles
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.run import Run
from attntui.engine.stacks import Tower

TWO_TEXTS = "Distance needs queries and keys of one text; cross attention has two."
INPUTS = {"input_ids": 0, "token_type_ids": 0, "decoder_input_ids": 1}
"""The side that each of the model's inputs is of."""


def reach(
    run: Run, request: GetReach, check_cancel: CheckCancel = never, progress: Report = silent
) -> list[np.ndarray]:
    """The arrays `distance`, `beyond` and `tokens`, as `GetReach` describes.

    Raises:
        UserError: queries and keys are other tokens, or the text is too long so many times.
    """
    if request.stack == "cross":
        raise UserError(TWO_TEXTS)
    if request.times < 1 or min(request.beyond, default=0) < 0:
        raise UserError("a text is said once or more often, and tokens are 0 or more apart.")
    tower = run.views.tower(request.stack)
    if request.times > 1:
        tower = _lengthened(run, request, check_cancel, progress)
    found = np.full((1 + len(request.beyond), len(tower.layers), tower.heads), np.nan, np.float32)
    for number, layer in enumerate(tower.layers):
        progress("distances", number, len(tower.layers))
        if layer is None:
            continue
        sums = torch.zeros(layer.info.heads, 2 + len(request.beyond), dtype=torch.float64)
        for start, stop in tiles(layer, layer.info.heads + 1):
            check_cancel()
            far = _distances(start, stop, layer.keys).to(layer.device)
            counted = torch.stack(
                [torch.ones_like(far), far, *((far > each).float() for each in request.beyond)]
            )
            sums += layer.of_heads(partial(_counted, (start, stop), counted)).double().cpu()
        shares = sums[:, 1:] / sums[:, :1]
        found[:, number, : layer.info.heads] = shares.T.numpy()
    return [found[0], found[1:], np.array([tower.shape[0]], np.int64)]


def _counted(
    rows: tuple[int, int], counted: torch.Tensor, layer: Layer, heads: slice
) -> torch.Tensor:
    """(heads, counted): how much weight of some rows is on what is `counted` (some, rows, keys)."""
    return layer.rows(*rows, heads).flatten(1) @ counted.flatten(1).T


def _distances(start: int, stop: int, keys: int) -> torch.Tensor:
    """(rows, keys) float32: |i - j|."""
    rows = torch.arange(start, stop, dtype=torch.float32)
    return (rows[:, None] - torch.arange(keys)).abs()


def _lengthened(run: Run, request: GetReach, check_cancel: CheckCancel, progress: Report) -> Tower:
    """The stack's tower in a run of the longer text, with the run's own edits."""
    again = run.again
    if again is None:
        raise UserError(NO_MODEL)
    prompt = repeated(again.loaded, again.encoded, request.times)
    what = room.plan(again.loaded, prompt, run.plan.record, whole=True).recording
    changes = again.changes or None
    towers, _ = forward(again.loaded, prompt, check_cancel, progress, changes=changes, what=what)
    return next(tower for tower in towers if tower.name == request.stack)


def repeated(loaded: LoadedModel, encoded: Encoded, times: int) -> Encoded:
    """A prompt with each stretch of text between special tokens said so many times.

    Raises:
        UserError: it is longer than the model reads, or was trained to read.
    """
    orders = [_order(side, times) for side in encoded.sides]
    for side, order in zip(encoded.sides, orders, strict=True):
        most = positions.limit(loaded.model, side.name).count
        if most is not None and len(order) > most:
            raise UserError(
                f"{times} times this text is {len(order):,} tokens; the model reads at most"
                f" {most:,}."
            )
    inputs = dict(encoded.inputs)
    for name in INPUTS.keys() & inputs.keys():
        inputs[name] = inputs[name][:, orders[INPUTS[name]]]
    sides = tuple(
        msgspec.structs.replace(side, tokens=tuple(side.tokens[at] for at in order), words=())
        for side, order in zip(encoded.sides, orders, strict=True)
    )
    return replace(encoded, inputs=inputs, sides=sides)


def _order(side: SideInfo, times: int) -> list[int]:
    """The tokens' positions, those of each stretch of text so many times in a row."""
    stretches = groupby(range(len(side.tokens)), lambda at: side.tokens[at].part)
    return [at for part, some in stretches for at in [*some] * (1 if part < 0 else times)]
