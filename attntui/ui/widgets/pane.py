"""What every pane drawn line by line shares: its palette, its styles, its title."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.events import Resize
from textual.scroll_view import ScrollView
from textual.strip import Strip

from attntui.render.headline import Part, headline
from attntui.render.palette import Palette

if TYPE_CHECKING:
    from attntui.ui.app import AttnApp


EDGES = 2
"""Columns of the rule beside a title, one on each side."""


class Pane(ScrollView, can_focus=True, inherit_bindings=False):
    """A pane drawn with the line API, without the scrolling keys of its base: arrows move cells.

    Every segment carries a style, blanks included: under NO_COLOR Textual crashes on one without.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "pane--text",
        "pane--faint",
        "pane--current",
        "pane--strong",
        "pane--bar",
        "pane--cursor",
    }

    _title = ""
    _wordings: Sequence[Part] = ()

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._styles_of: dict[str, Style] = {}

    @property
    def palette(self) -> Palette:
        return cast("AttnApp", self.app).palette

    def style_of(self, name: str) -> Style:
        """A style of the theme: text, faint, current, strong, bar or cursor."""
        # Textual forgets its own with each repaint, and builds one in 0.3 ms.
        style = self._styles_of.get(name)
        if style is None:
            style = self._styles_of[name] = self.get_component_rich_style(f"pane--{name}")
        return style

    def set_title(self, title: str | Sequence[Part]) -> None:
        """A title that was made safe already; never parsed as markup. Of its parts, the wordings
        that fit, at every width that the pane gets."""
        self._wordings = [(title,)] if isinstance(title, str) else list(title)
        self._fit_title()

    def _fit_title(self) -> None:
        title = headline(self.outer_size.width - EDGES, self._wordings)
        # Textual paints the whole pane anew for a title, for an equal one too.
        if title != self._title:
            self._title = title
            self.border_title = Content(title)

    def _on_resize(self, event: Resize) -> None:
        self._fit_title()

    def strip_of(self, segments: list[Segment]) -> Strip:
        """The segments, filled up with blanks to the width of the pane."""
        width = self.size.width
        strip = Strip(segments).simplify()
        if strip.cell_length > width:
            return strip.crop(0, width)
        return strip.extend_cell_length(width, self.style_of("text"))

    def notify_style_update(self) -> None:
        self._styles_of.clear()
        super().notify_style_update()
        self.refresh()
