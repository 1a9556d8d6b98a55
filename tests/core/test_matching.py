"""Alignment by edit distance, against the textbook recursion."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from attntui.core.matching import counterparts, matched
from attntui.core.protocol import Token

texts = st.lists(st.sampled_from("abc"), max_size=7)


def distance(one: list[str], other: list[str]) -> int:
    """Levenshtein's recursion."""

    @cache
    def rest(at: int, there: int) -> int:
        if at == len(one) or there == len(other):
            return len(one) - at + len(other) - there
        return min(
            rest(at + 1, there + 1) + (one[at] != other[there]),
            rest(at + 1, there) + 1,
            rest(at, there + 1) + 1,
        )

    return rest(0, 0)


@given(texts, texts)
def test_it_costs_what_the_distance_is_and_keeps_the_order(
    one: list[str], other: list[str]
) -> None:
    places = matched(one, other).tolist()
    pairs = [(at, place) for at, place in enumerate(places) if place >= 0]
    replaced = sum(one[at] != other[place] for at, place in pairs)
    assert replaced + len(one) + len(other) - 2 * len(pairs) == distance(one, other)
    assert [place for _, place in pairs] == sorted({place for _, place in pairs})


def test_what_is_put_in_left_out_or_replaced() -> None:
    assert matched([*"abcd"], [*"abcd"]).tolist() == [0, 1, 2, 3]
    assert matched([*"abXcd"], [*"abcd"]).tolist() == [0, 1, -1, 2, 3]
    assert matched([*"abd"], [*"abcd"]).tolist() == [0, 1, 3]
    assert matched([*"abXd"], [*"abcd"]).tolist() == [0, 1, 2, 3]
    assert matched([], [*"ab"]).tolist() == [] and matched([*"ab"], []).tolist() == [-1, -1]


def test_tokens_of_other_tokenizers_stand_beside_each_other() -> None:
    """White space and capitals are the tokenizer's; a token of white space alone is what it is."""
    one, other = (
        [Token(0, text) for text in texts]
        for texts in (["[CLS]", "the", "cat", "\n"], ["<s>", " The", " big", " cat", " ", "\n"])
    )
    assert counterparts(one, other).tolist() == [0, 1, 3, 5]
