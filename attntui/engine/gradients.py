"""How a logit changes with the attention weights, from one backward pass.

Head h gives o[i] = Σ_j A[i, j] v_j to the output projection, so that ∂y/∂A[i, j] = ∂y/∂o[i] · v_j:
what is kept grows with the text, not with its square, and rows are had when somebody looks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from attntui.core.protocol import Target
from attntui.engine import ranks
from attntui.engine.again import Again, Hearing, logit
from attntui.engine.capture import Changes
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.graph import kept_graph
from attntui.engine.layers import RecordedLayer, tile_rows
from attntui.engine.quantising import check_gradients
from attntui.engine.split import Recorded


class _Outputs(Hearing):
    """Keeps what the heads of each call give, as leaves or nodes of the graph."""

    def __init__(self, changes: Changes) -> None:
        super().__init__(changes)
        self.kept: list[Tensor] = []

    def kernel(self, output: Tensor) -> Tensor:
        output = output if output.requires_grad else output.detach().requires_grad_()
        self.kept.append(output)
        return output


def slopes(
    again: Again, target: Target, check_cancel: CheckCancel = never, progress: Report = silent
) -> list[Tensor]:
    """∂y/∂o of every call of the attention function, each (queries, heads, value size) float32.

    Raises:
        UserError: there is no such target, or gradients would be wrong.
    """
    again.check(target)
    check_gradients(again.loaded.model)
    ranks.check_whole("A gradient")
    outputs = _Outputs(again.changes)
    with torch.enable_grad(), kept_graph(again.loaded, again.encoded):
        logits = again.logits_at(target.position, outputs, check_cancel, progress)
        progress("backward", 0, 0)
        found = torch.autograd.grad(logit(logits, target), outputs.kept, allow_unused=True)
    return [
        torch.zeros_like(kept[0], dtype=torch.float32) if slope is None else slope[0].float()
        for kept, slope in zip(outputs.kept, found, strict=True)
    ]


def weighted(
    layer: Recorded, slopes: Sequence[Tensor], start: int, stop: int, heads: slice | None = None
) -> Tensor:
    """(heads, rows, keys) float32: A · ∂y/∂A. `slopes`: ∂y/∂o of every call."""

    def take(own: RecordedLayer, heads: slice) -> Tensor:
        slope = slopes[own.call.index][start:stop, heads].transpose(0, 1).to(own.device)
        return own.rows(start, stop, heads) * (slope @ own.values()[heads].transpose(1, 2))

    return layer.of_heads(take, heads)


def mean_weighted(
    layer: Recorded, slopes: Sequence[Tensor], start: int, stop: int, positive: bool = False
) -> Tensor:
    """(rows, keys) float32: the mean over heads, of positive parts if wanted."""
    step = tile_rows(layer.device, layer.info.heads * layer.keys)
    found = []
    for at in range(start, stop, step):
        end = min(at + step, stop)

        def total(own: RecordedLayer, heads: slice, at: int = at, end: int = end) -> Tensor:
            tile = weighted(own, slopes, at, end, heads)
            return (tile.clamp_min(0) if positive else tile).sum(0, keepdim=True)

        found.append(layer.of_heads(total).sum(0) / layer.info.heads)
    return torch.cat(found) if found else layer.rows(start, stop)[0]
