"""Parts of matrices for a picture: a window of a view, a layer's heads as small maps, one cell."""

import numpy as np
import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import GetMaps, GetWindow
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.layers import Layer
from attntui.engine.pooling import pool
from attntui.engine.reading import Reader


def window(
    reader: Reader,
    request: GetWindow,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Names and arrays, as `GetWindow` describes.

    Computed in tiles of rows, so that a window over everything holds no whole matrix.

    Raises:
        UserError: the view does not exist, or the window reaches outside of it.
    """
    (start, stop), keys = request.rows, slice(*request.keys)
    queries, key_count = reader.shape
    if not (0 <= start <= stop <= queries and 0 <= keys.start <= keys.stop <= key_count):
        raise UserError(f"the window reaches outside the {queries} x {key_count} weights.")
    _check_steps(request.row_step, request.key_step)
    hidden = None if reader.hidden is None else reader.hidden[keys]
    found: dict[str, list[Tensor]] = {"weights": [], "sink": [], "hidden": []}
    for tile in reader.tiles(start, stop, request.row_step):
        check_cancel()
        rows = reader.rows(request.view, *tile, check_cancel, progress)
        weights = rows.weights[:, keys]
        steps = request.row_step, request.key_step
        found["weights"].append(pool(weights, *steps, request.pooling, hidden).cpu())
        for name, shares in (("sink", rows.sink), ("hidden", rows.hidden)):
            if shares is not None:
                pooled = pool(shares[:, None], request.row_step, 1, request.pooling)
                found[name].append(pooled[:, 0].cpu())
    names = tuple(name for name, tiles in found.items() if tiles)
    return names, [torch.cat(found[name]).numpy() for name in names]


def maps(
    reader: Reader, layer: Layer, request: GetMaps, check_cancel: CheckCancel = never
) -> np.ndarray:
    """(heads, rows, keys) float32: every head of a layer, pooled.

    Raises:
        UserError: the steps are not steps.
    """
    _check_steps(request.row_step, request.key_step)
    steps = request.row_step, request.key_step
    found = []
    for tile in reader.tiles(0, reader.shape[0], request.row_step, layer.info.heads):
        check_cancel()
        weights = reader.heads(layer, *tile).weights
        found.append(pool(weights, *steps, request.pooling, reader.hidden).cpu())
    pooled: np.ndarray = torch.cat(found, dim=1).numpy()
    return pooled


def cell_map(reader: Reader, query: int, key: int) -> np.ndarray:
    """(layers, heads) float32: the weight every head gives a cell, NaN where none or hidden.

    Raises:
        UserError: there is no such cell.
    """
    queries, keys = reader.shape
    if not (0 <= query < queries and 0 <= key < keys):
        raise UserError(f"there is no cell {query}, {key} in {queries} x {keys} weights.")
    weights = np.full((len(reader.tower.layers), reader.tower.heads), np.nan, np.float32)
    if reader.hidden is not None and reader.hidden[key]:
        return weights
    for number, layer in enumerate(reader.tower.layers):
        if layer is not None:
            row = reader.heads(layer, query, query + 1).weights[:, 0, key]
            weights[number, : layer.info.heads] = row.cpu().numpy()
    return weights


def _check_steps(*steps: int) -> None:
    if min(steps) < 1:
        raise UserError("a window's steps must be 1 or more.")
