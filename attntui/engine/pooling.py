"""Many weights in one cell, where a picture has fewer cells than a matrix has weights."""

import torch
from torch import Tensor
from torch.nn import functional

from attntui.core.protocol import Pooling


def pool(
    weights: Tensor, row_step: int, key_step: int, pooling: Pooling, hidden: Tensor | None = None
) -> Tensor:
    """(..., rows, keys) in cells of row_step x key_step; the last of an axis may pool fewer.

    `hidden` (keys) bool are columns that do not count and whose weights must be 0; a cell of such
    alone is NaN. A NaN among the weights that count stays one, so that it is seen from afar.
    """
    rows, keys = weights.shape[-2:]
    if not weights.numel():
        return weights.new_zeros(*weights.shape[:-2], -(-rows // row_step), -(-keys // key_step))
    counted = torch.ones(keys) if hidden is None else (~hidden).float()
    across = _cells(counted, key_step).sum(-1).to(weights.device)
    if row_step == key_step == 1:
        cells = weights
    else:
        # Weights are never below 0, so zeros that fill the last cell leave its largest.
        padded = functional.pad(weights, (0, -keys % key_step, 0, -rows % row_step))
        reduce = torch.amax if pooling == "max" else torch.sum
        # Rows first, which are long: an order of magnitude faster than both at once.
        tall = reduce(padded.reshape(*weights.shape[:-2], -1, row_step, padded.shape[-1]), -2)
        cells = reduce(tall.reshape(*tall.shape[:-1], -1, key_step), -1)
        if pooling == "mean":
            down = _cells(torch.ones(rows), row_step).sum(-1).to(weights.device)
            cells = cells / (down[:, None] * across)
    return cells if hidden is None else cells.masked_fill(across == 0, torch.nan)


def _cells(values: Tensor, step: int) -> Tensor:
    """(cells, step), the last filled up with zeros."""
    return functional.pad(values, (0, -len(values) % step)).reshape(-1, step)
