"""Many variants of one run, each with one head off, several to a forward.

All of them are the same before the layer whose head is off: what the layers before it gave in the
unedited run is put in their place, and a batch of variants goes on from there.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from attntui.engine import ranks
from attntui.engine.capture import Call, listening
from attntui.engine.forward import CheckCancel, arguments, never, outermost_layers
from attntui.engine.model import Encoded, LoadedModel

TOKENS = 4096
"""Of all variants of a forward together."""
LOGITS = 2**27
"""Numbers in their logits: 512 MB in float32."""


class Off(NamedTuple):
    """A head in the call of a number, and what it gives at every position, (value size)."""

    call: int
    head: int
    output: Tensor


Variant = Sequence[Off | None]
"""The heads that are off together, None for one that another rank holds; none: the run itself."""


@dataclass(eq=False)
class _Plain:
    """Hears the unedited run: which layer makes each call."""

    layer: int | None = None
    layers: list[int | None] = field(default_factory=list)

    def heard(self, module: nn.Module, call: Call, output: Tensor) -> Tensor:
        self.layers.append(self.layer)
        return output


@dataclass(eq=False)
class _Batch:
    """Switches off the heads of each of a batch of variants; `count` is the number of the call."""

    variants: Sequence[Variant]
    count: int

    def heard(self, module: nn.Module, call: Call, output: Tensor) -> Tensor:
        here = [
            (at, off)
            for at, variant in enumerate(self.variants)
            for off in variant
            if off is not None and off.call == self.count
        ]
        self.count += 1
        output = output.clone() if here else output
        for at, off in here:
            output[at, :, off.head] = off.output.to(output)
        return output


class Variants:
    """Runs variants of one prompt."""

    def __init__(
        self, loaded: LoadedModel, encoded: Encoded, check_cancel: CheckCancel = never
    ) -> None:
        self._model = loaded.model
        self._inputs = arguments(loaded.model, encoded)
        self._tokens = max(len(side.tokens) for side in encoded.sides)
        self._outputs: list[Any] = []
        """What each layer gave in the unedited run, in the order of their calls."""
        plain = _Plain()

        def keep(_: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            check_cancel()
            plain.layer = len(self._outputs)
            self._outputs.append(None)
            at, output = plain.layer, forward(*args, **kwargs)
            self._outputs[at] = output
            plain.layer = None
            return output

        with torch.no_grad(), listening(plain), around(self._model, keep):
            self._model(**self._inputs)
        self._layers = plain.layers

    def logits(
        self,
        variants: Sequence[Variant],
        positions: Sequence[int] | None = None,
        check_cancel: CheckCancel = never,
    ) -> Iterator[Tensor]:
        """Logits (some variants, positions, outputs), in order; quickest if those that begin in the
        same layer follow each other.

        Args:
            variants: each with the heads that are off.
            positions: those whose logits are wanted; None: all.
        """
        size = max(1, TOKENS // self._tokens)
        while variants:
            some, variants = variants[:size], variants[size:]
            found = self._forward(some, positions, check_cancel)
            size = max(1, min(size, LOGITS * len(some) // max(1, found.numel())))
            yield found

    def _forward(
        self,
        variants: Sequence[Variant],
        positions: Sequence[int] | None,
        check_cancel: CheckCancel,
    ) -> Tensor:
        start, done, count = self._start(variants), 0, len(variants)

        def replay(layer: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            # What stands for another stage's layer passes on what that gave.
            if done <= start and not isinstance(layer, nn.Identity):
                return tree_map(_spread(count, copy=done == start), self._outputs[done - 1])
            check_cancel()
            return forward(*args, **kwargs)

        inputs = tree_map(_spread(count, copy=True), self._inputs)
        keeps = "logits_to_keep" in inspect.signature(self._model.forward).parameters
        if positions is not None and keeps:
            where = next(iter(inputs.values())).device
            inputs["logits_to_keep"] = torch.tensor(positions, device=where)
        batch = _Batch(variants, sum(layer is not None and layer < start for layer in self._layers))
        with torch.no_grad(), listening(batch), around(self._model, replay):
            logits: Tensor = self._model(**inputs).logits
        if logits.ndim == 2:  # classes
            logits = logits[:, None]
        return logits if positions is None or keeps else logits[:, positions]

    def _start(self, variants: Sequence[Variant]) -> int:
        """The first layer in which a head is off, on whatever rank."""
        offs = [off for variant in variants for off in variant]
        here = [self._layers[off.call] or 0 for off in offs if off is not None]
        return min(ranks.pooled(here), default=0)


def _spread(count: int, copy: bool) -> Callable[[Any], Any]:
    """Makes a batch of one a batch of many."""

    def spread(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.ndim < 2 or value.shape[0] != 1:
            return value
        many = value.expand(count, *value.shape[1:])
        return many.contiguous() if copy else many

    return spread


@contextmanager
def around(model: nn.Module, call: Callable[..., Any]) -> Iterator[None]:
    """Inside, every layer is given to `call` with its forward, which may be left out.

    A hook could not: it is called before or after, never in place.
    """
    layers = outermost_layers(model)
    own = [vars(layer).get("forward") for layer in layers]  # as accelerate's hooks set it

    def wrapped(layer: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: call(layer, forward, *args, **kwargs)

    try:
        for layer in layers:
            layer.forward = wrapped(layer, layer.forward)
        yield
    finally:
        for layer, forward in zip(layers, own, strict=True):
            if forward is None:
                vars(layer).pop("forward", None)
            else:
                layer.forward = forward
