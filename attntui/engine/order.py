"""Whether heads follow words or the places they stand at: two words swapped, both runs compared.

An experiment of ours, after the shuffled word orders of Pham et al. 2021 (arXiv 2012.15180) and
Sinha et al. 2021 (arXiv 2104.06644), with the divergence of `shifts`.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import SIDES, GetOrder, PromptInput, SideInfo
from attntui.core.retyping import place_of, swapped
from attntui.engine import room
from attntui.engine.again import NO_MODEL, Again
from attntui.engine.encoding import truncate
from attntui.engine.forward import CheckCancel, forward, never
from attntui.engine.layers import Layer, tiles
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.run import Run
from attntui.engine.sides import side
from attntui.engine.tokenising import tokenise


def order(run: Run, request: GetOrder, check_cancel: CheckCancel = never) -> list[np.ndarray]:
    """The arrays `sums` and `count`, as `GetOrder` describes.

    Raises:
        UserError: the stack has no words to swap, there is no such pair of words, or no room.
        Cancelled: the call was given up.
    """
    tower, again = run.views.tower(request.stack), run.again
    sums = np.zeros((3, len(tower.layers), tower.heads), np.float32)
    found = _swapped(again, request)
    if again is None or found is None:
        return [sums, np.zeros(1, np.int64)]
    encoded, swap = found
    if run.plan.in_chunks:  # this forward is whole
        room.plan(again.loaded, encoded, run.plan.record, whole=True)
    towers, _ = forward(
        again.loaded, encoded, check_cancel, changes=again.changes, what=run.plan.recording
    )
    other = next(each for each in towers if each.name == request.stack)
    for number, (layer, after) in enumerate(zip(tower.layers, other.layers, strict=True)):
        if layer is not None and after is not None:
            sums[:, number, : layer.info.heads] = swap.sums(layer, after, check_cancel)
    return [sums, np.ones(1, np.int64)]


class _Swap:
    """Where tokens go: `first` to `middle` and `middle` to `stop` in each other's stead."""

    def __init__(self, first: int, middle: int, stop: int, tokens: int, of_queries: bool) -> None:
        self.to = torch.arange(tokens)
        self.to[first:middle] += stop - middle
        self.to[middle:stop] -= middle - first
        self._keys = torch.cat([self.to, torch.tensor([tokens])])
        """The same with one outcome more, that stays."""
        self.pair = slice(first, stop)
        self._of_queries = of_queries
        """Whether queries are the same tokens, and move as well."""

    def sums(self, layer: Layer, after: Layer, check_cancel: CheckCancel) -> np.ndarray:
        """(3, heads)"""
        sums = torch.zeros(3, layer.info.heads, dtype=torch.float64)
        least = (
            self.pair.start if layer.causal and self._of_queries else 0
        )  # those see neither word
        for start, stop in tiles(layer, 4 * layer.info.heads):
            check_cancel()
            if stop > least:
                sums += self._tile(layer, after, max(start, least), stop)
        return sums.numpy()

    def _tile(self, layer: Layer, after: Layer, start: int, stop: int) -> Tensor:
        """(3, heads): the sums over some queries."""
        places = torch.arange(start, stop)
        to = self.to[start:stop] if self._of_queries else places
        low, high = min(start, int(to.min())), max(stop, int(to.max()) + 1)
        rows, others = _outcomes(layer.rows(start, stop)), _outcomes(after.rows(low, high))
        own, theirs = _information(rows), _information(others)
        counts = rows[..., self.pair].sum(-1) + others[:, places - low][..., self.pair].sum(-1)
        counts /= 2
        if self._of_queries:
            counts[:, (places >= self.pair.start) & (places < self.pair.stop)] = 1
        parts = []
        for there, keys in ((to - low, self._keys), (places - low, slice(None))):
            middle = (rows + others[:, there][..., keys]) / 2
            bits = (own + theirs[:, there]) / 2 - _information(middle)
            parts.append(bits.clamp_min(0) * counts)
        return torch.stack([*parts, counts]).double().sum(-1).cpu()


def _outcomes(rows: Tensor) -> Tensor:
    """(heads, rows, keys + 1): the weights, and what a learned sink has."""
    return torch.cat([rows, (1 - rows.sum(-1, keepdim=True)).clamp_min(0)], dim=-1)


def _information(rows: Tensor) -> Tensor:
    """(heads, rows): Σ p log2 p, half of it being what `shifts.divergence` has of each row; once
    for both alignments, which is twice as quick."""
    bits: Tensor = (rows * rows.clamp_min(torch.finfo(rows.dtype).tiny).log2()).sum(-1)
    return bits


def _swapped(again: Again | None, request: GetOrder) -> tuple[Encoded, _Swap] | None:
    """The prompt with the two words swapped; None where that gives other tokens."""
    if again is None:
        raise UserError(NO_MODEL)
    encoded = again.encoded
    prompt, text = encoded.prompt, encoded.sides[0]
    queries, keys = SIDES[request.stack]
    if prompt is None or keys != text.name:
        raise UserError("The words of the prompt are swapped, not the decoder's: a goes to others.")
    if not 0 <= request.word < len(text.words) - 1:
        raise UserError(f"There is no word {request.word} with one after it.")
    one, two = text.words[request.word : request.word + 2]
    places = (place_of(prompt, text, each.first, each.last) for each in (one, two))
    other = _read(again.loaded, swapped(prompt, *places).prompt, text)
    swap = _Swap(one.first, two.first, two.last + 1, len(text.tokens), queries == keys)
    if not _is_as_expected(text, other, swap, request.word):
        return None
    ids = torch.tensor([[token.id for token in other.tokens]], device=again.loaded.device)
    return replace(encoded, inputs={**encoded.inputs, "input_ids": ids}), swap


def _read(loaded: LoadedModel, prompt: PromptInput, text: SideInfo) -> SideInfo:
    """A prompt's tokens, cut like the text."""
    pieces = tokenise(loaded, prompt)
    if prompt.truncate is not None:
        pieces = truncate(pieces, len(text.tokens), prompt.truncate)
    return side(loaded.tokenizer, text.name, pieces)


def _is_as_expected(text: SideInfo, other: SideInfo, swap: _Swap, word: int) -> bool:
    """Whether all words have the tokens they had; the two may begin with a space they had not."""
    ids, others = ([token.id for token in each.tokens] for each in (text, other))
    if len(ids) != len(others):
        return False
    start, stop = swap.pair.start, swap.pair.stop
    lengths, after = ([each.last - each.first for each in one.words] for one in (text, other))
    lengths[word : word + 2] = lengths[word + 1], lengths[word]
    return ids[:start] + ids[stop:] == others[:start] + others[stop:] and lengths == after
