"""Lists of layers and heads."""

import pytest

from attntui.core.errors import UserError
from attntui.core.selection import choose, describe, parse_selection


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("all", [0, 1, 2, 3, 4, 5, 6]),
        ("0", [0]),
        ("0,3-5", [0, 3, 4, 5]),
        (" 5 , 1 - 2 ", [1, 2, 5]),
        ("2,2,1-3", [1, 2, 3]),
    ],
)
def test_lists_are_read(text: str, numbers: list[int]) -> None:
    assert choose(parse_selection(text, "--layers"), 7, "layer", "m") == numbers


@pytest.mark.parametrize("text", ["", "x", "-1", "1,,2", "1;2", "0-", "9" * 40, "٣"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--heads .* is neither all nor a list"):
        choose(parse_selection(text, "--heads"), 7, "head", "m")


def test_a_range_that_runs_backwards_is_turned() -> None:
    with pytest.raises(UserError, match=r"--heads '0,3-1' has a range .* backwards: write 1-3"):
        parse_selection("0,3-1", "--heads")


def test_a_number_too_large_is_named_at_once() -> None:
    selection = parse_selection("0-999999999", "--layers")
    with pytest.raises(UserError, match="no layer 999999999: gpt2 has layers 0 to 11"):
        choose(selection, 12, "layer", "gpt2")
    with pytest.raises(UserError, match="no head 1: tiny has one head, number 0"):
        choose(((1, 1),), 1, "head", "tiny")


def test_a_description_reads_back() -> None:
    assert describe([0, 3, 4, 5, 9]) == "0,3-5,9"
