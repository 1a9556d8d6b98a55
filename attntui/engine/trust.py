"""How far to trust a run: two independent checks, measured and never assumed.

At load, a short prompt runs both ways, captured and with the model's own eager attention, and every
weight is compared; the captured way then rounds as eager does, so that the difference is the
capture's and not depth's. In every run, which uses the fast kernels, at the first, middle and last
row of every layer, recomputed weights times v are compared with the kernel's own output:
|difference| divided by the layer's largest |output|, since rounding grows with what is summed.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from attntui.core.protocol import StackInfo, Trust
from attntui.engine import eager, ranks
from attntui.engine.capture import checked_rows
from attntui.engine.footprint import footprint, widest_output
from attntui.engine.forward import arguments, forward
from attntui.engine.layers import Layer, RecordedLayer, tiles
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.split import held
from attntui.engine.stacks import Tower, dense_towers

TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}


def self_check(loaded: LoadedModel, encoded: Encoded) -> tuple[float | None, tuple[StackInfo, ...]]:
    """Run a short prompt both ways.

    A model whose code needs a real mask tensor fails on our mask rule; it is switched to eager
    attention here for good, and `loaded` says so.

    Returns:
        The largest difference between captured and eager weights over all layers, heads and cells
        (infinite where the two do not even have the same layers; None where the model cannot run
        both ways), and the model's stacks.

    Raises:
        UserError: the model has no attention that can be shown.
    """
    tokens = max(len(side.tokens) for side in encoded.sides)
    try:
        with widest_output(loaded.model, tokens) as widest:
            towers, _ = forward(loaded, encoded, as_eager=True)
    except (AttributeError, TypeError) as error:
        alone = ranks.group() is None  # eager attention is not split over ranks
        if loaded.capture == "eager" or "mask" not in str(error).lower() or not alone:
            raise
        loaded.model.set_attn_implementation("eager")
        loaded.capture = "eager"
        loaded.notes.append("this model needs its mask as a tensor: eager attention is used")
        towers, _ = forward(loaded, encoded)
    loaded.layer_devices = {
        number: layer.device
        for tower in towers
        for number, layer in enumerate(tower.layers)
        if layer is not None and layer.device != loaded.device
    }
    loaded.footprint = footprint(held(towers), widest[0])
    stacks = tuple(tower.info for tower in towers)
    if loaded.capture == "eager":
        return None, stacks
    with eager.eager(loaded.model) as possible:
        if not possible:
            return None, stacks
        with torch.no_grad():
            outputs = eager.outputs(loaded.model, arguments(loaded.model, encoded))
        expected = dense_towers(eager.weights(loaded.model, outputs))
    return _largest(ranks.pooled([_difference(held(towers), expected)])), stacks


def check(loaded: LoadedModel, towers: tuple[Tower, ...]) -> Trust:
    """This run's checks, and whether they and the one at load hold."""
    output_errors, sum_errors, leaks = [], [], []
    for tower, own in zip(towers, held(towers), strict=True):
        for layer in own.present:
            rows = {row: layer.rows(row, row + 1)[:, 0] for row in _checked(layer)}
            sum_errors += [_sum_error(layer, row, weights) for row, weights in rows.items()]
            if tower.causal:
                leaks += [_leak(row, weights) for row, weights in rows.items()]
            if isinstance(layer, RecordedLayer):
                output_errors.append(_output_error(layer, list(rows.values())))
    output_errors, sum_errors, leaks = map(ranks.pooled, (output_errors, sum_errors, leaks))
    output_error = _largest(output_errors) if output_errors else None
    why = _why(loaded, output_error)
    return Trust(
        exact=not why,
        self_check=loaded.self_check,
        output_error=output_error,
        row_sum_error=_largest(sum_errors),
        leak=_largest(leaks) if leaks else None,
        rows_checked=sum(len(_checked(layer)) for tower in towers for layer in tower.present),
        dtype=str(loaded.dtype).removeprefix("torch."),
        why=why,
    )


def _checked(layer: Layer) -> Sequence[int]:
    """The rows that are looked at."""
    kept = layer.call.checked if isinstance(layer, RecordedLayer) else ()
    return kept or checked_rows(layer.queries)


def _why(loaded: LoadedModel, output_error: float | None) -> str:
    """One sentence where a check does not hold, else nothing."""
    tolerance = TOLERANCE.get(loaded.dtype, TOLERANCE[torch.float32])
    if loaded.capture == "eager":
        return "Read from the model's own eager attention, with nothing to compare it to."
    if loaded.self_check is None:
        return "Captured and eager attention were not compared at load."
    if loaded.self_check == math.inf:
        return "Captured and eager attention do not have the same layers."
    if not loaded.self_check <= tolerance:
        return f"Captured and eager attention differ by {loaded.self_check:.1e} at load."
    if output_error is None or not output_error <= tolerance:
        return f"Recomputed weights times v differ from the kernel's output by {output_error:.1e}."
    return ""


def _output_error(layer: RecordedLayer, rows: list[Tensor]) -> float:
    """`rows` are the recomputed weights (heads, keys) of the rows whose output was kept."""
    assert layer.call.output is not None
    kept = layer.call.output.float()
    recomputed = torch.stack([layer.output(weights) for weights in rows])
    scale = kept.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    return float((recomputed - kept).abs().max() / scale)


def _sum_error(layer: Layer, row: int, weights: Tensor) -> float:
    sinks = layer.sinks(row, row + 1)
    share = 0 if sinks is None else sinks[:, 0]
    return float((weights.sum(-1) + share - 1).abs().max())


def _leak(row: int, weights: Tensor) -> float:
    future = weights[:, row + 1 :]
    return float(future.max()) if future.numel() else 0.0


def _difference(towers: tuple[Tower, ...], expected: tuple[Tower, ...]) -> float:
    """The largest difference of any weight; infinite where the layers themselves differ."""
    if [tower.name for tower in towers] != [tower.name for tower in expected]:
        return math.inf
    differences = []
    for tower, other in zip(towers, expected, strict=True):
        pairs = _pairs(tower, other)
        if pairs is None:
            return math.inf
        for layer, same in pairs:
            if (layer.info.heads, layer.keys) != (same.info.heads, same.keys):
                return math.inf
            for start, stop in tiles(layer, layer.info.heads):
                gap = layer.rows(start, stop) - same.rows(start, stop).to(layer.device)
                differences.append(float(gap.abs().max()))
    return _largest(differences)


def _pairs(tower: Tower, other: Tower) -> list[tuple[Layer, Layer]] | None:
    """The same layers of both; a hybrid's `attentions` may or may not count the other layers.

    minimax returns its linear layers' states among them.
    """
    if len(tower.layers) == len(other.layers):
        aligned = [(a, b) for a, b in zip(tower.layers, other.layers, strict=True) if a is not None]
        return None if any(b is None for _, b in aligned) else [(a, b) for a, b in aligned if b]
    if len(tower.present) == len(other.present):
        return list(zip(tower.present, other.present, strict=True))
    return None


def _largest(values: Iterable[float]) -> float:
    """As max, but NaN wins: a NaN anywhere must never pass a check."""
    return float(torch.tensor(list(values), dtype=torch.float64).max())
