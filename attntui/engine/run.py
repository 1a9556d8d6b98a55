"""A run: one prompt through the model once, and everything that can be asked of it after."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import (
    GetTop,
    GetWindow,
    Side,
    Stack,
    StackInfo,
    TopEntry,
    Trust,
    View,
)
from attntui.core.topk import top
from attntui.engine import patterns, trust
from attntui.engine.forward import CheckCancel, Report, forward, held_bytes, never, silent
from attntui.engine.layers import TILE_WEIGHTS, cell
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.stacks import SIDES, Tower
from attntui.engine.views import Views, pool


def trace(
    loaded: LoadedModel,
    encoded: Encoded,
    run: int,
    *,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> "Run":
    """Run the model on a prompt once and record its attention.

    `check_cancel` is called before every layer and may raise `Cancelled`.

    Raises:
        UserError: the model has no attention that can be shown.
    """
    started = perf_counter()
    towers, outputs = forward(loaded, encoded, check_cancel, progress)
    seconds = perf_counter() - started
    logits = getattr(outputs, "logits", None)
    return Run(
        number=run,
        encoded=encoded,
        towers=towers,
        trust=trust.check(loaded, towers),
        seconds=seconds,
        recorded_bytes=held_bytes(towers),
        logits=logits[0] if isinstance(logits, Tensor) else None,
    )


@dataclass(eq=False, repr=False)
class Run:
    """A finished run. Views are computed when somebody looks, and means and rollouts kept."""

    number: int
    encoded: Encoded
    towers: tuple[Tower, ...]
    trust: Trust
    seconds: float
    recorded_bytes: int
    logits: Tensor | None
    """(positions, vocabulary) or (classes,), on the model's device and in its dtype."""

    def __post_init__(self) -> None:
        self.stacks: tuple[StackInfo, ...] = tuple(tower.info for tower in self.towers)
        self._views = Views(self.towers)

    def rows(self, view: View, start: int, stop: int) -> np.ndarray:
        """(rows, keys) float32.

        Raises:
            UserError: the view or the rows do not exist.
        """
        return _array(self._views.rows(view, start, stop))

    def column(self, view: View, key: int) -> np.ndarray:
        """(queries,) float32: what every query gives one key.

        Raises:
            UserError: the view or the key does not exist.
        """
        return _array(self._views.column(view, key))

    def sinks(self, view: View, start: int, stop: int) -> np.ndarray | None:
        """(rows,) float32: the learned sink's weight, None where the view has none."""
        sinks = self._views.sinks(view, start, stop)
        return None if sinks is None else _array(sinks)

    def window(
        self, request: GetWindow, *, check_cancel: CheckCancel = never, progress: Report = silent
    ) -> tuple[tuple[str, ...], list[np.ndarray]]:
        """Names and arrays: the window, pooled, and the learned sink's weights where there is one.

        Computed in tiles of rows, so that a window over everything holds no whole matrix.

        Raises:
            UserError: the view does not exist, or the window reaches outside of it.
        """
        (start, stop), keys = request.rows, slice(*request.keys)
        queries, key_count = self._views.tower(request.view.stack).shape
        if not (0 <= start <= stop <= queries and 0 <= keys.start <= keys.stop <= key_count):
            raise UserError(f"the window reaches outside the {queries} x {key_count} weights.")
        if request.row_step < 1 or request.key_step < 1:
            raise UserError("a window's steps must be 1 or more.")
        step = max(1, TILE_WEIGHTS // max(1, key_count) // request.row_step) * request.row_step
        tiles, sinks = [], []
        for at in range(start, max(stop, start + 1), step):
            check_cancel()
            end = min(at + step, stop)
            rows = self._views.rows(request.view, at, end, check_cancel, progress)[:, keys]
            tiles.append(_array(pool(rows, request.row_step, request.key_step, request.pooling)))
            if (shares := self._views.sinks(request.view, at, end)) is not None:
                pooled = pool(shares[:, None], request.row_step, 1, request.pooling)
                sinks.append(_array(pooled[:, 0]))
        arrays = [np.concatenate(tiles), *([np.concatenate(sinks)] if sinks else [])]
        return ("weights", "sink")[: len(arrays)], arrays

    def cell_map(self, stack: Stack, query: int, key: int) -> np.ndarray:
        """(layers, heads) float32: the weight every head gives a cell, NaN where none.

        Raises:
            UserError: there is no such cell.
        """
        tower = self._views.tower(stack)
        queries, keys = tower.shape
        if not (0 <= query < queries and 0 <= key < keys):
            raise UserError(f"there is no cell {query}, {key} in {queries} x {keys} weights.")
        weights = np.full((len(tower.layers), tower.heads), np.nan, np.float32)
        for number, layer in enumerate(tower.layers):
            if layer is not None:
                weights[number, : layer.info.heads] = _array(cell(layer, query, key))
        return weights

    def statistics(
        self, stack: Stack, *, check_cancel: CheckCancel = never, progress: Report = silent
    ) -> tuple[np.ndarray, tuple[int, ...]]:
        """(statistics, layers, heads) float32, NaN where no row is eligible; and eligible rows."""
        tower = self._views.tower(stack)
        return patterns.statistics(tower, self._ids(SIDES[stack][0]), check_cancel, progress)

    def top(self, request: GetTop) -> tuple[list[TopEntry], float, float]:
        """The largest weights of a row or column, the rest's sum, and the learned sink's weight.

        Raises:
            UserError: the view or the position does not exist.
        """
        if request.count < 0:
            raise UserError("the number of entries must be 0 or more.")
        sink = 0.0
        if request.direction == "attended_by":
            weights = np.sum([self.column(request.view, at) for at in request.positions], axis=0)
        else:
            weights = np.sum([self._row(request.view, at) for at in request.positions], axis=0)
            for at in request.positions:
                sinks = self.sinks(request.view, at, at + 1)
                sink += 0.0 if sinks is None else float(sinks[0])
        entries = [TopEntry(at, weight) for at, weight in top(weights, request.count)]
        listed = sum(entry.weight for entry in entries)
        return entries, max(0.0, float(np.nansum(weights, dtype=np.float64)) - listed), sink

    def _row(self, view: View, query: int) -> np.ndarray:
        queries, _ = self._views.tower(view.stack).shape
        if not 0 <= query < queries:
            raise UserError(f"there is no query {query}: queries are 0 to {queries - 1}.")
        row: np.ndarray = self.rows(view, query, query + 1)[0]
        return row

    def _ids(self, name: Side) -> Tensor:
        tokens: Sequence[int] = next(
            [token.id for token in side.tokens] for side in self.encoded.sides if side.name == name
        )
        return torch.tensor(tokens)


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.float().cpu().numpy()
    return array
