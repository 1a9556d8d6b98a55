"""Attention rollout (Abnar & Zuidema 2020, arXiv 2005.00928), with vit-explain's options."""

import math

import torch
from torch import Tensor

from attntui.core.costs import MOST_JOINT
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
    layers = _layers(tower, view)
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


def rollout_rows(
    tower: Tower,
    view: Rollout,
    start: int,
    stop: int,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> Tensor:
    """Rows of R (rows, keys) float32 without any whole matrix: r ← r Â from the newest layer down.

    Raises:
        UserError: as of `rollout`; or weights are to be discarded, which takes a layer's all.
    """
    layers = _layers(tower, view)[::-1]
    if view.discard_ratio:
        raise UserError(
            f"discarding small weights sorts all of a layer's, which is for {MOST_JOINT:,} tokens "
            f"at most, and here are {tower.shape[0]:,}: set the discard ratio to 0."
        )
    rows = torch.zeros(stop - start, tower.shape[1], device=layers[0].device)
    rows[range(stop - start), range(start, stop)] = 1
    for done, layer in enumerate(layers):
        rows = rows.to(layer.device)
        passed = view.residual * rows
        for at, end in tiles(layer, layer.info.heads):
            check_cancel()
            progress("rollout", done * layer.queries + at, len(layers) * layer.queries)
            if not rows[:, at:end].any():  # of the newest layer only these rows count
                continue
            step = _fused(layer, at, end, view.head_fusion)
            step /= step.sum(-1, keepdim=True).clamp_min(torch.finfo(step.dtype).tiny)
            passed += (1 - view.residual) * (rows[:, at:end] @ step)
        rows = passed
    return rows


def _layers(tower: Tower, view: Rollout) -> list[Layer]:
    """The layers that count, the oldest first.

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
    tower.check_recorded("Rollout", view.start_layer)
    layers = [layer for layer in tower.layers[view.start_layer :] if layer is not None]
    if not layers:
        raise UserError(f"no layer from {view.start_layer} on has attention.")
    return layers


def fuse(layer: Layer, fusion: HeadFusion, check_cancel: CheckCancel = never) -> Tensor:
    """(queries, keys): the mean, largest or smallest weight over the heads."""
    fused = []
    for start, stop in tiles(layer, layer.info.heads):
        check_cancel()
        fused.append(_fused(layer, start, stop, fusion))
    return torch.cat(fused)


def _fused(layer: Layer, start: int, stop: int, fusion: HeadFusion) -> Tensor:
    """(rows, keys)"""
    if fusion == "mean":
        return over_heads(layer, start, stop, torch.sum) / layer.info.heads
    return over_heads(layer, start, stop, torch.amax if fusion == "max" else torch.amin)


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
