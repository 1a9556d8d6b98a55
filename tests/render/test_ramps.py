"""The ramps are exact xterm-256 colours that anybody can tell apart."""

from itertools import combinations, pairwise

import pytest
from rich.color import Color, ColorSystem
from textual.theme import Theme

from attntui.render.ramps import (
    BACKGROUND,
    DIVERGING,
    HUE_NAMES,
    HUES,
    RAMPS,
    SIGNED_SHADES,
    Mode,
    hex_colour,
    lightness,
    rgb,
)
from attntui.ui.themes import DARK, LIGHT

MODES: list[Mode] = ["dark", "light"]


def in_256(number: int) -> int | None:
    return Color.from_rgb(*rgb(number)).downgrade(ColorSystem.EIGHT_BIT).number


@pytest.mark.parametrize("mode", MODES)
def test_24_bit_and_256_colours_agree(mode: Mode) -> None:
    hues = [number for hue in HUES[mode] for number in hue]
    for number in (BACKGROUND[mode], *RAMPS[mode], *DIVERGING[mode], *hues):
        assert in_256(number) == number


@pytest.mark.parametrize("mode", MODES)
def test_steps_are_clearly_apart_in_lightness(mode: Mode) -> None:
    direction = 1 if mode == "dark" else -1
    for ramp in (RAMPS[mode], *((BACKGROUND[mode], *hue) for hue in HUES[mode])):
        for before, after in pairwise(ramp):
            assert direction * (lightness(after) - lightness(before)) >= 4


@pytest.mark.parametrize("mode", MODES)
def test_hues_are_told_apart_where_they_are_strongest(mode: Mode) -> None:
    """By 40 of the 255 steps of at least one of red, green and blue; and by where they stand."""
    for one, other in combinations([rgb(hue[-1]) for hue in HUES[mode]], 2):
        assert max(abs(a - b) for a, b in zip(one, other, strict=True)) >= 40
    assert len(HUE_NAMES) == len(HUES[mode])


@pytest.mark.parametrize("mode", MODES)
def test_both_arms_go_away_from_the_background_at_one_pace(mode: Mode) -> None:
    direction = 1 if mode == "dark" else -1
    ramp = DIVERGING[mode]
    middle = len(ramp) // 2
    cold, warm = ramp[middle::-1], ramp[middle:]
    for arm in (cold, warm):
        for before, after in pairwise(arm):
            assert direction * (lightness(after) - lightness(before)) >= 4
    for below, above in zip(cold, warm, strict=True):
        assert abs(lightness(below) - lightness(above)) <= 7
        assert below == above or (rgb(below)[2] > rgb(below)[0] and rgb(above)[0] > rgb(above)[2])
    assert len(SIGNED_SHADES) % 2 == 1


def test_lightness_is_cie() -> None:
    assert lightness(231) == pytest.approx(100, abs=0.01)
    assert lightness(16) == 0
    assert lightness(244) == pytest.approx(53.6, abs=0.1)  # sRGB 128


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_accent_background_and_bars_are_exact_too(theme: Theme) -> None:
    exact = {hex_colour(number) for number in range(16, 256) if in_256(number) == number}
    assert {theme.accent, theme.background, theme.panel, theme.variables["bar"]} <= exact
