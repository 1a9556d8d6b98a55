"""What switching off each head does to a measure: exactly, or estimated from one backward pass."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from attntui.core.errors import UserError
from attntui.core.protocol import AblateWith, GetEffects
from attntui.engine import measures, ranks
from attntui.engine.capture import Call, listening
from attntui.engine.edits import head_outputs, held_head, recorded
from attntui.engine.forward import arguments
from attntui.engine.graph import kept_graph
from attntui.engine.layers import RecordedLayer
from attntui.engine.model import LoadedModel, Work
from attntui.engine.quantising import check_gradients
from attntui.engine.run import Run
from attntui.engine.split import Recorded
from attntui.engine.variants import Off, Variants


def effects(loaded: LoadedModel, run: Run, request: GetEffects, work: Work) -> list[np.ndarray]:
    """The arrays `effects` and `value`, as `GetEffects` describes.

    Raises:
        UserError: there is no such layer or measure, or the model cannot be edited.
        Cancelled: the call was given up.
    """
    measures.check(loaded, run, request.measure)
    base = measures.base_value(run, request.measure)
    found = _estimated if request.estimate else _exact
    return [found(loaded, run, request, work, base), np.array([base], np.float32)]


def _exact(
    loaded: LoadedModel, run: Run, request: GetEffects, work: Work, base: float
) -> np.ndarray:
    """(heads) float32"""
    layer = recorded(run.views.layer(request.stack, request.layer))
    variants = [(off,) for off in switched_off(layer, range(layer.info.heads), request.ablate_with)]
    positions = measures.needed(run, request.measure)
    run.variants = run.variants or Variants(loaded, run.encoded, work.check_cancel)
    values: list[Tensor] = []
    for logits in run.variants.logits(variants, positions, work.check_cancel):
        values += measures.value(run, request.measure, logits).cpu()
        work.progress("heads", len(values), len(variants))
    exact: np.ndarray = torch.stack(values).numpy() - np.float32(base)
    return exact


def switched_off(
    layer: Recorded, heads: Iterable[int], ablate_with: AblateWith
) -> Iterator[Off | None]:
    """Some heads of a layer; None for one that another rank holds."""
    outputs = None if layer.own is None else head_outputs(layer.own, ablate_with)
    for head in heads:
        at = held_head(layer, head)
        if layer.own is None or outputs is None or at is None:
            yield None
        else:
            yield Off(layer.own.call.index, at, outputs[at])


class _Gates:
    """Scales every head's output between what it gives when off and its own."""

    def __init__(self, off: list[Tensor]) -> None:
        self._off = off
        self.gates = [torch.ones(len(each), device=each.device, requires_grad=True) for each in off]
        self._count = 0

    def heard(self, module: nn.Module, call: Call, output: Tensor) -> Tensor:
        gate = self.gates[self._count][:, None].to(output)
        off = self._off[self._count].to(output)
        self._count += 1
        return off + gate * (output - off)


def _estimated(
    loaded: LoadedModel, run: Run, request: GetEffects, work: Work, base: float
) -> np.ndarray:
    """(layers, heads) float32: -dm/dg, where g scales a head's output from 0, off, to 1, its own.

    Michel et al. 2019, Are sixteen heads really better than one?, equation 3, with its sign.
    """
    if request.measure.kind == "divergence":
        raise UserError("The divergence is least at the run itself, so its gradient says nothing.")
    check_gradients(loaded.model)
    ranks.check_whole("A gradient")
    for tower in run.towers:
        tower.check_recorded("The estimate")
    layers = [recorded(layer).own for tower in run.towers for layer in tower.present]
    off = [torch.empty(0)] * len(layers)
    for layer in layers:
        if layer is not None:
            off[layer.call.index] = head_outputs(layer, request.ablate_with)
    gates = _Gates(off)
    with torch.enable_grad(), listening(gates), kept_graph(loaded, run.encoded):
        logits = loaded.model(**arguments(loaded.model, run.encoded)).logits
        logits = logits[:, None] if logits.ndim == 2 else logits
        positions = measures.needed(run, request.measure)
        logits = logits if positions is None else logits[:, positions]
        slopes = torch.autograd.grad(
            measures.value(run, request.measure, logits)[0], gates.gates, allow_unused=True
        )
    tower = run.views.tower(request.stack)
    found = np.full((len(tower.layers), tower.heads), np.nan, np.float32)

    def slope(own: RecordedLayer, heads: slice) -> Tensor:
        found = slopes[own.call.index]
        found = torch.zeros(own.info.heads) if found is None else -found
        return found.detach().float()[heads]

    for number, each in enumerate(tower.layers):
        if each is not None:
            found[number, : each.info.heads] = each.of_heads(slope).cpu().numpy()
    return found
