"""The matrices that are looked at: a head, a mean, a rollout; whole rows, on demand."""

from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

from attntui.core.costs import MOST_JOINT
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Chosen,
    Flow,
    Gradient,
    Head,
    LessWeights,
    Mean,
    Norm,
    Relevance,
    Rollout,
    Stack,
    View,
)
from attntui.engine.again import Again
from attntui.engine.flow import capacities, flow_row
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.layers import Layer, over_heads, tile_rows
from attntui.engine.lenses import Lenses
from attntui.engine.rollout import rollout, rollout_rows
from attntui.engine.stacks import RECORD_ALL, Tower, named

BLOCK = 64
"""Rows of a mean that are computed and kept together."""
MOST_ROWS = 1024
"""Rows of a long rollout at once; the grid asks for a few screens of them."""
KEPT_BYTES = 256 * 2**20
"""Computed means and rollouts kept beyond this are dropped, oldest first, the newest never."""


class Views:
    """Rows of every view of a run."""

    def __init__(self, towers: tuple[Tower, ...], again: Again | None = None) -> None:
        self._towers = {tower.name: tower for tower in towers}
        self._lenses = Lenses(again)
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
        if number in self.tower(stack).unrecorded:
            raise UserError(f"{named([number])} not recorded: {RECORD_ALL}")
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
            total = torch.zeros(stop - start, self.tower(view.stack).shape[1])
            for layer, head in self._chosen(view):
                check_cancel()
                total += layer.rows(start, stop, head)[0].cpu()
            return total / len(view.heads)
        if isinstance(view, LessWeights):
            lens = _shares(self.rows(view.of, start, stop, check_cancel, progress))
            raw = _shares(self.rows(view.weights, start, stop, check_cancel, progress))
            return lens - raw.to(lens.device)
        if isinstance(view, Rollout):
            if queries > MOST_JOINT:
                return self._rollout_rows(view, start, stop, check_cancel, progress)
            return self._rollout(view, check_cancel, progress)[start:stop]
        if isinstance(view, Relevance):
            if max(self.tower(view.stack).shape) > MOST_JOINT:
                return self._relevance_rows(view, start, stop, check_cancel, progress)
            return self._relevance(view, check_cancel, progress)[start:stop]
        if isinstance(view, Flow):
            return self._flow(view, start, stop, check_cancel, progress)
        if isinstance(view, Norm | Gradient):
            layer = self._lens_layer(view)
            if isinstance(view, Norm):
                return self._lenses.norm(view, layer, start, stop)
            return self._lenses.gradient(view, layer, start, stop, check_cancel, progress)
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
        if not isinstance(view, Head | Mean | Chosen):
            return None
        if not any(layer.learned_sink for layer in tower.present):
            return None
        if isinstance(view, Head):
            layer, head = self._head(view)
            sinks = layer.sinks(start, stop, head)
            return None if sinks is None else sinks[0]
        if isinstance(view, Chosen):
            parts = self._chosen(view)
        else:
            parts = [(layer, slice(0, layer.info.heads)) for layer in self._mean_layers(view)]
        means = []
        for layer, heads in parts:
            sinks = layer.sinks(start, stop, heads)
            means.append(torch.zeros(stop - start) if sinks is None else sinks.mean(0).cpu())
        return torch.stack(means).mean(0)

    def _head(self, view: Head) -> tuple[Layer, slice]:
        layer = self.layer(view.stack, view.layer)
        if not 0 <= view.head < layer.info.heads:
            raise UserError(f"there is no head {view.head}: heads are 0 to {layer.info.heads - 1}.")
        return layer, slice(view.head, view.head + 1)

    def _lens_layer(self, view: Norm | Gradient) -> Layer:
        if view.head is None:
            return self.layer(view.stack, view.layer)
        return self._head(Head(view.stack, view.layer, view.head))[0]

    def _chosen(self, view: Chosen) -> list[tuple[Layer, slice]]:
        if not view.heads:
            raise UserError("choose at least one head to take the mean of.")
        return [self._head(Head(view.stack, *each)) for each in view.heads]

    def _mean_layers(self, view: Mean) -> list[Layer]:
        if view.layer is None:
            self.tower(view.stack).check_recorded("The mean over layers")
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

    def _rollout_rows(
        self, view: Rollout, start: int, stop: int, check_cancel: CheckCancel, progress: Report
    ) -> Tensor:
        tower = self.tower(view.stack)
        return self._long_rows(
            view,
            start,
            stop,
            "a rollout",
            lambda: rollout_rows(tower, view, start, stop, check_cancel, progress),
        )

    def _relevance_rows(
        self, view: Relevance, start: int, stop: int, check_cancel: CheckCancel, progress: Report
    ) -> Tensor:
        tower = self.tower(view.stack)
        if view.stack not in ("self", "encoder"):
            raise UserError(
                f"relevance between two texts takes whole matrices: it is for {MOST_JOINT:,}"
                f" tokens at most, and here are {max(tower.shape):,}."
            )
        return self._long_rows(
            view,
            start,
            stop,
            "the relevance",
            lambda: self._lenses.relevance_rows(view, tower, start, stop, check_cancel, progress),
        )

    def _long_rows(
        self, view: View, start: int, stop: int, what: str, compute: Callable[[], Tensor]
    ) -> Tensor:
        """Each block costs a pass over all layers: it is kept, and few are computed at once."""
        if stop - start > MOST_ROWS:
            raise UserError(
                f"every row of {what} of {self.tower(view.stack).shape[0]:,} tokens goes through"
                f" all weights of all layers: at most {MOST_ROWS} rows are computed at once. Zoom"
                " in, or export a mean or heads."
            )
        for (kept, first), rows in self._kept.items():
            if kept == view and first <= start and stop <= first + len(rows):
                return rows[start - first : stop - first]
        self._keep((view, start), compute())
        return self._kept[view, start]

    def _relevance(self, view: Relevance, check_cancel: CheckCancel, progress: Report) -> Tensor:
        key = (view, 0)
        if key not in self._kept:
            self._keep(key, self._lenses.relevance(view, self._towers, check_cancel, progress))
        return self._kept[key]

    def _flow(
        self, view: Flow, start: int, stop: int, check_cancel: CheckCancel, progress: Report
    ) -> Tensor:
        """Row by row: each is some work."""
        graph, rows = capacities(self.tower(view.stack), view, check_cancel), []
        for row in range(start, stop):
            progress("flow, query", row - start, stop - start)
            key = (view, row)
            if key not in self._kept:
                self._keep(key, flow_row(graph, row, check_cancel))
            rows.append(self._kept[key])
        return torch.stack(rows) if rows else torch.zeros(0, self.tower(view.stack).shape[1])

    def _keep(self, key: tuple[View, int], rows: Tensor) -> None:
        self._kept[key] = rows
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)


def _shares(rows: Tensor) -> Tensor:
    """Each row over the sum of its magnitudes; a row of nothing stays 0."""
    return rows / rows.abs().sum(-1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)


def _head_mean(layer: Layer, start: int, stop: int) -> Tensor:
    """(rows, keys): the mean over heads, over as many rows at a time as fill a tile."""
    step = tile_rows(layer.device, layer.info.heads * layer.keys)
    tiles = ((at, min(at + step, stop)) for at in range(start, stop, step))
    return torch.cat([over_heads(layer, *tile, torch.sum) / layer.info.heads for tile in tiles])
