"""Value-weighted attention (Kobayashi et al. 2020, Attention is not only a weight, 2004.10102).

What query i gets from key j through head h is the vector A_h[i, j] · f_h(j), f_h(j) = v_j W_O^h;
the bias of the output projection belongs to no key. Its length is asked for: of one head's vector,
or of the sum over heads, ‖Σ_h A_h[i, j] f_h(j)‖² = Σ_hg A_h[i, j] A_g[i, j] · f_h(j)·f_g(j). Those
products, heads x heads for each key, do in place of vectors for each query, key and head.
"""

import torch
from torch import Tensor

from attntui.engine.layers import RecordedLayer, tile_rows

KEYS = 64
"""Whose vectors are held at a time."""


def products(layer: RecordedLayer, weights: Tensor) -> Tensor:
    """(keys, heads, heads): f_h(j)·f_g(j). `weights`: (heads, value size, model size).

    In float64: heads may cancel, and what is left is a root.
    """
    wide = torch.float32 if layer.device.type == "mps" else torch.float64
    values, weights = layer.values().to(wide), weights.to(wide)
    found = []
    for start in range(0, layer.keys, KEYS):
        vectors = (values[:, start : start + KEYS] @ weights).transpose(0, 1)
        found.append(vectors @ vectors.transpose(1, 2))
    return torch.cat(found)


def head_norms(layer: RecordedLayer, products: Tensor, head: int, start: int, stop: int) -> Tensor:
    """(rows, keys) float32 of one head."""
    lengths = products[:, head, head].clamp_min(0).sqrt().float()
    return layer.rows(start, stop, slice(head, head + 1))[0] * lengths


def summed_norms(layer: RecordedLayer, products: Tensor, start: int, stop: int) -> Tensor:
    """(rows, keys) float32 of all heads together."""
    step = tile_rows(layer.device, layer.info.heads * layer.keys)
    found = []
    for at in range(start, stop, step):
        weights = layer.rows(at, min(at + step, stop)).to(products.dtype).permute(2, 1, 0)
        squares = ((weights @ products) * weights).sum(-1).clamp_min(0)
        found.append(squares.sqrt().T.float())
    return torch.cat(found) if found else layer.rows(start, stop)[0]
