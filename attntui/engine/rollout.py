"""Attention rollout (Abnar & Zuidema 2020, arXiv 2005.00928), with vit-explain's options."""

import math

import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import SIDES, HeadFusion, Rollout
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.layers import Layer, over_heads, tiles
from attntui.engine.stacks import Tower


def rollout(
    tower: Tower, view: Rollout, check_cancel: CheckCancel = never, progress: Report = silent
) -> Tensor:
    """R = Â_last … Â_start (queries, keys) float32, Â = (1 - residual) · F + residual · I.

    F is a layer's heads fused, small weights discarded, rows normalised (which also takes a learned
    sink's share out). The newer layer multiplies from the left, so row i of R says how much of each
    input token is in the top layer's position i. Layers without attention are skipped.

    Raises:
        UserError: queries and keys are different tokens, or an option is out of its range.
    """
    if SIDES[tower.name][0] != SIDES[tower.name][1]:
        raise UserError(
            "rollout needs queries and keys of the same tokens; cross-attention has not."
        )
    if not 0 <= view.residual <= 1:
        raise UserError(f"the residual must be between 0 and 1, not {view.residual:g}.")
    if not 0 <= view.discard_ratio < 1:
        raise UserError(f"the discard ratio must be from 0 to below 1, not {view.discard_ratio:g}.")
    if not 0 <= view.start_layer < len(tower.layers):
        raise UserError(
            f"the start layer must be from 0 to {len(tower.layers) - 1}, not {view.start_layer}."
        )
    layers = [layer for layer in tower.layers[view.start_layer :] if layer is not None]
    if not layers:
        raise UserError(f"no layer from {view.start_layer} on has attention.")
    joint: Tensor | None = None
    for done, layer in enumerate(layers):
        check_cancel()
        progress("rollout", done, len(layers))
        step = fuse(layer, view.head_fusion, check_cancel)
        if view.discard_ratio:
            discard(step, _allowed(layer), view.discard_ratio)
        step /= step.sum(-1, keepdim=True).clamp_min(torch.finfo(step.dtype).tiny)
        step *= 1 - view.residual
        step.diagonal().add_(view.residual)
        joint = step if joint is None else step @ joint.to(step.device)
    assert joint is not None
    return joint


def fuse(layer: Layer, fusion: HeadFusion, check_cancel: CheckCancel = never) -> Tensor:
    """(queries, keys): the mean, largest or smallest weight over the heads."""
    fused = []
    for start, stop in tiles(layer, layer.info.heads):
        check_cancel()
        if fusion == "mean":
            fused.append(over_heads(layer, start, stop, torch.sum) / layer.info.heads)
        else:
            extreme = torch.amax if fusion == "max" else torch.amin
            fused.append(over_heads(layer, start, stop, extreme))
    return torch.cat(fused)


def discard(fused: Tensor, allowed: Tensor, ratio: float) -> None:
    """Set weights below the `ratio` quantile of the allowed ones to 0; each row keeps its largest.

    Over allowed cells only, or a causal mask's zeros would use up every ratio below a half. A
    weight is below the (interpolated) quantile exactly where it is below the next order statistic.
    kthvalue, since torch.quantile refuses more than 2^24 elements.
    """
    values = fused[allowed]
    if not len(values):
        return
    rank = math.ceil(ratio * (len(values) - 1) - 1e-6) + 1
    keep = fused >= values.kthvalue(rank).values
    keep.scatter_(1, fused.argmax(1, keepdim=True), True)
    fused *= keep


def _allowed(layer: Layer) -> Tensor:
    return torch.cat([layer.allowed(*rows) for rows in tiles(layer, 1)])
