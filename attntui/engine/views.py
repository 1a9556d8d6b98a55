"""The matrices that are looked at: a head, a mean, a rollout; whole rows, on demand."""

from collections import OrderedDict

import torch
from torch import Tensor
from torch.nn import functional

from attntui.core.errors import UserError
from attntui.core.protocol import Chosen, Head, Mean, Pooling, Rollout, Stack, View
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.layers import TILE_WEIGHTS, Layer, column
from attntui.engine.rollout import rollout
from attntui.engine.stacks import Tower

BLOCK = 64
"""Rows of a mean that are computed and kept together."""
KEPT_BYTES = 256 * 2**20
"""Computed means and rollouts kept beyond this are dropped, oldest first, the newest never."""


class Views:
    """Rows and columns of every view of a run."""

    def __init__(self, towers: tuple[Tower, ...]) -> None:
        self._towers = {tower.name: tower for tower in towers}
        self._kept: OrderedDict[tuple[View, int], Tensor] = OrderedDict()

    def tower(self, stack: Stack) -> Tower:
        """A stack's tower.

        Raises:
            UserError: the run has no such stack.
        """
        if stack not in self._towers:
            raise UserError(f"there is no {stack} attention here, only {', '.join(self._towers)}.")
        return self._towers[stack]

    def layer(self, stack: Stack, number: int) -> Layer:
        """A layer.

        Raises:
            UserError: there is no such layer, or it has no attention.
        """
        layers = self.tower(stack).layers
        if not 0 <= number < len(layers):
            raise UserError(f"there is no layer {number}: layers are 0 to {len(layers) - 1}.")
        found = layers[number]
        if found is None:
            raise UserError(f"layer {number} has no attention.")
        return found

    def rows(
        self,
        view: View,
        start: int,
        stop: int,
        check_cancel: CheckCancel = never,
        progress: Report = silent,
    ) -> Tensor:
        """(rows, keys) float32 of a view.

        Raises:
            UserError: the view or the rows do not exist.
        """
        queries, _ = self.tower(view.stack).shape
        if not 0 <= start <= stop <= queries:
            raise UserError(f"rows {start} to {stop} are not within the {queries} there are.")
        if isinstance(view, Head):
            layer, head = self._head(view)
            return layer.rows(start, stop, head)[0]
        if isinstance(view, Chosen):
            heads = [self._head(Head(view.stack, *each)) for each in view.heads]
            return torch.stack([one.rows(start, stop, at)[0].cpu() for one, at in heads]).mean(0)
        if isinstance(view, Rollout):
            return self._rollout(view, check_cancel, progress)[start:stop]
        first = start // BLOCK
        blocks = []
        for block in range(first, max(first + 1, -(-stop // BLOCK))):
            check_cancel()
            blocks.append(self._mean_block(view, block))
        offset = first * BLOCK
        return torch.cat(blocks)[start - offset : stop - offset]

    def sinks(self, view: View, start: int, stop: int) -> Tensor | None:
        """(rows): the learned sink's weight, None where the view has none."""
        tower = self.tower(view.stack)
        if isinstance(view, Rollout) or not any(layer.learned_sink for layer in tower.present):
            return None
        if isinstance(view, Head):
            layer, head = self._head(view)
            sinks = layer.sinks(start, stop, head)
            return None if sinks is None else sinks[0]
        if isinstance(view, Chosen):
            return None  # not yet
        means = []
        for layer in self._mean_layers(view):
            sinks = layer.sinks(start, stop)
            means.append(torch.zeros(stop - start) if sinks is None else sinks.mean(0).cpu())
        return torch.stack(means).mean(0)

    def column(self, view: View, key: int) -> Tensor:
        """(queries): what every query gives one key.

        Raises:
            UserError: the view or the key does not exist.
        """
        queries, keys = self.tower(view.stack).shape
        if not 0 <= key < keys:
            raise UserError(f"there is no key {key}: keys are 0 to {keys - 1}.")
        if isinstance(view, Head):
            layer, head = self._head(view)
            return column(layer, key, head)[0]
        step = max(BLOCK, TILE_WEIGHTS // keys // BLOCK * BLOCK)
        starts = range(0, queries, step)
        return torch.cat([self.rows(view, at, min(at + step, queries))[:, key] for at in starts])

    def _head(self, view: Head) -> tuple[Layer, slice]:
        layer = self.layer(view.stack, view.layer)
        if not 0 <= view.head < layer.info.heads:
            raise UserError(f"there is no head {view.head}: heads are 0 to {layer.info.heads - 1}.")
        return layer, slice(view.head, view.head + 1)

    def _mean_layers(self, view: Mean) -> list[Layer]:
        if view.layer is None:
            return self.tower(view.stack).present
        return [self.layer(view.stack, view.layer)]

    def _mean_block(self, view: Mean, block: int) -> Tensor:
        """The mean over heads, then over layers, of one block of rows."""
        key = (view, block)
        if key not in self._kept:
            layers = self._mean_layers(view)
            start, stop = block * BLOCK, min((block + 1) * BLOCK, layers[0].queries)
            total = _head_mean(layers[0], start, stop)
            for layer in layers[1:]:
                total += _head_mean(layer, start, stop).to(total.device)
            self._keep(key, total / len(layers))
        return self._kept[key]

    def _rollout(self, view: Rollout, check_cancel: CheckCancel, progress: Report) -> Tensor:
        key = (view, 0)
        if key not in self._kept:
            self._keep(key, rollout(self.tower(view.stack), view, check_cancel, progress))
        return self._kept[key]

    def _keep(self, key: tuple[View, int], rows: Tensor) -> None:
        self._kept[key] = rows
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)


def _head_mean(layer: Layer, start: int, stop: int) -> Tensor:
    """(rows, keys): the mean over heads, over as many rows at a time as fill a tile."""
    step = max(1, TILE_WEIGHTS // (layer.info.heads * layer.keys))
    starts = range(start, stop, step)
    return torch.cat([layer.rows(at, min(at + step, stop)).mean(0) for at in starts])


def pool(weights: Tensor, row_step: int, key_step: int, pooling: Pooling) -> Tensor:
    """(rows, keys) in cells of row_step x key_step; the last of an axis may pool fewer."""
    if row_step == key_step == 1:
        return weights
    rows, keys = weights.shape
    if not weights.numel():
        return weights.new_zeros(-(-rows // row_step), -(-keys // key_step))
    padding = (0, -keys % key_step, 0, -rows % row_step)
    padded = functional.pad(weights, padding)  # weights are never below 0, so the largest stays
    cells = padded.reshape(padded.shape[0] // row_step, row_step, -1, key_step)
    if pooling == "max":
        return cells.amax((1, 3))
    return cells.sum((1, 3)) / (_sizes(rows, row_step)[:, None] * _sizes(keys, key_step)).to(
        weights.device
    )


def _sizes(length: int, step: int) -> Tensor:
    """How many positions each cell of an axis pools."""
    return torch.tensor([min(step, length - at) for at in range(0, length, step)])
