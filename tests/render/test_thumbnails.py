"""Small maps fit their frames, keep every weight, and are drawn as their levels say."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from attntui.render.palette import Palette, colour_palette, shade_palette
from attntui.render.thumbnails import DotPen, Grain, Shading, draw_frame, finest

FRAMES = (Style(color="cyan"), Style(color="yellow"))
COLOUR, SHADE = colour_palette("dark"), shade_palette("default", "default")
SIZES, SIDES = st.integers(1, 600), st.integers(1, 80)


@given(SIZES, SIZES, SIDES, SIDES, st.sampled_from([1, 2]))
def test_a_map_fits_its_frame_and_no_finer_one_does(
    queries: int, keys: int, columns: int, dots: int, square: int
) -> None:
    grain = finest(queries, keys, columns, dots, square)
    wide, high = grain.size(queries, keys)
    assert wide <= columns and high <= dots
    if grain.pools:
        assert (grain.across, grain.down) == (1, 1)
        even = next(
            step
            for step in itertools.count(1)
            if math.ceil(keys / step) <= columns and math.ceil(queries / (square * step)) <= dots
        )
        keys_alone = (step for step in itertools.count(1) if math.ceil(keys / step) <= columns)
        rows_alone = (step for step in itertools.count(1) if math.ceil(queries / step) <= dots)
        assert grain.key_step == max(next(keys_alone), math.ceil(even / 2))
        assert grain.row_step == max(next(rows_alone), math.ceil(square * even / 2))
    else:
        half = wide == keys and high == queries and square * keys > columns
        assert grain.across == square * grain.down or half
        assert (wide + square * keys > columns) or (high + queries > dots)


@pytest.mark.parametrize("threshold", [0.0, 0.3])
def test_dots_are_the_levels_of_the_cells(threshold: float) -> None:
    weights = np.tril(np.random.default_rng(0).random((2, 7, 7), np.float32))
    weights[1, :, 2] = np.nan
    grain = Grain(2, 2, across=3, down=3)
    pooled = np.full((2, 4, 4), np.nan, np.float32)
    for head, row, key in np.ndindex(pooled.shape):
        cells = weights[head, 2 * row : 2 * row + 2, 2 * key : 2 * key + 2]
        if not np.isnan(cells).all():
            pooled[head, row, key] = np.nanmax(cells)
    pooled[1, :, 1] = np.nan
    dots = Shading(grain, "linear", 10, True, threshold).dots(pooled)
    assert dots.shape == (2, 12, 12)
    for head, row, key in np.ndindex(pooled.shape):
        weight = pooled[head, row, key]
        outside = np.isnan(weight) or weight < threshold or key > row
        cell = dots[head, 3 * row : 3 * row + 3, 3 * key : 3 * key + 3]
        assert (cell == (-1 if outside else min(9, int(weight * 10)))).all()


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=30))
def test_a_half_block_has_the_colours_of_its_two_dots(pairs: list[tuple[int, int]]) -> None:
    def colour(level: int) -> object:
        return (COLOUR.outside if level < 0 else COLOUR.styles[level]).bgcolor

    segments = DotPen(COLOUR, FRAMES).segments(np.array(pairs, np.int8).T)
    cells = [(glyph, style) for glyphs, style, _ in segments for glyph in glyphs]
    assert len(cells) == len(pairs)
    for (glyph, style), (upper, lower) in zip(cells, pairs, strict=True):
        assert style is not None and style.bgcolor == colour(lower)
        assert glyph == (" " if upper == lower else "▀")
        assert glyph == " " or style.color == colour(upper)


def framed(palette: Palette) -> list[str]:
    """A map of 3 columns and 2 dots, all of the highest level, in a frame of the second kind."""
    picture = np.full((4, 5), -1, np.int8)
    picture[1:3, 1:4] = palette.count - 1
    for at in range(4):
        draw_frame(picture[at], at - 1, 1, 3, 2, kind=1)
    pen = DotPen(palette, FRAMES)
    lines = [pen.segments(picture[at : at + pen.per_line]) for at in range(0, 4, pen.per_line)]
    assert all(segment.style is not None for line in lines for segment in line)
    return ["".join(segment.text for segment in line) for line in lines]


def test_a_frame_is_drawn_around_a_map() -> None:
    assert framed(SHADE) == ["┌───┐", "│███│", "│███│", "└───┘"]
    assert framed(COLOUR) == [" ▀▀▀ ", " ▀▀▀ "]
