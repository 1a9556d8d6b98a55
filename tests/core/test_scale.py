"""Levels follow weights, and the legend tells the truth about them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attntui.core.scale import SCALES, Scale, brightness, levels, signed_levels, weight_at
from attntui.core.topk import top

WEIGHTS = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20)


@pytest.mark.parametrize("scale", SCALES)
@given(weights=WEIGHTS)
def test_more_weight_is_never_a_lower_level(scale: Scale, weights: list[float]) -> None:
    row = np.sort(np.array(weights, np.float32))
    shown = levels(brightness(row, scale), 11)
    assert (np.diff(shown) >= 0).all()
    assert shown.min() >= 0 and shown.max() <= 10


@pytest.mark.parametrize("scale", [scale for scale in SCALES if scale != "row"])
def test_the_ends_are_the_ends(scale: Scale) -> None:
    shown = levels(brightness(np.array([0.0, 1.0], np.float32), scale), 11)
    assert shown.tolist() == [0, 10]


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log"])
@pytest.mark.parametrize("bright", [0.25, 0.5, 1.0])
def test_the_legend_inverts_the_scale(scale: Scale, bright: float) -> None:
    weight = weight_at(bright, scale)
    assert weight is not None
    assert brightness(np.array([weight]), scale)[0] == pytest.approx(bright, abs=1e-6)


def test_the_row_scale_has_no_common_weight() -> None:
    assert weight_at(1.0, "row") is None


def test_each_row_has_its_own_largest() -> None:
    rows = np.array([[0.1, 0.2], [0.0, 0.0], [0.5, 1.0]], np.float32)
    np.testing.assert_allclose(brightness(rows, "row"), [[0.5, 1], [0, 0], [0.5, 1]])
    largest = np.array([[0.4], [0.0], [1.0]], np.float32)
    np.testing.assert_allclose(brightness(rows, "row", largest), [[0.25, 0.5], [0, 0], [0.5, 1]])


def test_what_is_not_there_has_no_level() -> None:
    assert levels(np.array([np.nan, 0.0]), 5).tolist() == [-1, 0]


def test_top_is_ordered_and_lists_no_nothing() -> None:
    weights = np.array([0.1, 0.5, 0.0, 0.5, np.nan], np.float32)
    assert top(weights, 9) == [(1, 0.5), (3, 0.5), (0, pytest.approx(0.1))]
    assert top(weights, 1) == [(1, 0.5)]


def test_signed_levels_reach_to_both_ends() -> None:
    values = np.array([-4.0, -1.9, -0.5, 0.0, 0.5, 1.0, 4.0], np.float32)
    assert signed_levels(values, "linear", 3).tolist() == [-3, -1, 0, 0, 0, 1, 3]
    assert signed_levels(values, "sqrt", 3).tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert signed_levels(values, "row", 3).tolist() == signed_levels(values, "linear", 3).tolist()
    assert signed_levels(np.zeros(2, np.float32), "log", 3).tolist() == [0, 0]
