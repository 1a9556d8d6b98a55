"""A palette: the style and the glyph of every level, made once for a theme and a terminal."""

from dataclasses import dataclass, replace
from functools import lru_cache

from rich.color import Color
from rich.style import Style

from attntui.render.braille import Pen
from attntui.render.diverging import Diverging, colour_diverging, shade_diverging
from attntui.render.ramps import (
    BACKGROUND,
    HUE_NAMES,
    HUES,
    RAMPS,
    SHADES,
    Mode,
    hex_colour,
    lightness,
    rgb,
)

DENSITIES = (Pen(8), Pen(6), Pen(3), Pen(1), Pen(1, 2))
"""How a curve shows each of the shades: ever more of its dots, then twice as wide."""


def _colour(number: int) -> Color:
    return Color.from_rgb(*rgb(number))


@dataclass(frozen=True)
class Palette:
    """How levels look. `glyphs[level]` fills a cell; in colour it is a space on a background.

    Every style is set: a segment without one crashes Textual under NO_COLOR.
    """

    styles: tuple[Style, ...]
    inks: tuple[Style, ...]
    """As `styles`, with a colour for text: a cell without text need not send it over the wire."""
    glyphs: tuple[str, ...]
    outside: Style
    """A cell that cannot be attended to, such as the future, and everything around the cells."""
    outside_ink: Style
    lines: tuple[Style, ...]
    """A curve on the background, for every level."""
    hues: tuple[tuple[Style, ...], ...]
    """The same for each of several heads: `hues[head][level]`."""
    pens: tuple[Pen, ...]
    diverging: Diverging
    zero: int = 0
    """The level of next to nothing; above 0, levels below it are of values below 0."""

    @property
    def has_glyphs(self) -> bool:
        """Whether characters carry the value, as colour cannot."""
        return self.glyphs[-1] != " "

    def ink(self, level: int) -> Style:
        """For text in a cell of this level, -1 being outside."""
        return self.inks[level] if level >= 0 else self.outside_ink

    @property
    def coloured(self) -> bool:
        """Whether colour carries the value, and glyphs are free for something else."""
        return self.glyphs[-1] == " "

    @property
    def count(self) -> int:
        """Number of levels."""
        return len(self.styles)


@lru_cache(8)
def colour_palette(mode: Mode) -> Palette:
    """Value as the cell's background, text in whatever contrasts with it."""
    dark, bright = _colour(16), _colour(231)
    styles = tuple(Style(bgcolor=_colour(number)) for number in RAMPS[mode])
    inks = tuple(
        Style(color=dark if lightness(number) > 55 else bright, bgcolor=_colour(number))
        for number in RAMPS[mode]
    )
    background = _colour(BACKGROUND[mode])
    outside_ink = Style(color=bright if mode == "dark" else dark, bgcolor=background)
    return Palette(
        styles,
        inks,
        (" ",) * len(styles),
        Style(bgcolor=background),
        outside_ink,
        tuple(_on(number, background) for number in RAMPS[mode]),
        tuple(_spread(hue, len(styles), background) for hue in HUES[mode]),
        tuple(Pen(1, 2 if level * 4 >= len(styles) * 3 else 1) for level in range(len(styles))),
        colour_diverging(mode),
    )


@lru_cache(8)
def differences(palette: Palette) -> Palette:
    """The same, with levels from the most negative difference to the most positive."""
    found = palette.diverging
    inks = found.styles if palette.has_glyphs else tuple(map(_readable, found.styles))
    styles, glyphs = found.styles, found.glyphs
    return replace(palette, styles=styles, inks=inks, glyphs=glyphs, zero=found.reach)


def _readable(style: Style) -> Style:
    """A background with text that stands out from it."""
    assert style.bgcolor is not None and style.bgcolor.triplet is not None
    red, green, blue = (channel / 255 for channel in style.bgcolor.triplet)
    is_light = 0.3 * red + 0.6 * green + 0.1 * blue > 0.45
    return style + Style(color=_colour(16 if is_light else 231))


def _on(number: int, background: Color) -> Style:
    return Style(color=_colour(number), bgcolor=background)


def _spread(hue: tuple[int, ...], count: int, background: Color) -> tuple[Style, ...]:
    """A style for each level: the hue's steps share those above the first, which is not drawn."""
    steps = [0] + [level * len(hue) // (count - 1) for level in range(count - 1)]
    return tuple(_on(hue[step], background) for step in steps)


@lru_cache(8)
def shade_palette(foreground: str, background: str, mode: Mode | None = None) -> Palette:
    """Value as a shading character, for 16 colours, no colour, and `--style shade`.

    Heads are told apart by colours of the mode's, or of the terminal's own where there is none.
    """
    faint = Style(color=foreground, bgcolor=background, dim=True)
    plain = Style(color=foreground, bgcolor=background)
    styles = (faint,) + (plain,) * (len(SHADES) - 1)
    names = HUE_NAMES if mode is None else [hex_colour(hue[-1]) for hue in HUES[mode]]
    hues = tuple((Style(color=name, bgcolor=background),) * len(styles) for name in names)
    return Palette(
        styles,
        styles,
        tuple(SHADES),
        plain,
        plain,
        styles,
        hues,
        DENSITIES,
        shade_diverging(foreground, background),
    )
