"""What a terminal can show, and lines of segments written to it."""

import os
from collections.abc import Iterable
from typing import Literal, TextIO

from rich.color import ColorSystem
from rich.segment import Segment

from attntui.render.ramps import Mode


def terminal_mode(choice: Literal["auto", "dark", "light"]) -> Mode:
    """Dark unless asked otherwise, or unless COLORFGBG says that the background is light."""
    if choice != "auto":
        return choice
    background = os.environ.get("COLORFGBG", "").rpartition(";")[2]
    return "light" if background in {"7", "15"} else "dark"


def shows_colours(stream: TextIO) -> bool:
    """Whether `stream` is a terminal of 256 colours or more, and NO_COLOR is not set."""
    from rich.console import Console

    if os.environ.get("NO_COLOR"):
        return False
    return Console(file=stream).color_system in {"256", "truecolor"}


def write_lines(lines: Iterable[list[Segment]], stream: TextIO, colours: bool) -> None:
    """Write lines of segments; without `colours` as plain text, without spaces at line ends."""
    for line in lines:
        if colours:
            text = "".join(_coloured(segment) for segment in line)
        else:
            text = "".join(segment.text for segment in line).rstrip(" ")
        stream.write(text + "\n")


def _coloured(segment: Segment) -> str:
    style = segment.style
    if not style:
        return segment.text
    # The ramps are exact in 256 colours, which every terminal with more knows too.
    return style.render(segment.text, color_system=ColorSystem.EIGHT_BIT)
