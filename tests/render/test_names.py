"""Views in words, and what is said of each."""

from typing import get_args

import pytest

from attntui.core.protocol import Flow, Gradient, Lens, Norm, Relevance, Target, View
from attntui.render.methods import METHODS
from attntui.render.names import short_name, view_name

AIM = Target(12, 318)


@pytest.mark.parametrize(
    ("view", "name", "short"),
    [
        (Norm("self", 5, 1), "Layer 5 Head 1 · length of what is passed on", "Norm 5.1"),
        (
            Norm("cross", 5),
            "Cross Layer 5 sum of heads · length of what is passed on",
            "Cross Norm layer 5",
        ),
        (
            Gradient("self", 5, 1, AIM),
            "Layer 5 Head 1 · attention x gradient · target 318 at 12",
            "Gradient 5.1",
        ),
        (
            Gradient("self", 5, None, Target(12, 318, 262)),
            "Layer 5 mean over heads · attention x gradient · target 318 less 262 at 12",
            "Gradient layer 5",
        ),
        (Relevance("self", AIM), "Relevance · target 318 at 12", "Relevance to 12"),
        (Flow("encoder"), "Encoder Flow · residual 0.5", "Encoder Flow 0.5"),
    ],
)
def test_lenses_in_words(view: View, name: str, short: str) -> None:
    assert (view_name(view), short_name(view)) == (name, short)


def test_a_targets_text_takes_the_place_of_its_number() -> None:
    assert view_name(Relevance("self", AIM), "target “went” at 12").endswith("target “went” at 12")


def test_every_lens_has_a_method() -> None:
    assert set(METHODS) == set(get_args(Lens))
    assert all(len(method) == 3 and all(method) for method in METHODS.values())
