"""Many weights in one cell, where a picture has fewer cells than a matrix has weights."""

from collections.abc import Sequence

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
    *,
    signed: bool = False,
) -> Tensor:
    """(..., rows, keys) in cells of row_step x key_step; the last of an axis may pool fewer.

    `blank_rows`, `blank_keys` (bool) do not count, and their weights must be 0; a cell of such
    alone is NaN. A NaN among the weights that count stays one, so that it is seen from afar. With
    `signed`, the maximum is what is furthest from 0, with its sign.
    """
    rows, keys = weights.shape[-2:]
    if not weights.numel():
        return weights.new_zeros(*weights.shape[:-2], -(-rows // row_step), -(-keys // key_step))
    # Fewer rows than a cell has are not filled up to it: that would be most of the work.
    row_step, key_step = min(row_step, rows), min(key_step, keys)
    down = _counted(blank_rows, rows, row_step).to(weights.device)[:, None]
    across = _counted(blank_keys, keys, key_step).to(weights.device)
    if row_step == key_step == 1:
        cells = weights
    else:
        # Zeros that fill the last cell leave its largest, as weights are never below 0.
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


def joined(
    tiles: Sequence[Tensor], counts: Sequence[int], pooling: Pooling, *, signed: bool = False
) -> Tensor:
    """(..., 1, cells): one row of cells from its tiles (..., 1, cells), each pooled by itself.

    `counts` is how many rows of each tile count.
    """
    if len(tiles) == 1:
        return tiles[0]
    counted = [tile for tile, count in zip(tiles, counts, strict=True) if count] or tiles[:1]
    cells = torch.cat(list(counted), dim=-2)
    if pooling == "mean":
        shares = torch.tensor([count for count in counts if count] or [1.0], device=cells.device)
        return (cells * (shares / shares.sum())[:, None]).sum(-2, keepdim=True)
    return (_furthest if signed else torch.amax)(cells, -2).unsqueeze(-2)


def _furthest(weights: Tensor, dim: int) -> Tensor:
    """The value furthest from 0 along a dimension."""
    high, low = weights.amax(dim), weights.amin(dim)
    return torch.where(high >= -low, high, low)


def _counted(blank: Tensor | None, length: int, step: int) -> Tensor:
    """(cells): how many positions of each count."""
    counted = torch.ones(length) if blank is None else (~blank).float()
    return functional.pad(counted, (0, -length % step)).reshape(-1, step).sum(-1)
