"""The output projection after each call of the attention function, W_O, found by its input."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from attntui.core.errors import UserError
from attntui.engine.again import Again
from attntui.engine.capture import Call, listening
from attntui.engine.forward import arguments
from attntui.engine.layers import RecordedLayer
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.parallel import Split
from attntui.engine.placement import in_place

SHORT = 8
"""Tokens of a prompt that are enough to find them."""
MISSING = (
    "this layer's output projection was not found: no plain linear map takes what its heads give"
    " (it is gated, quantised or adapted first)."
)


def find_projections(again: Again) -> dict[int, nn.Module]:
    """Those of a model, by the number of the call before; found by one forward, then kept."""
    loaded = again.loaded
    if loaded.projections is None:
        loaded.projections = _find(loaded, again.encoded)
    return loaded.projections


def projection(again: Again, layer: RecordedLayer) -> nn.Module:
    """The module: an `nn.Linear` or a `Conv1D`.

    Raises:
        UserError: it was not found.
    """
    module = find_projections(again).get(layer.call.index)
    if module is None:
        raise UserError(MISSING)
    return module


def head_weights(again: Again, layer: RecordedLayer) -> Tensor:
    """(heads, value size, model size) float32: W_O, the rows that each head's output goes through.

    Raises:
        UserError: it was not found.
    """
    module = projection(again, layer)
    with in_place(module):
        weight: Tensor = module.get_parameter("weight").detach()
        if isinstance(weight, Split):
            size = layer.info.heads * layer.call.value.shape[-1]
            # phi3 splits the projection only: every rank has all heads, and needs all of it.
            weight = weight.full_tensor() if size == weight.shape[1] else weight.to_local()
        weight = weight.to(layer.device).float()
    weight = weight if isinstance(module, Conv1D) else weight.T
    return weight.reshape(layer.info.heads, -1, weight.shape[-1])


class _Finder:
    """Waits, after each call of the attention function, for a module that takes its output."""

    def __init__(self) -> None:
        self.found: dict[int, nn.Module] = {}
        self._count = 0
        self._output: Tensor | None = None

    def heard(self, module: nn.Module, call: Call, output: Tensor) -> Tensor:
        self._output = output
        self._count += 1
        return output

    def takes(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """A hook before a linear map."""
        given = inputs[0] if inputs else None
        if self._output is None or not isinstance(given, Tensor):
            return
        flat = self._output.flatten(-2)
        if given.numel() == flat.numel() and given.shape[-1] == flat.shape[-1]:
            if torch.equal(given.reshape(flat.shape), flat):
                self.found[self._count - 1] = module
                self._output = None


def _find(loaded: LoadedModel, encoded: Encoded) -> dict[int, nn.Module]:
    finder = _Finder()
    handles = [
        module.register_forward_pre_hook(finder.takes)
        for name, module in loaded.model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and _is_plain(name, module)
    ]
    short = {name: values[:, :SHORT] for name, values in encoded.inputs.items()}
    try:
        with torch.no_grad(), listening(finder):
            loaded.model(**arguments(loaded.model, Encoded(short, ())))
    finally:
        for handle in handles:
            handle.remove()
    return finder.found


def _is_plain(name: str, module: nn.Module) -> bool:
    """Whether a module's weight says all it does: quantised ones are packed, and an adapter adds
    to its base layer."""
    weight = module.get_parameter("weight")
    readable = weight.ndim == 2 and weight.is_floating_point()
    return readable and not name.endswith("base_layer")
