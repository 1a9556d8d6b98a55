"""Two sentences: where the second begins, and which cells lead from one to the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attntui.core.pairs import BETWEEN, Between, between, sentence_boundary, whole_cells
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


def expected(pair: Between, boundary: int, query: int, key: int) -> bool:
    names = ["AB"[at >= boundary] for at in (query, key)]
    return pair == "all" or pair == f"{names[0]}→{names[1]}"


@given(
    st.sampled_from(BETWEEN),
    st.integers(0, 12),
    st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted),
    st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted),
)
def test_cells_are_kept_by_the_sentences_of_query_and_key(
    pair: Between, boundary: int, rows: list[int], keys: list[int]
) -> None:
    kept = between(pair, boundary, (rows[0], rows[1]), (keys[0], keys[1]))
    assert kept.dtype == bool and kept.shape == (rows[1] - rows[0], keys[1] - keys[0])
    for y, query in enumerate(range(*rows)):
        for x, key in enumerate(range(*keys)):
            assert kept[y, x] == expected(pair, boundary, query, key)


def test_the_four_parts_are_the_whole() -> None:
    parts = [between(pair, 3, (0, 7), (0, 7)) for pair in BETWEEN[1:]]
    assert (np.sum(parts, axis=0) == between("all", 3, (0, 7), (0, 7))).all()


def test_a_cell_of_both_sentences_shows_neither() -> None:
    inside = between("A→B", 3, (0, 5), (0, 7))
    found = whole_cells(inside, 2, 2)
    assert found.astype(int).tolist() == [[0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert (whole_cells(inside, 1, 1) == inside).all()
