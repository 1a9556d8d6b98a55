"""Signed values: figures in columns, levels on both sides of nothing, cells of an exact width."""

import pytest
from rich.cells import cell_len

from attntui.render.palette import colour_palette, shade_palette
from attntui.render.signed import places, signed
from attntui.render.strips import signed_segments


@pytest.mark.parametrize(
    ("values", "decimals"),
    [([0.0], 2), ([9.99, -0.1], 2), ([-12.3], 1), ([130.0, 2.0], 0), ([0.0123], 4), ([1e-9], 6)],
)
def test_the_largest_gets_three_figures(values: list[float], decimals: int) -> None:
    assert places([*values, float("-inf")]) == decimals


def test_figures_carry_their_sign_and_zero_is_positive() -> None:
    assert [signed(value, 2) for value in (0.881, -1.2, -0.001)] == ["+0.88", "-1.20", "+0.00"]


def test_glyphs_tell_sign_and_size_without_colour() -> None:
    diverging = shade_palette("default", "default").diverging
    segments = signed_segments(range(-3, 4), diverging, 2)
    assert "".join(segment.text for segment in segments) == "≡≡==--··++**##"
    assert diverging.reach == 3


def test_equal_cells_merge_and_all_have_a_background() -> None:
    diverging = colour_palette("dark").diverging
    segments = signed_segments([2, 2, -5, 0], diverging, 3)
    assert [cell_len(segment.text) for segment in segments] == [6, 3, 3]
    assert all(segment.style and segment.style.bgcolor for segment in segments)
