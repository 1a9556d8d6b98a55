"""One layer's attention weights, as exact float32 rows on demand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from attntui.core.protocol import LayerInfo
from attntui.engine.capture import Call
from attntui.engine.masks import Span, allowed

TILE_WEIGHTS = 2**24
"""Weights in a tile of rows over all heads, at most: 64 MB in float32."""
CACHED_WEIGHTS = 2**20
"""On a CPU 4 MB, which stay in its cache: half the time of 64 MB (GPT-2 small, 1024 tokens)."""
LEAST_ROWS = 64
"""Rows in a tile on a CPU even so: each tile reads all keys again."""


class Layer(Protocol):
    """A layer's attention: heads x queries x keys weights, of which rows can be had."""

    info: LayerInfo
    queries: int
    keys: int
    causal: bool
    """Whether the first query cannot see the second key."""
    learned_sink: bool
    device: torch.device

    def rows(self, start: int, stop: int, heads: slice | None = None) -> Tensor:
        """(heads, rows, keys) float32. Rows sum to 1, or to less by a learned sink's weight."""

    def sinks(self, start: int, stop: int, heads: slice | None = None) -> Tensor | None:
        """(heads, rows) float32: the weight of the learned sink, None where there is none."""

    def allowed(self, start: int, stop: int) -> Tensor:
        """(rows, keys) bool: what the mask lets at least one head see."""

    def of_heads(self, take: "Take", heads: slice | None = None) -> Tensor:
        """What is taken of some heads, all without `heads`, where they are: parts (any number, ...)
        of those in one place each, one after another in the order of the heads."""


Take = Callable[[Any, slice], Tensor]
"""Takes a layer and some of its heads."""


