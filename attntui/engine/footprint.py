"""What a run of a model takes of memory, as the check prompt at load measured it.

Shapes alone would not do: families repeat, pad and fuse in ways of their own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from attntui.core.protocol import SIDES, Side, Stack
from attntui.engine.capture import Call
from attntui.engine.layers import DenseLayer, RecordedLayer
from attntui.engine.stacks import Tower

WORK = 5
"""As many of a layer's widest outputs are there at once: GPT-2's and Llama's MLPs hold three, and
what comes in and goes on is there too."""
EAGER = 3
"""As many times the scores of a layer are there at once in eager attention."""


class Growth(NamedTuple):
    """Bytes for every query, every key, and every pair of both."""

    query: float = 0
    key: float = 0
    pair: float = 0

    def at(self, queries: int, keys: int) -> int:
        """Bytes of a text."""
        return int(self.query * queries + self.key * keys + self.pair * queries * keys)


@dataclass(frozen=True)
class Footprint:
    """How what a run takes grows with its text."""

    layers: dict[Stack, dict[int, Growth]]
    """What is recorded of each layer that has attention, by its number."""
    shared: dict[Stack, Growth]
    """What the layers of a stack share: a position bias."""
    calls: tuple[int, ...]
    """The layer that makes each call of the attention function."""
    widest: float
    """Bytes for a token of the largest output of a module."""
    heads: int
    """In a layer, at most."""

    @property
    def numbers(self) -> frozenset[int]:
        """The layers that have attention, in any stack."""
        return frozenset(number for layers in self.layers.values() for number in layers)

    def is_some(self, layers: frozenset[int]) -> bool:
        """Whether these leave something of every stack."""
        return all(layers & each.keys() for each in self.layers.values())

    def recorded(self, lengths: dict[Side, int]) -> dict[int, int]:
        """Bytes by the layer's number, of all stacks."""
        found: dict[int, int] = {}
        for stack, layers in self.layers.items():
            queries, keys = (lengths[side] for side in SIDES[stack])
            for number, growth in layers.items():
                found[number] = found.get(number, 0) + growth.at(queries, keys)
        return found

    def cached(self, tokens: int) -> dict[int, int]:
        """Bytes of keys and values by the layer's number, where the text is a single one."""
        (layers,) = self.layers.values()
        return {number: growth._replace(query=0).at(0, tokens) for number, growth in layers.items()}

    def work(self, lengths: dict[Side, int], eager: bool, itemsize: int) -> int:
        """Bytes that a forward needs and gives back, and what layers share."""
        sizes = [tuple(lengths[side] for side in SIDES[stack]) for stack in self.layers]
        scores = EAGER * self.heads * itemsize * max(a * b for a, b in sizes) if eager else 0
        shared = sum(
            growth.at(*(lengths[side] for side in SIDES[stack]))
            for stack, growth in self.shared.items()
        )
        return int(WORK * self.widest * max(lengths.values())) + scores + shared


def footprint(towers: tuple[Tower, ...], widest: float) -> Footprint:
    """Of the towers of a run that kept everything."""
    recorded = [
        (layer.call.index, number)
        for tower in towers
        for number, layer in enumerate(tower.layers)
        if isinstance(layer, RecordedLayer)
    ]
    return Footprint(
        layers={
            tower.name: {
                number: _growth(layer)
                for number, layer in enumerate(tower.layers)
                if isinstance(layer, RecordedLayer | DenseLayer)
            }
            for tower in towers
        },
        shared={tower.name: _bias(tower) for tower in towers},
        calls=tuple(number for _, number in sorted(recorded)),
        widest=widest,
        heads=max(tower.heads for tower in towers),
    )


def _growth(layer: RecordedLayer | DenseLayer) -> Growth:
    if isinstance(layer, DenseLayer):
        return Growth(pair=layer.info.heads * layer.weights.itemsize)
    call: Call = layer.call
    kept = sum(each.nbytes for each in (call.key, call.value))
    return Growth(call.query.nbytes / layer.queries, kept / layer.keys)


def _bias(tower: Tower) -> Growth:
    calls = [layer.call for layer in tower.present if isinstance(layer, RecordedLayer)]
    biases = [call.bias for call in calls if call.bias is not None]
    if not biases:
        return Growth()
    return Growth(pair=biases[0].nbytes / (tower.shape[0] * tower.shape[1]))


@contextmanager
def widest_output(model: nn.Module, tokens: int) -> Iterator[list[float]]:
    """Notes, in a list of one, the bytes for a token of the largest output of a module inside.

    The output head's is left out: see `room`.
    """
    found, head = [0.0], model.get_output_embeddings()  # type: ignore[operator]

    def after(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and module is not head:
            found[0] = max(found[0], output.nbytes / tokens)

    leaves = [each for each in model.modules() if not any(True for _ in each.children())]
    handles = [each.register_forward_hook(after) for each in leaves]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
