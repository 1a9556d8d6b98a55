"""One forward pass that leaves a model's attention behind."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from attntui.core.errors import UserError
from attntui.core.protocol import SIDES
from attntui.engine import eager, ranks
from attntui.engine.capture import EVERYTHING, Changes, Recording, recording, storage_bytes
from attntui.engine.layers import DenseLayer, RecordedLayer
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.split import held, joined
from attntui.engine.stacks import Tower, dense_towers, recorded_towers

CheckCancel = Callable[[], None]
Report = Callable[[str, int, int], None]
"""Takes a stage, how much is done, and of how much (0: unknown)."""


def never() -> None:
    """Nobody cancels."""


def silent(stage: str, done: int, total: int) -> None:
    """Nobody listens."""


def forward(
    loaded: LoadedModel,
    encoded: Encoded,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
    as_eager: bool = False,
    changes: Changes | None = None,
    what: Recording = EVERYTHING,
) -> tuple[tuple[Tower, ...], Any]:
    """Run the model once; its towers of attention and its outputs.

    `check_cancel` is called before every layer. `as_eager` rounds as `kernels.reference` does.
    `changes`: see `edits`. `what` is kept of it.

    Raises:
        UserError: the model has no attention that can be shown.
    """
    model, inputs = loaded.model, arguments(loaded.model, encoded)
    with torch.no_grad(), watched(model, check_cancel, progress):
        if loaded.capture == "interface":
            with recording(model, as_eager, changes, what) as recorder:
                outputs = model(**inputs)
            towers = recorded_towers(recorder.calls, model)
        else:
            outputs = model(**inputs, output_attentions=True)
            found = eager.weights(model, outputs)
            lengths = {side.name: len(side.tokens) for side in encoded.sides}
            sizes = {stack: (lengths[SIDES[stack][0]], lengths[SIDES[stack][1]]) for stack in found}
            eager.check_shapes(model, found, sizes)
            towers = dense_towers(found, what.layers)
    towers = joined(towers, model.config, loaded.device)
    _check_sizes(towers, encoded)
    return towers, outputs


def held_bytes(towers: tuple[Tower, ...]) -> int:
    """The memory that the recording holds, on all ranks; shared tensors counted once."""
    tensors = []
    for layer in (layer for tower in held(towers) for layer in tower.present):
        if isinstance(layer, RecordedLayer):
            tensors += layer.call.tensors()
        elif isinstance(layer, DenseLayer):
            tensors.append(layer.weights)
    return sum(ranks.pooled([storage_bytes(tensors)]))


def arguments(model: PreTrainedModel, encoded: Encoded) -> dict[str, Any]:
    """The prompt's arguments, without a cache: it would keep a second copy of every k and v."""
    accepted = inspect.signature(model.forward).parameters
    extra = {"use_cache": False} if "use_cache" in accepted else {}
    return {**encoded.inputs, **extra}


def logit_row(model: PreTrainedModel, inputs: dict[str, Any], position: int) -> torch.Tensor:
    """(outputs): the logits at a position, of that alone where the model can leave out others."""
    keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
    if keeps:
        where = next(iter(inputs.values())).device
        inputs = {**inputs, "logits_to_keep": torch.tensor([position], device=where)}
    logits: torch.Tensor = model(**inputs).logits[0]
    if logits.ndim == 1:  # classes
        return logits
    return logits[0 if keeps else position]


def _check_sizes(towers: tuple[Tower, ...], encoded: Encoded) -> None:
    lengths = {side.name: len(side.tokens) for side in encoded.sides}
    for tower in towers:
        expected = tuple(lengths[side] for side in SIDES[tower.name])
        for layer in tower.present:
            if (layer.queries, layer.keys) != expected:
                raise UserError(
                    f"this model attends from {layer.queries} to {layer.keys} positions where the"
                    f" prompt has {expected[0]} and {expected[1]} tokens; not supported."
                )


def outermost_lists(model: nn.Module) -> list[nn.ModuleList]:
    """The outermost lists of modules, such as an encoder's layers and a decoder's."""
    lists: list[nn.ModuleList] = []
    seen = ""
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and not (seen and name.startswith(seen)):
            seen = f"{name}."
            lists.append(module)
    return lists


def outermost_layers(model: nn.Module) -> list[nn.Module]:
    """The members of the outermost lists of modules."""
    return [layer for layers in outermost_lists(model) for layer in layers]


@contextmanager
def watched(model: nn.Module, check_cancel: CheckCancel, progress: Report) -> Iterator[None]:
    """Call back before every layer."""
    layers = outermost_layers(model)
    done = 0

    def before(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        check_cancel()
        progress("forward", min(done, len(layers)), len(layers))
        done += 1

    handles = [layer.register_forward_pre_hook(before) for layer in layers]
    try:
        check_cancel()
        yield
    finally:
        for handle in handles:
            handle.remove()
