"""How much each head's attention differs between two runs."""

import numpy as np
import torch
from torch import Tensor

from attntui.core.matching import UNMATCHED
from attntui.core.protocol import Reading, Stack
from attntui.engine.comparison import Comparison, compared
from attntui.engine.forward import CheckCancel, never
from attntui.engine.layers import Layer
from attntui.engine.run import Run


def shifts(run: Run, other: Run, stack: Stack, check_cancel: CheckCancel = never) -> np.ndarray:
    """(layers, heads) float32, as `GetShifts` describes.

    Raises:
        UserError: the other run has no such stack.
    """
    reader = compared(run.reader(stack, Reading()), run, other, stack, Reading())
    comparison = reader.comparison
    assert comparison is not None
    found = np.full((len(reader.tower.layers), reader.tower.heads), np.nan, np.float32)
    count = int((comparison.queries != UNMATCHED).sum())
    for number, layer in enumerate(reader.tower.layers):
        heads = comparison.heads(number)
        if layer is None or not heads or not count:
            continue
        before = comparison.other.tower.layers[number]
        assert before is not None
        total = torch.zeros(heads, dtype=torch.float64)
        for tile in reader.tiles(0, reader.shape[0], heads=layer.info.heads):
            check_cancel()
            total += _tile(layer, before, comparison, *tile)
        found[number, :heads] = (total / count).numpy()
    return found


def _tile(layer: Layer, before: Layer, comparison: Comparison, start: int, stop: int) -> Tensor:
    """(heads) float64: the sum of the divergences of some rows and their counterparts."""
    queries, heads = comparison.queries[start:stop], min(layer.info.heads, before.info.heads)
    lines = torch.nonzero(queries != UNMATCHED)[:, 0]
    if not len(lines):
        return torch.zeros(heads, dtype=torch.float64)
    known = queries[lines]
    first, last = int(known.min()), int(known.max()) + 1
    keys = torch.nonzero(comparison.keys != UNMATCHED)[:, 0]
    rows = _outcomes(layer.rows(start, stop)[:heads, lines], keys)
    theirs = before.rows(first, last)[:heads, known - first].to(rows.device)
    return divergence(rows, _outcomes(theirs, comparison.keys[keys])).double().sum(-1).cpu()


def _outcomes(rows: Tensor, keys: Tensor) -> Tensor:
    """(heads, rows, keys + 1): what rows give some keys, and all that is left of 1."""
    some = rows[..., keys]
    return torch.cat([some, (1 - some.sum(-1, keepdim=True)).clamp_min(0)], dim=-1)


def divergence(rows: Tensor, others: Tensor) -> Tensor:
    """(...) Jensen-Shannon divergence (Lin 1991) in bits of distributions (..., outcomes)."""
    middle = (rows + others) / 2
    parts = [torch.xlogy(each, each) - torch.xlogy(each, middle) for each in (rows, others)]
    bits: Tensor = (parts[0] + parts[1]).sum(-1) / 2 / np.log(2)
    return bits.clamp_min(0)
