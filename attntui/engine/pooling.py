"""Many weights in one cell, where a picture has fewer cells than a matrix has weights."""

import torch
from torch import Tensor
from torch.nn import functional

from attntui.core.protocol import Pooling


def pool(
    weights: Tensor,
    row_step: int,
    key_step: int,
    pooling: Pooling,
    blank_rows: Tensor | None = None,
    blank_keys: Tensor | None = None,
    signed: bool = False,
) -> Tensor:
    """(..., rows, keys) in cells of row_step x key_step; the last of an axis may pool fewer.

    `blank_rows`, `blank_keys` (bool) do not count, and their weights must be 0; a cell of such
    alone is NaN. A NaN among the weights that count stays one, so that it is seen from afar.
    Where weights are `signed`, the largest is the one furthest from 0, with its sign.
    """
    rows, keys = weights.shape[-2:]
    if not weights.numel():
        return weights.new_zeros(*weights.shape[:-2], -(-rows // row_step), -(-keys // key_step))
    down = _counted(blank_rows, rows, row_step).to(weights.device)[:, None]
    across = _counted(blank_keys, keys, key_step).to(weights.device)
    if row_step == key_step == 1:
        cells = weights
    else:
        # Zeros that fill the last cell leave its largest: no weight is below 0, or signs are off.
        padded = functional.pad(weights, (0, -keys % key_step, 0, -rows % row_step))
        largest = _furthest if signed else torch.amax
        reduce = largest if pooling == "max" else torch.sum
        # Rows first, which are long: an order of magnitude faster than both at once.
        tall = reduce(padded.reshape(*weights.shape[:-2], -1, row_step, padded.shape[-1]), -2)
        cells = reduce(tall.reshape(*tall.shape[:-1], -1, key_step), -1)
        if pooling == "mean":
            cells = cells / (down * across)
    if blank_rows is None and blank_keys is None:
        return cells
    return cells.masked_fill((down == 0) | (across == 0), torch.nan)


def _furthest(weights: Tensor, dim: int) -> Tensor:
    high, low = weights.amax(dim), weights.amin(dim)
    return torch.where(-low > high, low, high)


def _counted(blank: Tensor | None, length: int, step: int) -> Tensor:
    """(cells): how many positions of each count."""
    counted = torch.ones(length) if blank is None else (~blank).float()
    return functional.pad(counted, (0, -length % step)).reshape(-1, step).sum(-1)
