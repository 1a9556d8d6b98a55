"""Which word each word gives most weight, in every head.

A word's tokens are told by whoever asks, as a treebank's words are not the tokenizer's. Weights are
those of words (Clark et al. 2019, arXiv 1906.04341, section 4.1); as in their section 4.2, a word
itself and tokens of no word, special ones among them, are passed over.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import SIDES, GetStrongest
from attntui.engine.axis import Axis
from attntui.engine.forward import CheckCancel, never
from attntui.engine.layers import Layer
from attntui.engine.reading import Reader
from attntui.engine.run import Run

Spans = Sequence[tuple[int, int]]


def strongest(run: Run, request: GetStrongest, check_cancel: CheckCancel = never) -> np.ndarray:
    """(layers, heads, words) int64, as `GetStrongest` describes.

    Raises:
        UserError: the run has no such stack, it has two texts, or the words are no words of one.
    """
    tower = run.views.tower(request.stack)
    if len(set(SIDES[request.stack])) > 1:
        raise UserError(f"the {request.stack} attention is of two texts: its words have no order.")
    _check(request.words, tower.shape[0])
    axis, places = _axis(request.words, tower.shape[0])
    reader = Reader(run.views, tower, axis, axis)
    found = np.full((len(tower.layers), tower.heads, len(places)), -1, np.int64)
    for number, layer in enumerate(tower.layers):
        if layer is not None and len(places) > 0:
            check_cancel()
            found[number, : layer.info.heads] = _of_layer(reader, layer, places).numpy()
    return found


def _of_layer(reader: Reader, layer: Layer, places: Tensor) -> Tensor:
    """(heads, words) int64. `places` are the words' positions on the reader's axes."""
    found = torch.full((layer.info.heads, len(places)), -1, dtype=torch.int64)
    for start, stop in reader.tiles(0, reader.shape[0], heads=layer.info.heads):
        first, end = torch.searchsorted(places, torch.tensor([start, stop])).tolist()
        rows = reader.heads(layer, start, stop).weights.cpu()
        weights = rows[:, places[first:end] - start][..., places].nan_to_num(0)
        words = torch.arange(first, end)
        weights[:, words - first, words] = 0
        largest, at = weights.max(-1)  # the first of equals
        found[:, first:end] = at.masked_fill(largest <= 0, -1)
    return found


def _axis(words: Spans, tokens: int) -> tuple[Axis, Tensor]:
    """Words and the tokens between them as positions, and which positions are the words."""
    starts: list[int] = []
    places: list[int] = []
    at = 0
    for first, stop in words:
        starts += range(at, first + 1)
        places.append(len(starts) - 1)
        at = stop
    return Axis((*starts, *range(at, tokens + 1))), torch.tensor(places, dtype=torch.long)


def _check(words: Spans, tokens: int) -> None:
    ends = [0, *(end for word in words for end in word), tokens]
    rising = all(before <= after for before, after in pairwise(ends))
    if not rising or any(first == stop for first, stop in words):
        raise UserError(f"words must be ranges of the {tokens} tokens, in order, none empty.")
