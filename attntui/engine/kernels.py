"""The fastest exact kernel for a recorded call: what the model goes on with.

Plain causal and full attention go to torch's fused kernel without a mask. Windows, chunks, position
bias and learned sinks go to the same kernel in tiles of rows, each with the keys that its rows can
see; soft-capped scores, which the fused kernels do not know, are computed tile by tile.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from attntui.engine.capture import Call

TILE = 256
"""Rows per tile: a mask tile of 100,000 keys is then 26 MB."""


def attend(call: "Call") -> Tensor:
    """The attention's output (1, queries, heads, value size), contiguous."""
    plain = call.mask.plain
    # Where keys stand before the first query's, torch's own causal rule would count from the left.
    is_tiled = plain == "causal" and 1 < call.query.shape[2] < call.key.shape[2]
    if plain and not is_tiled and call.softcap is None and call.sinks is None and call.bias is None:
        same = call.key.shape[-1] == call.value.shape[-1] <= 256
        output = scaled_dot_product_attention(
            call.query,
            call.key if same else _repeat(call.key, call.groups),
            call.value if same else _repeat(call.value, call.groups),
            is_causal=plain == "causal" and call.query.shape[2] > 1,
            scale=call.scaling,
            enable_gqa=same and call.groups > 1,
        )
        return output.transpose(1, 2).contiguous()
    batch, heads, queries, _ = call.query.shape
    output = call.query.new_empty(batch, queries, heads, call.value.shape[-1])
    for rows, keys, mask in _tiles(call):
        tile = _capped if call.softcap is not None else _fused
        output[:, rows] = tile(call, rows, keys, mask).transpose(1, 2)
    return output


def reference(call: "Call") -> Tensor:
    """As `attend`, rounding where transformers' eager attention does, and n x n at once.

    For the self-check alone: two forwards whose layers round differently drift apart with depth
    (1e-5 in float32, more than 2e-2 in bfloat16), which would hide what the check is to find.
    """
    key, value = _repeat(call.key, call.groups), _repeat(call.value, call.groups)
    scores = (call.query @ key.transpose(2, 3)) * call.scaling
    if call.softcap is not None:
        scores = torch.tanh(scores / call.softcap) * call.softcap
    if call.bias is not None:
        scores = scores + call.bias
    scores = _add(scores, call.mask_rows(0, call.query.shape[2]))
    if call.sinks is not None:
        sinks = call.sinks.reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)
        scores = torch.cat([scores, sinks.to(scores.dtype)], dim=-1)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    return (weights[..., : key.shape[2]] @ value).transpose(1, 2).contiguous()


def _tiles(call: "Call") -> Iterator[tuple[slice, slice, Tensor]]:
    """Rows, the keys that any of them sees, and their mask (1 or heads, rows, keys)."""
    for start in range(0, call.query.shape[2], TILE):
        rows = slice(start, min(start + TILE, call.query.shape[2]))
        span = call.mask.span(rows.start, rows.stop)
        yield rows, slice(*span), call.mask_rows(rows.start, rows.stop, span)


def _fused(call: "Call", rows: slice, keys: slice, mask: Tensor) -> Tensor:
    """(1, heads, rows, value size) by the fused kernel with a mask.

    A learned sink is one more key of value 0 whose score comes from the mask.
    """
    query = call.query[:, :, rows]
    key, value = call.key[:, :, keys], call.value[:, :, keys]
    shares = call.groups > 1 and call.sinks is None and key.shape[-1] == value.shape[-1] <= 256
    if not shares:
        key, value = _repeat(key, call.groups), _repeat(value, call.groups)
    if call.bias is not None:
        mask = _add(call.bias[0, :, rows, keys], mask)
    if call.sinks is not None:
        scores = _add(query.new_zeros(()), mask).expand(query.shape[1], *mask.shape[1:])
        sinks = call.sinks.to(query.dtype).reshape(-1, 1, 1).expand(-1, mask.shape[1], 1)
        mask = torch.cat([scores, sinks], dim=-1)
        key = torch.cat([key, key.new_zeros(*key.shape[:2], 1, key.shape[3])], dim=2)
        value = torch.cat([value, value.new_zeros(*value.shape[:2], 1, value.shape[3])], dim=2)
    if mask.dtype != torch.bool:
        mask = mask.to(query.dtype)
    return scaled_dot_product_attention(
        query, key, value, mask[None], scale=call.scaling, enable_gqa=shares
    )


def _capped(call: "Call", rows: slice, keys: slice, mask: Tensor) -> Tensor:
    """(1, heads, rows, value size), scores bounded by tanh before the softmax."""
    assert call.softcap is not None
    key = _repeat(call.key[:, :, keys], call.groups)
    value = _repeat(call.value[:, :, keys], call.groups)
    scores = (call.query[:, :, rows] @ key.transpose(2, 3)).float() * call.scaling
    scores = torch.tanh(scores / call.softcap) * call.softcap
    if call.bias is not None:
        scores = scores + call.bias[:, :, rows, keys]
    scores = _add(scores, mask)
    if call.sinks is not None:
        sinks = call.sinks.float().reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)
        scores = torch.cat([scores, sinks], dim=-1)
    weights = torch.softmax(scores, dim=-1)[..., : key.shape[2]]
    return weights.to(value.dtype) @ value


def _add(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores with a mask, bool or additive, applied."""
    if mask.dtype == torch.bool:
        return torch.where(mask, scores, torch.finfo(scores.dtype).min)
    return scores + mask


def _repeat(tensor: Tensor, groups: int) -> Tensor:
    """Key or value heads repeated for the query heads that share them."""
    return tensor if groups == 1 else tensor.repeat_interleave(groups, dim=1)
