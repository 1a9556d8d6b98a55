"""Parts of matrices for a picture: a window of a view, a layer's heads as small maps, one cell."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import GetMaps, GetWindow, Signed
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.layers import Layer
from attntui.engine.pooling import joined, pool
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
    blank_keys = _part(reader.blank_keys, keys)
    found: dict[str, list[Tensor]] = {"weights": [], "sink": [], "hidden": []}
    for band in _bands(reader, request):
        parts: dict[str, list[Tensor]] = {name: [] for name in found}
        tiles = list(reader.tiles(*band))  # several are of one row of cells
        for tile in tiles:
            check_cancel()
            rows = reader.rows(request.view, *tile, check_cancel, progress)
            weights, blank = rows.weights[:, keys], _part(reader.blank_queries, slice(*tile))
            parts["weights"].append(_pooled(reader, weights, request, blank, blank_keys))
            for name, shares in (("sink", rows.sink), ("hidden", rows.hidden)):
                if shares is not None:
                    pooled = pool(shares[:, None], request.row_step, 1, request.pooling, blank)
                    parts[name].append(pooled.cpu())
        for name, each in parts.items():
            if each:
                found[name].append(_joined(reader, each, tiles, request))
    found |= {name: [each[:, 0] for each in found[name]] for name in ("sink", "hidden")}
    names = tuple(name for name, tiles in found.items() if tiles)
    return names, [torch.cat(found[name]).numpy() for name in names]


def _bands(reader: Reader, request: GetWindow) -> Iterator[tuple[int, int]]:
    """Rows of whole cells that fill a tile, or of one row of cells; or a sample of its rows."""
    (start, stop), step, sampled = request.rows, request.row_step, request.sampled
    if not 0 < sampled < step or start == stop:
        yield from reader.tiles(start, stop, step)
        return
    for at in range(start, stop, step):
        first = at + max(0, min(step, stop - at) - sampled) // 2
        yield first, min(first + sampled, stop)


def maps(
    reader: Reader, layer: Layer, request: GetMaps, check_cancel: CheckCancel = never
) -> np.ndarray:
    """(heads, rows, keys) float32: every head of a layer, pooled.

    Raises:
        UserError: the steps are not steps.
    """
    _check_steps(request.row_step, request.key_step)
    found = []
    for band in reader.tiles(0, reader.shape[0], request.row_step, layer.info.heads):
        parts, tiles = [], list(reader.tiles(*band, heads=layer.info.heads))
        for tile in tiles:
            check_cancel()
            weights = reader.heads(layer, *tile).weights
            blank = _part(reader.blank_queries, slice(*tile))
            parts.append(_pooled(reader, weights, request, blank, reader.blank_keys))
        found.append(_joined(reader, parts, tiles, request))
    pooled: np.ndarray = torch.cat(found, dim=1).numpy()
    return pooled


def cell_map(reader: Reader, query: int, key: int, check_cancel: CheckCancel = never) -> np.ndarray:
    """(layers, heads) float32: the weight every head gives a cell, NaN where none is shown.

    Raises:
        UserError: there is no such cell.
    """
    queries, keys = reader.shape
    if not (0 <= query < queries and 0 <= key < keys):
        raise UserError(f"there is no cell {query}, {key} in {queries} x {keys} weights.")
    weights = np.full((len(reader.tower.layers), reader.tower.heads), np.nan, np.float32)
    if _is_blank(reader.blank_queries, query) or _is_blank(reader.blank_keys, key):
        return weights
    for number, layer in enumerate(reader.tower.layers):
        check_cancel()
        if layer is not None:
            row = reader.heads(layer, query, query + 1).weights[:, 0, key]
            weights[number, : layer.info.heads] = row.cpu().numpy()
    return weights


def shares(reader: Reader, check_cancel: CheckCancel = never) -> np.ndarray:
    """(layers, heads) float32: the mean of what the shown queries give the shown keys; NaN: none.

    For a pair of sentences: how much crosses from one to the other.
    """
    shares = np.full((len(reader.tower.layers), reader.tower.heads), np.nan, np.float32)
    queries = reader.shape[0]
    if reader.blank_queries is not None:
        queries -= int(reader.blank_queries.sum())
    for number, layer in enumerate(reader.tower.layers):
        if layer is None or not queries:
            continue
        total = torch.zeros(layer.info.heads, dtype=torch.float64)
        for tile in reader.tiles(0, reader.shape[0], heads=layer.info.heads):
            check_cancel()
            rows = reader.heads(layer, *tile).weights.sum(-1)  # a row is at most 1: float32 will do
            total += rows.cpu().double().sum(-1)
        shares[number, : layer.info.heads] = (total / queries).numpy()
    return shares


def _joined(
    reader: Reader,
    parts: list[Tensor],
    tiles: list[tuple[int, int]],
    request: GetWindow | GetMaps,
) -> Tensor:
    """The cells of a band from those of its tiles."""
    blank = reader.blank_queries
    counts = [
        stop - start - (0 if blank is None else int(blank[start:stop].sum()))
        for start, stop in tiles
    ]
    return joined(parts, counts, request.pooling, signed=_is_signed(reader, request))


def _pooled(
    reader: Reader,
    weights: Tensor,
    request: GetWindow | GetMaps,
    blank_rows: Tensor | None,
    blank_keys: Tensor | None,
) -> Tensor:
    """Weights of a tile in the cells that a request wants, on the CPU."""
    steps, signed = (request.row_step, request.key_step), _is_signed(reader, request)
    return pool(weights, *steps, request.pooling, blank_rows, blank_keys, signed=signed).cpu()


def _is_signed(reader: Reader, request: GetWindow | GetMaps) -> bool:
    of_signs = isinstance(request, GetWindow) and isinstance(request.view, Signed)
    return of_signs or reader.comparison is not None


def _part(blank: Tensor | None, part: slice) -> Tensor | None:
    return None if blank is None else blank[part]


def _is_blank(blank: Tensor | None, at: int) -> bool:
    return blank is not None and bool(blank[at])


def _check_steps(*steps: int) -> None:
    if min(steps) < 1:
        raise UserError("a window's steps must be 1 or more.")
