"""In place of a picture for which the terminal is too small: the size that it needs."""

from textual.content import Content
from textual.widgets import Static

LEAST_WIDTH, LEAST_HEIGHT = 30, 10
"""Columns and lines in which a few cells of the grid are in sight, with their labels."""


class TooSmall(Static):
    """Covers the screen while the terminal is smaller than that; see the style sheet."""

    def __init__(self) -> None:
        super().__init__(id="small")

    def render(self) -> Content:
        size = self.app.size
        return Content(
            f"This window is too small: {size.width} × {size.height}.\n"
            f"It needs {LEAST_WIDTH} × {LEAST_HEIGHT}."
        )
