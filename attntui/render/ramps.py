"""The ramps: exact xterm-256 colours from dark to light, so that 24-bit and 256 colours agree.

Rich snaps other colours to the 6 x 6 x 6 cube, whose first steps are 0 and 95, and dark ramps
collapse there. CIE lightness grows by 4 or more at every step (tests/render/test_ramps.py), so
the ramps read the same without colour vision.
"""

from typing import Literal

Mode = Literal["dark", "light"]

BACKGROUND: dict[Mode, int] = {"dark": 233, "light": 231}
RAMPS: dict[Mode, tuple[int, ...]] = {
    "dark": (234, 54, 90, 126, 161, 167, 203, 209, 216, 223, 229),
    "light": (230, 223, 216, 209, 203, 167, 161, 126, 90, 54, 18),
}
"""xterm-256 colour numbers; the first is "allowed, but next to nothing"."""

HUES: dict[Mode, tuple[tuple[int, ...], ...]] = {
    "dark": (
        (94, 166, 208, 214),  # orange
        (24, 31, 38, 81),  # sky
        (125, 162, 206, 218),  # pink
        (22, 28, 34, 76),  # green
        (92, 98, 141, 183),  # violet
        (58, 100, 142, 184),  # yellow
    ),
    "light": (
        (215, 208, 166, 130),
        (117, 74, 31, 24),
        (218, 205, 162, 125),
        (114, 71, 28, 22),
        (183, 141, 98, 92),
        (185, 142, 100, 58),
    ),
}
"""One ramp for each of several heads shown together, from faint to strong; never colour alone."""
HUE_NAMES = ("yellow", "cyan", "magenta", "green", "blue", "red")
"""The same among the terminal's own 16 colours, where characters carry the value."""

DIVERGING: dict[Mode, tuple[int, ...]] = {
    "dark": (117, 39, 32, 25, 19, 234, 88, 94, 166, 208, 222),
    "light": (19, 25, 33, 75, 153, 231, 223, 209, 166, 94, 52),
}
"""From the most negative, cold, over nothing in the middle to the most positive, warm. Steps at the
same distance from the middle are nearly as light as each other."""

SHADES = "·░▒▓█"
"""Where colour cannot carry the value; the first is "allowed, but next to nothing"."""

SIGNED_SHADES = "≡=-·+*#"
"""As `SHADES`, from the most negative to the most positive."""

_STEPS = (0, 95, 135, 175, 215, 255)


def rgb(number: int) -> tuple[int, int, int]:
    """Red, green and blue (0 to 255) of an xterm-256 colour, 16 to 255."""
    if number >= 232:
        grey = 8 + 10 * (number - 232)
        return grey, grey, grey
    cube = number - 16
    return _STEPS[cube // 36], _STEPS[cube // 6 % 6], _STEPS[cube % 6]


def lightness(number: int) -> float:
    """CIE L* (0 to 100) of an xterm-256 colour."""

    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(channel) for channel in rgb(number))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def hex_colour(number: int) -> str:
    """`#rrggbb` of an xterm-256 colour."""
    return "#{:02x}{:02x}{:02x}".format(*rgb(number))