@dataclass(eq=False, repr=False)
class RecordedLayer:
    """Weights recomputed from a recorded call."""

    call: Call
    info: LayerInfo = field(init=False)
    first: int = field(init=False, default=0)
    """The number of its first head among all; see `split`, where others hold those before."""

    def __post_init__(self) -> None:
        call = self.call
        self.info = LayerInfo(call.query.shape[1], call.mask.kind, call.key.shape[1])
        self.queries, self.keys = call.query.shape[2], call.key.shape[2]
        self.causal = call.mask.causal
        self.learned_sink = call.sinks is not None
        self.device = call.query.device

    scattered: ClassVar[bool] = False
    """Whether no process has all its heads."""

    @property
    def own(self) -> "RecordedLayer":
        """What this process holds of it; see `split`."""
        return self

    def rows(self, start: int, stop: int, heads: slice | None = None) -> Tensor:
        """See `Layer`."""
        return self._weights(start, stop, heads)[..., : self.keys]

    def sinks(self, start: int, stop: int, heads: slice | None = None) -> Tensor | None:
        """See `Layer`."""
        return self._weights(start, stop, heads)[..., -1] if self.learned_sink else None

    def allowed(self, start: int, stop: int) -> Tensor:
        """See `Layer`."""
        rows = allowed(self.call.mask_rows(start, stop)).any(0)
        return rows.expand(stop - start, self.keys)

    def of_heads(self, take: Take, heads: slice | None = None) -> Tensor:
        """See `Layer`."""
        return take(self, heads or slice(0, self.info.heads))

    def output(self, weights: Tensor) -> Tensor:
        """(heads, value size) float32: a row's weights (heads, keys) times v."""
        value = self.call.value[0].float()
        grouped = weights.reshape(len(value), -1, self.keys) @ value
        return grouped.flatten(0, 1)

    def values(self) -> Tensor:
        """(heads, keys, value size) float32, shared ones repeated."""
        return self.call.value[0].float().repeat_interleave(self.call.groups, dim=0)

    def scores(self, start: int, stop: int, heads: slice | None = None) -> Tensor:
        """(heads, rows, keys) float32: what the softmax takes, -inf where the mask hides the key.

        A learned sink's score, which no key has, is left out.
        """
        return self._scores(start, stop, heads or slice(0, self.info.heads), (0, self.keys))

    def _scores(self, start: int, stop: int, heads: slice, keys: Span) -> Tensor:
        """Of a range of keys."""
        call = self.call
        scores = self._products(start, stop, heads, keys).mul_(call.scaling)
        if call.softcap is not None:
            scores = torch.tanh(scores / call.softcap) * call.softcap
        if call.bias is not None:
            bias = call.bias[0] if call.bias.shape[1] == 1 else call.bias[0, heads]
            scores = scores + bias[:, start:stop, slice(*keys)].float()
        if call.mask.plain == "full":
            return scores
        if call.mask.plain == "causal":  # up to the first of the rows, all keys are seen
            own = torch.arange(start, stop, device=scores.device) + self.keys - self.queries
            first = min(max(start + self.keys - self.queries, keys[0]), keys[1])
            key = torch.arange(first, keys[1], device=scores.device)
            hidden = key > own[:, None]
            scores[..., first - keys[0] :].masked_fill_(hidden, -torch.inf)
            return scores
        mask = call.mask_rows(start, stop, keys)
        mask = mask if len(mask) == 1 else mask[heads]
        if mask.dtype != torch.bool:
            scores = scores + mask.float()
        return scores.masked_fill_(~allowed(mask), -torch.inf)

    def _weights(self, start: int, stop: int, heads: slice | None) -> Tensor:
        """(heads, rows, keys), with one column more where there is a learned sink."""
        first, end = self.call.mask.span(start, stop)
        scores = self._scores(start, stop, heads or slice(0, self.info.heads), (first, end))
        if self.call.sinks is not None:
            sinks = self.call.sinks[heads or slice(None)].float().reshape(-1, 1, 1)
            scores = torch.cat([scores, sinks.expand(-1, stop - start, 1)], dim=-1)
        weights = torch.softmax(scores, dim=-1)
        if self.call.mask.plain is None:
            blank = scores.amax(-1, keepdim=True) == -torch.inf  # the row may see nothing
            # Not in place where there is a gradient: the softmax's own needs it as it was.
            in_place = not weights.requires_grad
            weights = weights.masked_fill_(blank, 0) if in_place else weights.masked_fill(blank, 0)
        if (first, end) == (0, self.keys):
            return weights
        sink = weights[..., end - first :]
        weights = functional.pad(weights[..., : end - first], (first, self.keys - end))
        return torch.cat([weights, sink], dim=-1) if sink.shape[-1] else weights

    def _products(self, start: int, stop: int, heads: slice, keys: Span) -> Tensor:
        """q · k (heads, rows, keys) float32; heads that share a key head share it without a copy.

        A product of matrices side by side is faster by far than one for each head.
        """
        query = self.call.query[0, heads, start:stop].float()
        key, groups = self.call.key[0, :, slice(*keys)], self.call.groups
        shares = range(heads.start // groups, -(-heads.stop // groups))
        if len(shares) > 1 and (heads.start % groups or heads.stop % groups):
            own = torch.arange(heads.start, heads.stop, device=key.device) // groups
            return query @ key[own].float().transpose(1, 2)
        rows, size = len(query) // len(shares) * (stop - start), query.shape[-1]
        shared = query.reshape(len(shares), rows, size)
        products = shared @ key[slice(shares.start, shares.stop)].float().transpose(1, 2)
        return products.reshape(len(query), stop - start, keys[1] - keys[0])


@dataclass(eq=False, repr=False)
class DenseLayer:
    """Weights as an eager model returned them, or a file gives them: (heads, queries, keys).

    A head, a row or a cell that a file does not give is NaN.
    """

    weights: Tensor
    kind: Literal["full", "sliding", "chunked"] = "full"
    info: LayerInfo = field(init=False)
    learned_sink: bool = False

    def __post_init__(self) -> None:
        heads, self.queries, self.keys = self.weights.shape
        self.info = LayerInfo(heads, self.kind, heads)
        self.causal = self.keys > 1 and not bool((self.weights[:, 0, 1:] > 0).any())
        self.device = self.weights.device

    def rows(self, start: int, stop: int, heads: slice | None = None) -> Tensor:
        """See `Layer`."""
        return self.weights[heads or slice(None), start:stop].float()

    def sinks(self, start: int, stop: int, heads: slice | None = None) -> Tensor | None:
        """See `Layer`. A learned sink has what the keys leave over."""
        return 1 - self.rows(start, stop, heads).sum(-1) if self.learned_sink else None

    def allowed(self, start: int, stop: int) -> Tensor:
        """See `Layer`. The mask is not known: every key, or those up to the query where causal.

        Not the keys that have weight: 0 may be a weight that was rounded.
        """
        seen = torch.ones(stop - start, self.keys, dtype=torch.bool, device=self.device)
        return seen.tril(start) if self.causal else seen

    def of_heads(self, take: Take, heads: slice | None = None) -> Tensor:
        """See `Layer`."""
        return take(self, heads or slice(0, self.info.heads))


def over_heads(layer: Layer, start: int, stop: int, reduce: Callable[..., Tensor]) -> Tensor:
    """(rows, keys): the sum, the largest or the smallest over the heads, by torch's function; heads
    held together are reduced where they are."""

    def part(layer: Layer, heads: slice) -> Tensor:
        return reduce(layer.rows(start, stop, heads), 0, keepdim=True)

    return reduce(layer.of_heads(part), 0)


def tile_rows(device: torch.device, weights: int) -> int:
    """How many rows of so many weights make a tile."""
    most = max(1, TILE_WEIGHTS // max(1, weights))
    if device.type != "cpu":
        return most
    return min(most, max(LEAST_ROWS, CACHED_WEIGHTS // max(1, weights)))


def some_heads(layer: Layer, rows: tuple[int, int]) -> Iterator[slice]:
    """Heads whose weights on some rows are had at once: few on a CPU, where others then need not
    wait long for their turn."""
    heads, groups = layer.info.heads, layer.info.heads // max(1, layer.info.key_value_heads)
    count = heads
    if layer.device.type == "cpu":
        count = CACHED_WEIGHTS // max(1, (rows[1] - rows[0]) * layer.keys)
        count = count // groups * groups if count > groups else 1
    for first in range(0, heads, max(1, count)):
        yield slice(first, min(first + max(1, count), heads))


def tiles(layer: Layer, heads: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose weights over `heads` heads fill at most a tile."""
    step = tile_rows(layer.device, heads * layer.keys)
    for start in range(0, layer.queries, step):
        yield start, min(start + step, layer.queries)
