"""Equal neighbours merge, widths are exact, every segment has a style."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment

from attntui.render.labels import downwards, fit
from attntui.render.palette import colour_palette, shade_palette
from attntui.render.strips import (
    DIGITS_FROM,
    cursor_segments,
    digit_segments,
    row_segments,
    runs,
    short_weight,
)
from attntui.ui.widgets.grid_window import NEAR

LEVELS = st.lists(st.integers(-1, 4), max_size=30)
PALETTE = shade_palette("default", "default")


@given(LEVELS)
def test_runs_cover_the_row_and_differ(levels: list[int]) -> None:
    found = list(runs(levels))
    spread = [level for level, length in found for _ in range(length)]
    assert spread == levels
    assert all(before[0] != after[0] for before, after in pairwise(found))


@given(LEVELS, st.sampled_from([1, 2, 4]))
def test_a_row_is_as_wide_as_its_cells(levels: list[int], width: int) -> None:
    segments = row_segments(levels, PALETTE, width)
    assert sum(cell_len(segment.text) for segment in segments) == len(levels) * width
    assert all(segment.style is not None for segment in segments)


def test_shades_carry_the_value_alone() -> None:
    segments = row_segments(range(-1, 5), PALETTE, 1)
    assert "".join(segment.text for segment in segments) == " ·░▒▓█"


def test_digits_stand_in_their_cells() -> None:
    segments = digit_segments([3, 0, -1], [0.61, 0.001, 0.0], colour_palette("dark"), 6)
    assert [segment.text for segment in segments] == [" .61  ", "      ", "      "]


@pytest.mark.parametrize(
    ("weight", "text"), [(0.0, ""), (0.0049, ""), (0.61, ".61"), (0.994, ".99"), (0.999, "1.0")]
)
def test_short_weights(weight: float, text: str) -> None:
    assert short_weight(weight) == text


@given(st.text("ab日本👩é·", max_size=12), st.integers(1, 14))
def test_a_label_has_exactly_its_width(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width


def test_a_long_label_says_that_it_was_cut() -> None:
    assert fit("transformer", 6) == "trans…"
    assert fit("日本語", 5) == "日本…"
    assert fit("日本語", 4) == "日… "


def test_labels_are_written_downwards() -> None:
    assert downwards(" Mary", 6) == ["", "", "M", "a", "r", "y"]
    assert downwards("transformer", 4) == ["t", "r", "a", "⋮"]
    assert downwards("日本", 2) == ["日", "本"]
    assert downwards("\x1b", 1) == ["␛"]
    assert downwards(" ", 1) == ["·"]


@pytest.mark.parametrize("width", [width for width, _ in NEAR if width >= DIGITS_FROM])
@pytest.mark.parametrize("weight", [0.0, 0.004, 0.61, 0.999, 1.0, float("nan")])
def test_a_cell_with_a_figure_is_as_wide_as_every_cell(width: int, weight: float) -> None:
    palette = colour_palette("dark")
    level = -1 if weight != weight else 5
    for segments in (
        digit_segments([level], [weight], palette, width),
        cursor_segments(level, weight, palette, width),
    ):
        assert Segment.get_line_length(segments) == width
