"""One query's scores taken apart, before the softmax: which dimensions of q and k make them."""

import math

import numpy as np
import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import GetScores, Scores
from attntui.engine.capture import Call
from attntui.engine.layers import Layer, RecordedLayer
from attntui.engine.masks import allowed
from attntui.engine.split import Recorded


def take_apart(layer: Layer, request: GetScores) -> tuple[Scores, list[np.ndarray]]:
    """The reply, and its arrays `query`, `keys`, `scores` and `weights`.

    Raises:
        UserError: there is no such head or position, or only the layer's weights are known.
    """
    if not isinstance(layer, Recorded):
        raise UserError(
            "only the weights are known here, from the model's own eager attention or from a file,"
            " not the query and key vectors behind them; choose a model of another family, such as"
            " gpt2, bert, llama or t5."
        )
    _check(layer, request)
    query, keys, only = request.query, slice(*request.keys), slice(request.head, request.head + 1)
    row = query, query + 1

    def key_vectors(own: RecordedLayer, heads: slice) -> Tensor:
        return own.call.key[0, heads.start // own.call.groups, keys].float()

    def facts(own: RecordedLayer, _: slice) -> Tensor:
        call = own.call
        softcap = math.nan if call.softcap is None else call.softcap
        return torch.tensor([call.scaling, softcap, _has_bias(call, query)], dtype=torch.float64)

    parts = [
        layer.of_heads(lambda own, heads: own.call.query[0, heads.start, query].float(), only),
        layer.of_heads(key_vectors, only),
        layer.of_heads(lambda own, heads: own.scores(*row, heads)[0, 0, keys], only),
        layer.of_heads(lambda own, heads: own.rows(*row, heads)[0, 0, keys], only),
    ]
    scaling, softcap, has_bias = layer.of_heads(facts, only).tolist()
    found = Scores(request.run, scaling, None if math.isnan(softcap) else softcap, bool(has_bias))
    return found, [part.cpu().numpy() for part in parts]


def _check(layer: Recorded, request: GetScores) -> None:
    (first, stop), heads = request.keys, layer.info.heads
    if not 0 <= request.head < heads:
        raise UserError(f"there is no head {request.head}: heads are 0 to {heads - 1}.")
    if not 0 <= request.query < layer.queries:
        raise UserError(f"there is no query {request.query}: queries are 0 to {layer.queries - 1}.")
    if not 0 <= first <= stop <= layer.keys:
        raise UserError(f"keys {first} to {stop} are not within the {layer.keys} there are.")


def _has_bias(call: Call, query: int) -> bool:
    """Whether the query's visible scores are more than q · k: a position bias, or a mask that adds.

    A mask that the model built itself may hold other numbers than 0 and -inf.
    """
    if call.bias is not None:
        return True
    row = call.mask_rows(query, query + 1)
    return row.dtype != torch.bool and bool(row[allowed(row)].any())
