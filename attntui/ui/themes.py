"""The two themes, in exact xterm-256 colours, and the palette that goes with each."""

from textual.theme import Theme

from attntui.render.palette import Palette, colour_palette, shade_palette
from attntui.render.ramps import BACKGROUND, Mode, hex_colour

DARK = Theme(
    name="attntui-dark",
    dark=True,
    primary=hex_colour(80),
    accent=hex_colour(80),
    secondary=hex_colour(209),
    warning=hex_colour(221),
    error=hex_colour(203),
    success=hex_colour(114),
    foreground=hex_colour(188),
    background=hex_colour(BACKGROUND["dark"]),
    surface=hex_colour(BACKGROUND["dark"]),
    panel=hex_colour(235),
    variables={
        "faint": hex_colour(243),
        "rule": hex_colour(238),
        "bar": hex_colour(209),
        "block-cursor-foreground": hex_colour(16),
        "block-cursor-background": hex_colour(80),
    },
)
LIGHT = Theme(
    name="attntui-light",
    dark=False,
    primary=hex_colour(24),
    accent=hex_colour(24),
    secondary=hex_colour(161),
    warning=hex_colour(130),
    error=hex_colour(160),
    success=hex_colour(28),
    foreground=hex_colour(235),
    background=hex_colour(BACKGROUND["light"]),
    surface=hex_colour(BACKGROUND["light"]),
    panel=hex_colour(230),
    variables={
        "faint": hex_colour(243),
        "rule": hex_colour(152),
        "bar": hex_colour(161),
        "block-cursor-foreground": hex_colour(231),
        "block-cursor-background": hex_colour(24),
    },
)
PLAIN = Theme(
    name="attntui-plain",
    ansi=True,
    dark=True,
    primary="ansi_cyan",
    accent="ansi_cyan",
    secondary="ansi_yellow",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border-blurred": "ansi_default",
        "faint": "ansi_default",
        "rule": "ansi_default",
        "bar": "ansi_default",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_cyan",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-text-style": "reverse",
        "input-selection-background": "ansi_cyan",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_cyan",
        "screen-selection-foreground": "ansi_black",
    },
)
"""The terminal's own colours: for 16 colours and NO_COLOR, where shades carry the value."""

THEMES = (DARK, LIGHT, PLAIN)


def palette_of(theme: Theme, shades: bool) -> Palette:
    """The palette of a theme; with `shades`, characters carry the value."""
    if theme.ansi:
        return shade_palette("default", "default")
    mode: Mode = "dark" if theme.dark else "light"
    if shades:
        return shade_palette(theme.foreground or "default", hex_colour(BACKGROUND[mode]), mode)
    return colour_palette(mode)
