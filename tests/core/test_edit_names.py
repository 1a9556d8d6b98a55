"""Heads and edges as text, there and back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attntui.core.edit_names import cut_name, cut_of, head_name, heads_of
from attntui.core.errors import UserError
from attntui.core.protocol import Cut, Head

STACKS = st.sampled_from(["self", "encoder", "decoder", "cross"])
NUMBERS = st.integers(0, 10**9 - 1)


@given(st.lists(st.builds(Head, STACKS, NUMBERS, NUMBERS), min_size=1))
def test_heads_are_read_as_they_are_written(heads: list[Head]) -> None:
    assert set(heads_of(" , ".join(map(head_name, heads)))) == set(heads)


@given(st.builds(Cut, STACKS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.none() | NUMBERS))
def test_an_edge_is_read_as_it_is_written(cut: Cut) -> None:
    assert cut_of(cut_name(cut)) == cut


def test_the_written_forms() -> None:
    assert heads_of("6.2,5.1,6.2") == (Head("self", 5, 1), Head("self", 6, 2))
    assert heads_of("cross.5.1") == (Head("cross", 5, 1),)
    assert cut_of("9:4@5.1") == Cut("self", 9, 4, 5, 5, 1)
    assert cut_of("9:4@4-6") == Cut("self", 9, 4, 4, 6)
    assert cut_of("9:4@cross.4-6.0") == Cut("cross", 9, 4, 4, 6, 0)


@pytest.mark.parametrize(
    "text", ["", "5", "5.1,", "5.1.2", "left.5.1", "5,1", "-1.0", "٣.1", "1.1\n2.2"]
)
def test_what_names_no_head_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=f"{re.escape(repr(text))} is no list of heads"):
        heads_of(text)


@pytest.mark.parametrize(
    "text", ["", "9:4", "9@4", "9:4@", "9:4@5.", "9-4@5", "9:4@5-", "9:4@5.1.1"]
)
def test_what_names_no_edge_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=f"{re.escape(repr(text))} is no edge"):
        cut_of(text)
