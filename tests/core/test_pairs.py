"""Two sentences: where the second begins."""

import pytest

from attntui.core.pairs import sentence_boundary
from attntui.core.protocol import Token, Word


def tokens(parts: list[int]) -> list[Token]:
    return [Token(at, "x", special=part < 0, part=part) for at, part in enumerate(parts)]


@pytest.mark.parametrize(
    ("parts", "boundary"),
    [
        ([-1, 0, 0, -1, 1, 1, -1], 4),  # BERT: [CLS] a a [SEP] b b [SEP]
        ([-1, 0, -1, -1, 1, -1], 4),  # RoBERTa: <s> a </s> </s> b </s>
        ([0, 0, 1], 2),
        ([1, -1, 0], 0),
        ([-1, 0, 0, -1], None),
        ([], None),
    ],
)
def test_the_boundary_is_the_second_sentences_first_token(
    parts: list[int], boundary: int | None
) -> None:
    assert sentence_boundary(tokens(parts)) == boundary


def test_words_have_a_boundary_too() -> None:
    words = [Word("one", 0, 2), Word("[SEP]", 3, 3, True, -1), Word("two", 4, 5, part=1)]
    assert sentence_boundary(words) == 2
