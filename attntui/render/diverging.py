"""How values of either sign look: cold or `-` below 0, warm or `+` above."""

from dataclasses import dataclass

from rich.color import Color
from rich.style import Style

from attntui.render.ramps import DIVERGING, SIGNED_SHADES, Mode, rgb


@dataclass(frozen=True)
class Diverging:
    """Styles and glyphs of the levels from `-reach` to `reach`."""

    styles: tuple[Style, ...]
    glyphs: tuple[str, ...]

    @property
    def reach(self) -> int:
        """The level of the largest value."""
        return len(self.styles) // 2


def colour_diverging(mode: Mode) -> Diverging:
    """Value and sign as the cell's background."""
    colours = (Color.from_rgb(*rgb(number)) for number in DIVERGING[mode])
    styles = tuple(Style(bgcolor=colour) for colour in colours)
    return Diverging(styles, (" ",) * len(styles))


def shade_diverging(foreground: str, background: str) -> Diverging:
    """Value and sign as a character, for 16 colours, no colour, and `--style shade`."""
    plain = Style(color=foreground, bgcolor=background)
    half = (plain,) * (len(SIGNED_SHADES) // 2)
    return Diverging((*half, plain + Style(dim=True), *half), tuple(SIGNED_SHADES))
