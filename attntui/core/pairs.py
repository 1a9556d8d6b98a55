"""Two sentences in one text: where the second begins."""

from collections.abc import Sequence

from attntui.core.protocol import Token, Word


def sentence_boundary(tokens: Sequence[Token | Word]) -> int | None:
    """The position where sentence B begins, None where there is no second sentence.

    Everything before B's first own token is A, so the separators between the two are A's: in BERT's
    input this is where the segment ids change, which bertviz calls `sentence_b_start`.
    """
    return next((at for at, token in enumerate(tokens) if token.part == 1), None)
