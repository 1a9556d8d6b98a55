"""Two sentences in one text: where the second begins."""

from collections import deque
from collections.abc import Sequence

from attntui.core.protocol import Token, Word

_found: deque[tuple[Sequence[Token | Word], int | None]] = deque(maxlen=4)
"""The newest answers: every line of a grid asks, and to look through 32,768 tokens takes 10 ms."""


def sentence_boundary(tokens: Sequence[Token | Word]) -> int | None:
    """The position where sentence B begins, None where there is no second sentence.

    Everything before B's first own token is A, so the separators between the two are A's: in BERT's
    input this is where the segment ids change, which bertviz calls `sentence_b_start`.
    """
    for known, boundary in _found:
        if known is tokens:
            return boundary
    boundary = next((at for at, token in enumerate(tokens) if token.part == 1), None)
    _found.appendleft((tokens, boundary))
    return boundary
