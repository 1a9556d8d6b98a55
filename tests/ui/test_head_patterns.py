"""A head's pattern is named from its numbers, and only from them."""

import math

import pytest

from attntui.core.protocol import STATISTICS, Statistic
from attntui.ui.head_patterns import MIXED, Values, even_entropy, name_pattern
from attntui.ui.measures import MEASURES


def values(**given: float) -> Values:
    """A head of no pattern, but for what is given."""
    plain: dict[Statistic, float] = dict.fromkeys(STATISTICS, 0.1)
    plain |= {"entropy_bits": 2.0, "distance": 8.0, "largest": 0.4}
    return plain | given  # type: ignore[operator]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"previous": 0.9, "distance": 1.1}, "Mostly the previous token"),
        ({"induction": 0.8, "duplicate": 0.1}, "Mostly what followed an earlier copy"),
        ({"first": 0.9, "sink": 0.9}, "Mostly the first token, a sink"),
        ({"sink": 0.9}, "Mostly one token, a sink"),
        ({"separator": 0.8, "sink": 0.75}, "Mostly separators"),
        ({"self": 0.7}, "Mostly the token itself"),
        ({"entropy_bits": 3.9}, "Spread evenly"),
        ({"distance": 1.5}, "Mostly near tokens"),
        ({"largest": 0.9}, "One token at a time, by no simple rule"),
        ({}, "No single pattern"),
        (dict.fromkeys(STATISTICS, math.nan), "No single pattern"),
    ],
)
def test_the_name_follows_the_numbers(given: dict[str, float], name: str) -> None:
    assert name_pattern(values(**given), 4.0).name == name


def test_even_entropy_is_that_of_even_rows() -> None:
    assert even_entropy(5, 8, causal=False) == 3
    rows = [math.log2(seen) for seen in range(1, 8)]
    assert even_entropy(7, 7, causal=True) == pytest.approx(sum(rows) / 7)


def test_every_statistic_has_words() -> None:
    assert set(MEASURES) == {"cell", "pair", "effect", "shift", "direct", "order", *STATISTICS}
    assert MIXED.evidence
    assert MEASURES["entropy_bits"].bound(1024) == 10
    assert MEASURES["distance"].bound(9) == 8
    assert MEASURES["entropy_bits"].shown(2.414) == "2.41 bits"
    assert MEASURES["cell"].shown(0.00753) == "0.008" and MEASURES["cell"].shown(0.0) == "0.000"
    assert MEASURES["cell"].shown(1 / 32768) == "0.000031"
