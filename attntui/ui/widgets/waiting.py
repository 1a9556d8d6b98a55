"""What is waited for, in the middle of an empty page, with a bar where the end is known."""

from textwrap import wrap

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size

from attntui.core.tokens import sanitise
from attntui.render.ranking import bar

WIDTH = 40


def waiting_line(
    y: int, size: Size, waiting: str, share: float | None, text: Style, done: Style
) -> list[Segment]:
    """Line `y` of the picture."""
    middle = size.height // 2
    lines = wrap(sanitise(waiting), max(1, size.width - 2))[-middle:] if middle else []
    at = y - middle + len(lines)
    if 0 <= at < len(lines):
        return [Segment(lines[at].center(size.width), text)]
    if y != middle or share is None:
        return []
    return [
        Segment(" " * ((size.width - WIDTH) // 2), text),
        Segment(bar(share, WIDTH).replace(" ", "─"), done),
    ]
