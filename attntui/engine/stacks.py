"""Which recorded call is which layer of which stack.

`layer_idx` cannot tell: albert and distilbert have none, marian's encoder has None, T5 and BART
give self- and cross-attention the same, and encoder and decoder both start at 0. A module's
qualified name and the order of the calls can.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from transformers import PreTrainedModel

from attntui.core.errors import UserError
from attntui.core.protocol import SIDES, LayerInfo, Stack, StackInfo
from attntui.core.selection import describe
from attntui.engine.capture import Call
from attntui.engine.layers import DenseLayer, Layer, RecordedLayer
from attntui.engine.model import has_decoder

NO_ATTENTION = LayerInfo(0, "none", 0)
UNRECORDED = LayerInfo(0, "unrecorded", 0)
_CROSS = re.compile(r"cross|encoder_attn|encdec", re.IGNORECASE)


@dataclass(eq=False, repr=False)
class Tower:
    """One stack's layers in order, None where a layer has no attention or was not recorded."""

    name: Stack
    layers: tuple[Layer | None, ...]
    unrecorded: frozenset[int] = frozenset()
    """The layers that have attention, of which the run kept none."""

    @property
    def present(self) -> list[Layer]:
        """The layers that have attention."""
        return [layer for layer in self.layers if layer is not None]

    @property
    def shape(self) -> tuple[int, int]:
        """Queries and keys."""
        return self.present[0].queries, self.present[0].keys

    @property
    def device(self) -> torch.device:
        """Where the first layer is."""
        return self.present[0].device

    @property
    def heads(self) -> int:
        """The most heads any layer has."""
        return max(layer.info.heads for layer in self.present)

    @property
    def causal(self) -> bool:
        """Whether at least half of the layers hide the second key from the first query."""
        hiding = sum(layer.causal for layer in self.present)
        return self.name != "cross" and 2 * hiding >= len(self.present)

    @property
    def info(self) -> StackInfo:
        """The stack in the protocol's words."""
        queries, keys = SIDES[self.name]
        return StackInfo(
            self.name,
            queries,
            keys,
            self.causal,
            tuple(self._info(number) for number in range(len(self.layers))),
            any(layer.learned_sink for layer in self.present),
        )

    def _info(self, number: int) -> LayerInfo:
        layer = self.layers[number]
        if layer is not None:
            return layer.info
        return UNRECORDED if number in self.unrecorded else NO_ATTENTION

    def check_recorded(self, what: str, start: int = 0) -> None:
        """
        Args:
            what: what is made of all layers from `start` on, as it begins a sentence.

        Raises:
            UserError: a run did not record all of them.
        """
        missing = sorted(number for number in self.unrecorded if number >= start)
        if missing:
            raise UserError(
                f"{what} needs every layer, and {named(missing)} not recorded: {RECORD_ALL}"
            )


RECORD_ALL = "open the model with --record all, and a prompt that fits."


def named(layers: Sequence[int]) -> str:
    """`layer 3 was`, `layers 0,3-5 were`."""
    noun, verb = ("layers", "were") if len(layers) > 1 else ("layer", "was")
    return f"{noun} {describe(layers)} {verb}"


def recorded_towers(calls: list[Call], model: PreTrainedModel) -> tuple[Tower, ...]:
    """The towers of one forward.

    Raises:
        UserError: nothing was recorded, or a layer ran attention more than once.
    """
    if not calls:
        raise UserError("this model recorded no attention; choose another model.")
    two_sided = has_decoder(model)
    by_stack: dict[Stack, list[Call]] = {}
    for call in calls:
        by_stack.setdefault(_stack(call, two_sided), []).append(call)
    order: tuple[Stack, ...] = ("self", "encoder", "decoder", "cross")
    return tuple(
        _tower(name, _in_order(by_stack[name], model)) for name in order if name in by_stack
    )


def _tower(name: Stack, calls: tuple[Call | None, ...]) -> Tower:
    layers = tuple(None if call is None or not call.kept else RecordedLayer(call) for call in calls)
    lost = (number for number, call in enumerate(calls) if call is not None and not call.kept)
    return Tower(name, layers, frozenset(lost))


def dense_towers(
    attentions: dict[Stack, list[Tensor | None]], layers: frozenset[int] | None = None
) -> tuple[Tower, ...]:
    """The towers of an eager model's `output_attentions`, each (1, heads, queries, keys).

    Of `layers` only; None: of all.
    """
    return tuple(_dense_tower(name, given, layers) for name, given in attentions.items())


def _dense_tower(name: Stack, given: list[Tensor | None], wanted: frozenset[int] | None) -> Tower:
    there = [number for number, each in enumerate(given) if each is not None]
    lost = frozenset() if wanted is None else frozenset(there) - wanted
    layers = (
        None if each is None or number in lost else DenseLayer(each[0])
        for number, each in enumerate(given)
    )
    return Tower(name, tuple(layers), lost)


def _stack(call: Call, two_sided: bool) -> Stack:
    if not two_sided:
        return "self"
    if call.cross or _CROSS.search(call.name):
        return "cross"
    side = next((part for part in call.name.split(".") if part in ("encoder", "decoder")), None)
    if side is None:
        raise UserError(f"cannot tell whether {call.name} belongs to the encoder or the decoder.")
    return "encoder" if side == "encoder" else "decoder"


def _in_order(calls: list[Call], model: PreTrainedModel) -> tuple[Call | None, ...]:
    """The calls at their layers' numbers, taken from the first number in their modules' names."""
    found = [re.match(r"(?:(.*?)\.)?(\d+)(?:\.|$)", call.name) for call in calls]
    numbers = [int(match[2]) for match in found if match]
    lists = {match[1] or "" for match in found if match}
    rising = all(a < b for a, b in pairwise(numbers))
    if len(numbers) == len(calls) and len(lists) == 1 and rising:
        layers: list[Call | None] = [None] * len(list(model.get_submodule(lists.pop()).children()))
        for number, call in zip(numbers, calls, strict=True):
            layers[number] = call
        return tuple(layers)
    if len(calls) != model.config.num_hidden_layers:  # albert: one module, called for each layer
        raise UserError("this model runs attention more than once in a layer; not supported.")
    return tuple(calls)
