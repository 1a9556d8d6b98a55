"""One axis of a matrix as it is read: its positions are tokens, or words of several tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from attntui.core.protocol import SideInfo


@dataclass(frozen=True)
class Axis:
    """Positions in order: `starts` is the first token of each, then how many tokens there are."""

    starts: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many positions there are."""
        return len(self.starts) - 1

    @cached_property
    def longest(self) -> int:
        """The most tokens that one position has."""
        return max((stop - start for start, stop in pairwise(self.starts)), default=1)

    @cached_property
    def of_token(self) -> list[int]:
        """The position of each token."""
        return [at for at, span in enumerate(pairwise(self.starts)) for _ in range(*span)]

    def tokens(self, start: int, stop: int) -> tuple[int, int]:
        """The half-open range of tokens of a half-open range of positions."""
        return self.starts[start], self.starts[stop]

    def positions(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """The positions that hold any of some tokens, in order, each once."""
        return tuple(sorted({self.of_token[token] for token in tokens}))

    def sums(self, weights: Tensor, dim: int, start: int, stop: int) -> Tensor:
        """Positions start to stop from their tokens: `dim`, of tokens, becomes one of positions."""
        first, end = self.tokens(start, stop)
        if end - first == stop - start:
            return weights
        owner = torch.tensor(self.of_token[first:end], device=weights.device) - start
        shape = list(weights.shape)
        shape[dim] = stop - start
        return weights.new_zeros(shape).index_add_(dim, owner, weights)

    def means(self, weights: Tensor, dim: int, start: int, stop: int) -> Tensor:
        """As `sums`, but the mean over each position's tokens."""
        sums = self.sums(weights, dim, start, stop)
        if sums is weights:
            return weights
        lengths = torch.tensor(self.starts[start : stop + 1], device=weights.device).diff()
        shape = [1] * weights.ndim
        shape[dim] = stop - start
        return sums / lengths.reshape(shape)


def axis(side: SideInfo, words: bool) -> Axis:
    """A side's tokens, or its words; a side without words has each token for one."""
    if words and side.words:
        return Axis((*(word.first for word in side.words), len(side.tokens)))
    return Axis(tuple(range(len(side.tokens) + 1)))
