"""Whether heads follow words or their places: which words are swapped, and what it comes to."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from attntui.core.protocol import SideInfo, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


def neighbours(side: SideInfo) -> list[int]:
    """The first of every two words that stand beside each other in one text.

    Marks and special tokens are no words; nor is anything swapped with the same once more.
    """
    return [
        at
        for at, (word, after) in enumerate(pairwise(side.words))
        if _is_word(word)
        and _is_word(after)
        and (word.part, word.role) == (after.part, after.role)
        and word.text != after.text
    ]


def _is_word(word: Word) -> bool:
    return word.part >= 0 and not word.special and any(char.isalnum() for char in word.text)


class WordOrder:
    """The sums of many swaps, as `GetOrder` gives them."""

    def __init__(self) -> None:
        self.pairs = 0
        self.left_out = 0
        """Pairs whose tokens were others once they were swapped."""
        self._sums: np.ndarray | None = None

    def add(self, arrays: Sequence[np.ndarray]) -> None:
        """One pair's answer."""
        sums, count = arrays
        if not count[0]:
            self.left_out += 1
            return
        self.pairs += 1
        self._sums = sums.astype("float64") if self._sums is None else self._sums + sums

    @property
    def by_words(self) -> np.ndarray | None:
        """(layers, heads) bits: how far attention is from following the words; None before any."""
        return None if self._sums is None else _share(self._sums[0], self._sums[2])

    @property
    def by_position(self) -> np.ndarray | None:
        """(layers, heads) bits: how far it is from staying at the places."""
        return None if self._sums is None else _share(self._sums[1], self._sums[2])

    @property
    def difference(self) -> np.ndarray | None:
        """(layers, heads) bits: above 0 where a head follows order, below where words."""
        words, places = self.by_words, self.by_position
        if words is None or places is None:
            return None
        found: np.ndarray = words - places
        return found


def _share(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """NaN where nothing counts."""
    import numpy as np

    found: np.ndarray = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=found, where=counts > 0)
    return found
