"""Which tokens of one text are those of another, by edit distance."""

from collections.abc import Sequence

import numpy as np

from attntui.core.protocol import Token, Word

UNMATCHED = -1


def counterparts(units: Sequence[Token | Word], others: Sequence[Token | Word]) -> np.ndarray:
    """As `matched`, of tokens or words, whatever tokenizer made them.

    Capitals and the white space around a token say nothing: each tokenizer has its own way with
    them.
    """
    return matched(*([_plain(unit.text) for unit in side] for side in (units, others)))


def _plain(text: str) -> str:
    return text.strip().casefold() or text


def matched(texts: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """(texts) int: the place of each text's counterpart among the others, -1 where it has none.

    Levenshtein 1966 with the same cost for putting in, leaving out and replacing: what replaces a
    token counts as its counterpart. Of the alignments that cost least, one whose counterparts are
    the latest is taken.
    """
    found = np.full(len(texts), UNMATCHED, dtype=np.int64)
    start = _common(texts, others)
    stop = _common(texts[start:][::-1], others[start:][::-1])
    found[:start] = np.arange(start)
    found[len(texts) - stop :] = np.arange(len(others) - stop, len(others))
    middle = texts[start : len(texts) - stop], others[start : len(others) - stop]
    for at, other in _aligned(*middle):
        found[start + at] = start + other
    return found


def _common(texts: Sequence[str], others: Sequence[str]) -> int:
    """How many at the beginning are the same."""
    pairs = enumerate(zip(texts, others, strict=False))
    shortest = min(len(texts), len(others))
    return next((at for at, (text, other) in pairs if text != other), shortest)


def _aligned(texts: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of positions that a cheapest alignment puts beside each other."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys((*texts, *others)))}
    ours, theirs = (np.array([numbers[each] for each in side]) for side in (texts, others))
    costs = np.empty((len(ours) + 1, len(theirs) + 1), np.int32)
    ahead = np.arange(len(theirs) + 1)
    costs[0] = ahead
    for at, token in enumerate(ours):
        row = np.minimum(costs[at, 1:] + 1, costs[at, :-1] + (theirs != token))
        # A row's running minimum is what it costs to put in the tokens that come before.
        costs[at + 1] = np.minimum.accumulate(np.concatenate(([at + 1], row)) - ahead) + ahead
    pairs, at, other = [], len(ours), len(theirs)
    while at and other:
        here = costs[at, other]
        if here == costs[at - 1, other - 1] + (ours[at - 1] != theirs[other - 1]):
            at, other = at - 1, other - 1
            pairs.append((at, other))
        elif here == costs[at - 1, other] + 1:
            at -= 1
        else:
            other -= 1
    return pairs
