"""How a matrix is read: by tokens or by words, with special tokens and sinks shown or hidden.

Words come first: the sum over a key's tokens, the mean over a query's (Clark et al. 2019), which
leaves the sum of a row as it was. Then whole columns hide, and if the rest is to sum to 1 again,
each row is divided by what it has left. Then another run's weights may be taken away. Of two
sentences, one's queries and one's keys stay last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.matching import UNMATCHED
from attntui.core.protocol import Signed, View
from attntui.engine.axis import Axis
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.layers import Layer, tile_rows
from attntui.engine.sentences import Apart
from attntui.engine.stacks import Tower
from attntui.engine.views import Views

if TYPE_CHECKING:
    from attntui.engine.comparison import Comparison


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one matrix, or of several heads' at once."""

    weights: Tensor
    """(..., rows, keys) float32; what the reader leaves blank is 0."""
    sink: Tensor | None
    """(..., rows): a learned sink's weight, None where there is none."""
    hidden: Tensor | None
    """(..., rows): the weight on keys that hide, before any scaling; None where nothing may."""
    elsewhere: Tensor | None = None
    """(..., rows): the weight that is not between the sentences looked at; None: all are."""


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads the matrices of one stack; every position is one of its axes."""

    views: Views
    tower: Tower
    queries: Axis
    keys: Axis
    hidden: Tensor | None = None
    """(keys) bool on the CPU: the columns that hide; None where nothing may."""
    scale: bool = False
    """Whether what does not hide, a learned sink's weight included, is to sum to 1."""
    apart: Apart | None = None
    """What is outside of the sentences looked at; None where nothing is."""
    comparison: Comparison | None = None
    """The run whose weights are taken away; None: weights are shown as they are."""

    @property
    def blank_queries(self) -> Tensor | None:
        """(queries) bool on the CPU: rows of which nothing is shown."""
        blank = [] if self.apart is None else [self.apart.queries]
        if self.comparison is not None:
            blank.append(self.comparison.queries == UNMATCHED)
        return torch.stack(blank).any(0) if blank else None

    @property
    def blank_keys(self) -> Tensor | None:
        """(keys) bool on the CPU: columns of which nothing is shown."""
        blank = [] if self.hidden is None else [self.hidden]
        if self.apart is not None:
            blank.append(self.apart.keys)
        if self.comparison is not None:
            blank.append(self.comparison.keys == UNMATCHED)
        return torch.stack(blank).any(0) if blank else None

    @property
    def shape(self) -> tuple[int, int]:
        """Queries and keys, as positions."""
        return self.queries.count, self.keys.count

    def rows(
        self,
        view: View,
        start: int,
        stop: int,
        check_cancel: CheckCancel = never,
        progress: Report = silent,
    ) -> Rows:
        """Rows of a view.

        Raises:
            UserError: the view does not exist, or its rows cannot be scaled.
        """
        if self.comparison is not None:
            self.comparison.check(view)
        if self.scale and isinstance(view, Signed):
            raise UserError("these numbers have signs, so rows cannot be scaled to 1: hide only.")

        theirs = view if self.comparison is None else self.comparison.theirs(view)

        def read(reader: Reader, start: int, stop: int) -> Rows:
            tokens = reader.queries.tokens(start, stop)
            seen = view if reader is self else theirs
            weights = reader.views.rows(seen, *tokens, check_cancel, progress)
            return reader._read(weights, reader.views.sinks(seen, *tokens), start, stop)

        return self._compare(start, stop, read)

    def heads(self, layer: Layer, start: int, stop: int) -> Rows:
        """Rows of every head of a layer: one dimension more, in front."""
        number = self.tower.layers.index(layer)

        def read(reader: Reader, start: int, stop: int) -> Rows:
            own = reader.tower.layers[number]
            assert own is not None
            tokens = reader.queries.tokens(start, stop)
            sinks = own.sinks(*tokens) if reader.scale else None
            return reader._read(own.rows(*tokens), sinks, start, stop)

        heads = None if self.comparison is None else self.comparison.heads(number)
        return self._compare(start, stop, read, heads)

    def tiles(
        self, start: int, stop: int, step: int = 1, heads: int = 1
    ) -> Iterator[tuple[int, int]]:
        """Ranges of rows, multiples of `step` long, that fill a tile; at least one, maybe empty."""
        weights = heads * self.keys.starts[-1] * self.queries.longest
        long = max(1, tile_rows(self.tower.device, weights) // step) * step
        for at in range(start, max(stop, start + 1), long):
            yield at, min(at + long, stop)

    def _compare(
        self,
        start: int,
        stop: int,
        read: Callable[[Reader, int, int], Rows],
        heads: int | None = None,
    ) -> Rows:
        rows = read(self, start, stop)
        if self.comparison is not None:
            rows = self.comparison.less(rows, start, stop, read, heads)
        return rows if self.apart is None else self._keep_apart(rows, start, stop)

    def _read(self, weights: Tensor, sink: Tensor | None, start: int, stop: int) -> Rows:
        weights = self.keys.sums(weights, -1, 0, self.keys.count)
        weights = self.queries.means(weights, -2, start, stop)
        if sink is not None:
            sink = self.queries.means(sink, -1, start, stop).to(weights.device)
        return Rows(weights, sink, None) if self.hidden is None else self._hide(weights, sink)

    def _hide(self, weights: Tensor, sink: Tensor | None) -> Rows:
        assert self.hidden is not None
        columns = self.hidden.to(weights.device)
        hidden = weights[..., columns].sum(-1)
        weights = weights.masked_fill(columns, 0)
        if self.scale:
            left = weights.sum(-1) if sink is None else weights.sum(-1) + sink
            # A causal model's first row may have nothing left: it stays 0.
            left = left.clamp_min(torch.finfo(left.dtype).tiny)
            weights = weights / left[..., None]
            sink = None if sink is None else sink / left
        return Rows(weights, sink, hidden)

    def _keep_apart(self, rows: Rows, start: int, stop: int) -> Rows:
        assert self.apart is not None
        device = rows.weights.device
        outside = self.apart.queries[start:stop, None] | self.apart.keys
        kept = rows.weights.masked_fill(outside.to(device), 0)
        return replace(rows, weights=kept, elsewhere=rows.weights.sum(-1) - kept.sum(-1))
