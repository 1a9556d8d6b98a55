"""A layer of which other ranks hold heads: rows travel, or what is made of them; q and k stay."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from attntui.core.errors import UserError
from attntui.core.protocol import LayerInfo
from attntui.engine import ranks
from attntui.engine.layers import Layer, RecordedLayer
from attntui.engine.ranks import Group
from attntui.engine.stacks import Tower


@dataclass(frozen=True)
class Part:
    """What one rank holds of a layer, in words that others understand."""

    info: LayerInfo
    queries: int
    keys: int
    causal: bool
    learned_sink: bool


@dataclass(eq=False, repr=False)
class SplitLayer:
    """A layer held by several ranks, or by one that may be another; see `Layer`.

    All ranks ask for the same at the same time.
    """

    group: Group
    own: RecordedLayer | None
    """What this rank holds."""
    parts: Sequence[Part | None]
    """By rank; heads are in the order of the ranks."""
    device: torch.device
    info: LayerInfo = field(init=False)

    def __post_init__(self) -> None:
        held = [part for part in self.parts if part is not None]
        heads, key_heads = (
            sum(getattr(part.info, name) for part in held) for name in ("heads", "key_value_heads")
        )
        self.info = LayerInfo(heads, held[0].info.kind, key_heads)
        self.queries, self.keys = held[0].queries, held[0].keys
        self.causal, self.learned_sink = held[0].causal, held[0].learned_sink
        self.first = self._first(self.group.rank)
        self.scattered = len(held) > 1
        """Whether no rank has all its heads."""

    def rows(self, start: int, stop: int, heads: slice | None = None) -> Tensor:
        """See `Layer`."""
        return self.of_heads(lambda own, some: own.rows(start, stop, some), heads)

    def sinks(self, start: int, stop: int, heads: slice | None = None) -> Tensor | None:
        """See `Layer`."""
        if not self.learned_sink:
            return None

        def take(own: RecordedLayer, some: slice) -> Tensor:
            sinks = own.sinks(start, stop, some)
            assert sinks is not None
            return sinks

        return self.of_heads(take, heads)

    def allowed(self, start: int, stop: int) -> Tensor:
        """See `Layer`."""
        seen = self.of_heads(lambda own, _: own.allowed(start, stop)[None].to(torch.uint8))
        return seen.bool().any(0)

    def of_heads(
        self, take: Callable[[RecordedLayer, slice], Tensor], heads: slice | None = None
    ) -> Tensor:
        """See `Layer`."""
        holders = list(self._holders(heads or slice(0, self.info.heads)))
        mine = None
        for rank, some in holders:
            if rank == self.group.rank:
                assert self.own is not None
                mine = take(self.own, some)
        found = [
            self.group.share(rank, mine if rank == self.group.rank else None) for rank, _ in holders
        ]
        return torch.cat(found).to(self.device)

    def _holders(self, heads: slice) -> Iterator[tuple[int, slice]]:
        """The ranks that hold some of the heads, and which of their own these are."""
        for rank, part in enumerate(self.parts):
            if part is not None:
                first = self._first(rank)
                start, stop = max(heads.start - first, 0), min(heads.stop - first, part.info.heads)
                if start < stop:
                    yield rank, slice(start, stop)

    def _first(self, rank: int) -> int:
        return sum(part.info.heads for part in self.parts[:rank] if part is not None)


Recorded = RecordedLayer | SplitLayer


def joined(
    towers: tuple[Tower, ...], config: PreTrainedConfig, device: torch.device
) -> tuple[Tower, ...]:
    """The towers of one forward, with what other ranks recorded of it.

    A layer of which every rank has all heads stays as it is: plans may leave attention whole.

    Raises:
        UserError: the ranks' heads together are not the model's.
    """
    group = ranks.group()
    if group is None:
        return towers
    described = {tower.name: [_part(layer) for layer in tower.layers] for tower in towers}
    every = group.every(described)
    found = []
    for name in dict.fromkeys(name for each in every for name in each):
        own = {tower.name: tower.layers for tower in towers}.get(name)
        count = max(len(each.get(name, ())) for each in every)
        layers: list[Layer | None] = []
        for number in range(count):
            parts = [each[name][number] if name in each else None for each in every]
            here = None if own is None else own[number]
            layers.append(_join(group, here, parts, config, device))
        found.append(Tower(name, tuple(layers)))
    return tuple(found)


def held(towers: tuple[Tower, ...]) -> tuple[Tower, ...]:
    """What this rank holds of them."""
    return tuple(Tower(tower.name, tuple(map(_own, tower.layers))) for tower in towers)


def _part(layer: Layer | None) -> Part | None:
    if layer is None:
        return None
    return Part(layer.info, layer.queries, layer.keys, layer.causal, layer.learned_sink)


def _own(layer: Layer | None) -> Layer | None:
    return layer.own if isinstance(layer, SplitLayer) else layer


def _join(
    group: Group,
    own: Layer | None,
    parts: Sequence[Part | None],
    config: PreTrainedConfig,
    device: torch.device,
) -> Layer | None:
    holders = [part for part in parts if part is not None]
    if not holders:
        return None
    heads = getattr(config.get_text_config(), "num_attention_heads", None)
    counts = {part.info.heads for part in holders}
    if len(holders) == group.size and counts == {heads}:
        return own
    if isinstance(heads, int) and sum(part.info.heads for part in holders) != heads:
        raise UserError(
            f"the ranks hold {' + '.join(str(part.info.heads) for part in holders)} heads of a"
            f" layer, and the model has {heads}: it cannot be shown over ranks."
        )
    assert own is None or isinstance(own, RecordedLayer)
    return SplitLayer(group, own, parts, device)
