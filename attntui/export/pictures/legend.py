"""The colours of a picture, and the weights that they stand for."""

from attntui.core.scale import Scale, weight_at
from attntui.render.ramps import RAMPS, hex_colour

RAMP = tuple(hex_colour(number) for number in RAMPS["light"])
"""From "next to nothing" to 1; colours between two of these are mixed of both."""

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def marks(scale: Scale) -> tuple[tuple[float, str], ...]:
    """(share of the way up the colour bar, the weight there) of every mark."""
    of_row: Scale = "linear" if scale == "row" else scale
    return tuple((share, f"{weight_at(share, of_row):g}") for share in SHARES)


def bar_title(scale: Scale) -> str:
    """What the marks count."""
    return "weight, as a share of the row's largest" if scale == "row" else "attention weight"
