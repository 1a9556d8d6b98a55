"""Relevance to a logit (Chefer et al. 2021, Generic attention-model explainability, 2103.15679)."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from attntui.core.protocol import Stack
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.gradients import mean_weighted
from attntui.engine.layers import Layer, tiles
from attntui.engine.split import Recorded
from attntui.engine.stacks import Tower


def relevance(
    stack: Stack,
    towers: Mapping[Stack, Tower],
    slopes: Sequence[Tensor],
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> Tensor:
    """R - I (queries, keys) float32; of cross-attention R, which begins with zeros.

    Ā = mean over heads of (A · ∂y/∂A)⁺. Self-attention: R ← R + Ā R (rules 6 and 7), whose newer
    layer is on the left. Cross-attention: R_qk ← R_qk + R̂_qqᵀ Ā R̂_kk (rule 10), where R̂ - I is
    R - I with rows divided by their sums (rules 8 and 9); a row of zeros, which the paper's own
    code turns into NaN and those into 0 everywhere, stays as it is.

    Args:
        towers: the run's; of an encoder-decoder all three.
        slopes: ∂y/∂o of every call, see `gradients.slopes`.
    """

    home = towers[stack].device

    def step(layer: Layer) -> Tensor:
        """Ā (queries, keys)"""
        check_cancel()
        assert isinstance(layer, Recorded)
        return mean_weighted(layer, slopes, 0, layer.queries, positive=True).to(home)

    def identity(tower: Tower) -> Tensor:
        return torch.eye(tower.shape[0], device=home)

    def climbed(tower: Tower) -> Tensor:
        found = identity(tower)
        for done, layer in enumerate(tower.present):
            progress("relevance", done, len(tower.present))
            found += step(layer) @ found
        return found

    if stack in ("self", "encoder"):
        return climbed(towers[stack]) - identity(towers[stack])
    encoder, decoder, cross = towers["encoder"], towers["decoder"], towers["cross"]
    keys, queries = climbed(encoder), identity(decoder)
    both = torch.zeros(cross.shape, device=home)
    for done, (own, other) in enumerate(zip(decoder.layers, cross.layers, strict=True)):
        progress("relevance", done, len(decoder.layers))
        if own is not None:
            inner = step(own)
            queries, both = queries + inner @ queries, both + inner @ both
        if other is not None:
            both = both + _normalised(queries).T @ step(other) @ _normalised(keys)
    return both if stack == "cross" else queries - identity(decoder)


def relevance_rows(
    tower: Tower,
    slopes: Sequence[Tensor],
    start: int,
    stop: int,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> Tensor:
    """Rows of R - I (rows, keys) float32 of self-attention without any whole matrix: r ← r + r Ā
    from the newest layer down."""
    layers = tower.present[::-1]
    identity = torch.zeros(stop - start, tower.shape[1], device=layers[0].device)
    identity[range(stop - start), range(start, stop)] = 1
    rows = identity
    for done, layer in enumerate(layers):
        assert isinstance(layer, Recorded)
        before, rows = rows.to(layer.device), rows.to(layer.device).clone()
        for at, end in tiles(layer, layer.info.heads):
            check_cancel()
            progress("relevance", done * layer.queries + at, len(layers) * layer.queries)
            if before[:, at:end].any():  # of the newest layer only these rows count
                step = mean_weighted(layer, slopes, at, end, positive=True)
                rows += before[:, at:end] @ step.to(rows.device)
    return rows - identity.to(rows.device)


def _normalised(relevance: Tensor) -> Tensor:
    """R̂"""
    identity = torch.eye(len(relevance), device=relevance.device)
    others = relevance - identity
    tiny = torch.finfo(others.dtype).tiny
    return others / others.sum(-1, keepdim=True).clamp_min(tiny) + identity
