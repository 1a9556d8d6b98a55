"""Heads switched off and edges cut, while a model runs.

Both happen in the attention function, between the kernel and the output projection: a head's slice
of the projection's input is replaced, which equals zeroing the projection's columns; a cut edge's
score becomes -inf, and its row is computed again from q, k and v.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import AblateWith, Cut, Edits, Head
from attntui.engine.capture import Call
from attntui.engine.layers import Layer, RecordedLayer, tiles
from attntui.engine.masks import Cell, CutMask
from attntui.engine.run import Run
from attntui.engine.split import Recorded

EAGER = (
    "this model's attention is read from its own eager code, where nothing can be changed; choose"
    " a model of another family, such as gpt2, llama, bert or t5."
)


@dataclass(frozen=True, eq=False)
class Change:
    """What is changed in one call of the attention function."""

    heads: tuple[int, ...] = ()
    """The heads that are switched off."""
    outputs: Tensor | None = None
    """(heads, value size): what they give at every position."""
    cells: tuple[Cell, ...] = ()
    """The edges that are cut."""

    def cut(self, call: Call, output: Tensor) -> Tensor:
        """The output (1, queries, heads, value size) without the edges; the call's mask knows."""
        if not self.cells:
            return output
        call.mask = CutMask(call.mask, call.query.shape[1], self.cells)
        layer, output = RecordedLayer(call), output.clone()
        for query in {cell.query for cell in self.cells}:
            row = layer.output(layer.rows(query, query + 1)[:, 0]).to(output.dtype)
            named = {cell.head for cell in self.cells if cell.query == query}
            heads = [head for head in named if head is not None]
            some = slice(None) if None in named else heads
            output[0, query, some] = row[some]
        return output

    def ablate(self, output: Tensor) -> Tensor:
        """The output with the switched-off heads' own replaced."""
        if self.outputs is None:
            return output
        output = output.clone()
        output[0, :, list(self.heads)] = self.outputs.to(output)
        return output

    def at(self, position: int) -> "Change":
        """See `capture.Change`."""
        cells = (cell._replace(query=cell.query - position) for cell in self.cells)
        return replace(self, cells=tuple(cell for cell in cells if cell.query >= 0))

    def within(self, count: int) -> "Change":
        """See `capture.Change`."""
        return replace(self, cells=tuple(cell for cell in self.cells if cell.query < count))


def changes(base: Run, edits: Edits) -> dict[int, Change]:
    """Edits by the number of the call that they change; what other ranks hold, those change.

    Raises:
        UserError: a head or an edge does not exist, or the model cannot be edited.
    """
    found: dict[int, Change] = {}
    for layer, heads in _ablated(base, edits.ablated):
        change = Change(tuple(heads), head_outputs(layer, edits.ablate_with)[heads])
        found[layer.call.index] = change
    for cut in edits.cuts:
        for layer, head in _cut_layers(base, cut):
            change = found.get(layer.call.index, Change())
            cell = Cell(cut.query, cut.key, head)
            found[layer.call.index] = replace(change, cells=(*change.cells, cell))
    return found


def _ablated(base: Run, heads: tuple[Head, ...]) -> Iterator[tuple[RecordedLayer, list[int]]]:
    """The layers held here and their heads, each once."""
    by_layer: dict[int, tuple[RecordedLayer, list[int]]] = {}
    for head in heads:
        layer = recorded(base.views.layer(head.stack, head.layer))
        base.views.rows(head, 0, 0)  # raises where there is no such head
        at = held_head(layer, head.head)
        if layer.own is None or at is None:
            continue
        _, found = by_layer.setdefault(layer.own.call.index, (layer.own, []))
        if at not in found:
            found.append(at)
    yield from by_layer.values()


def held_head(layer: Recorded, head: int) -> int | None:
    """Which of the heads that this process holds of a layer it is; None: another holds it."""
    if layer.own is None or not 0 <= head - layer.first < layer.own.info.heads:
        return None
    return head - layer.first


def head_outputs(layer: RecordedLayer, ablate_with: AblateWith) -> Tensor:
    """(heads, value size) float32: what each head gives in place of its own when it is off."""
    heads, size = layer.info.heads, layer.call.value.shape[-1]
    if ablate_with == "zero":
        return torch.zeros(heads, size, device=layer.device)
    received = torch.zeros(heads, layer.keys, device=layer.device)
    for start, stop in tiles(layer, heads):
        received += layer.rows(start, stop).sum(1)
    return layer.output(received / layer.queries)


def _cut_layers(base: Run, cut: Cut) -> list[tuple[RecordedLayer, int | None]]:
    """The layers held here in which there is such an edge, and which of their heads has it.

    Raises:
        UserError: there is none, or a query would have nothing left to look at.
    """
    tower = base.views.tower(cut.stack)
    queries, keys = tower.shape
    if not (0 <= cut.query < queries and 0 <= cut.key < keys):
        raise UserError(f"there is no cell {cut.query}, {cut.key} in {queries} x {keys} weights.")
    if not 0 <= cut.first <= cut.last < len(tower.layers):
        raise UserError(f"there is no {_named(cut)}: layers are 0 to {len(tower.layers) - 1}.")
    layers = [layer for layer in tower.layers[cut.first : cut.last + 1] if layer is not None]
    if cut.head is not None and not any(0 <= cut.head < layer.info.heads for layer in layers):
        raise UserError(f"there is no head {cut.head} in {_named(cut)}.")
    found: list[Recorded] = []
    for layer in map(recorded, layers):
        seen = layer.allowed(cut.query, cut.query + 1)[0]
        if seen[cut.key]:
            found.append(layer)
            if seen.sum() == 1 and not layer.learned_sink:
                raise UserError(
                    f"query {cut.query} can see key {cut.key} only: with that cut, it would have"
                    " nothing left to look at."
                )
    if not found:
        raise UserError(f"query {cut.query} cannot see key {cut.key}: there is nothing to cut.")
    if cut.head is None:
        return [(layer.own, None) for layer in found if layer.own is not None]
    places = ((layer.own, held_head(layer, cut.head)) for layer in found)
    return [(own, head) for own, head in places if own is not None and head is not None]


def _named(cut: Cut) -> str:
    one = cut.first == cut.last
    return f"layer {cut.first}" if one else f"layers {cut.first} to {cut.last}"


def recorded(layer: Layer) -> Recorded:
    """
    Raises:
        UserError: the model's attention cannot be changed.
    """
    if not isinstance(layer, Recorded):
        raise UserError(EAGER)
    return layer
