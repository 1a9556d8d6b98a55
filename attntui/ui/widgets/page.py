"""One way to look, in the middle of the screen: grid, lines, text, layer, model and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attntui.core.protocol import Reading, Reply, Request, Signed, View
from attntui.render.palette import Palette, differences
from attntui.ui.choices import Legend
from attntui.ui.messages import RequestsChanged
from attntui.ui.state import Look
from attntui.ui.widgets.pane import Pane

if TYPE_CHECKING:
    import numpy as np


class Page(Pane):
    """Follows the look, says what it needs from the engine, and paints what comes.

    Only the page in sight is asked. The painter asks for each of its `requests` once, newest wins
    within a slot, and hands the answers to `accept`; one for another run never gets here. A page
    that needs more than before (it was scrolled, resized, or wants the next piece) posts
    `RequestsChanged`. To leave room for keys, a page that needs much asks for one piece at a time.
    """

    draws_marks: ClassVar[bool] = True
    """Whether marked rows and columns are seen here."""
    shows_differences: ClassVar[bool] = True
    """Whether the difference of two runs can be seen here; else the new run is."""
    leaves_out: ClassVar[bool] = True
    """Whether weights below the threshold are left out here."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.look = Look()

    @property
    def palette(self) -> Palette:
        plain, (view, reading) = super().palette, self.drawn
        is_difference = self.shows_differences and reading.against
        is_signed = is_difference or isinstance(view, Signed)
        return differences(plain) if is_signed else plain

    @property
    def drawn(self) -> tuple[View, Reading]:
        """What is painted; where a page keeps it while more is on its way, not what is looked at:
        a signed palette has other levels."""
        return self.look.view, self.look.reading

    @property
    def step(self) -> int:
        """Positions that a move of one cell goes on by."""
        return 1

    @property
    def legend(self) -> Legend:
        """What is drawn."""
        return "shades"

    def show_look(self, look: Look) -> None:
        """Follow the selection; called at every change and when the page comes into sight."""
        self.look = look
        self.refresh()

    def requests(self, look: Look) -> dict[str, Request]:
        """What has to be asked for this look, by slot."""
        return {}

    def accept(self, slot: str, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        """Paint an answer, unless the look has gone on and it is of no use any more."""

    def show_values(self, values: np.ndarray | None) -> None:
        """Follow the head map's values: (layers, heads), None while they are not known."""

    def refuse(self, sentence: str) -> bool:
        """Show in its place why an answer cannot be had; False leaves the telling to the screen."""
        return False

    def weight_at_cursor(self, look: Look) -> float | None:
        """The weight of the cursor's cell, if what the page holds tells it exactly."""
        return None

    # Keys that mean something of its own on each page.

    def move(self, look: Look, down: int, right: int) -> Look:
        """Arrows."""
        return look.move_cell(down * self.step, right * self.step)

    def edge(self, look: Look, down: int, right: int) -> Look:
        """To the first or last row or column."""
        far = max(len(look.queries), len(look.keys))
        return look.move_cell(down * far, right * far)

    def turn(self, look: Look, pages: int) -> Look:
        """Page up and down."""
        return self.move(look, pages * max(1, self.size.height - 1), 0)

    def enter(self, look: Look) -> Look | None:
        """The enter key; None where it does nothing."""
        return None

    def change_zoom(self, nearer: int) -> bool:
        """Zoom in (1) or out (-1); False where there is no further zoom."""
        return False

    def threshold(self, look: Look, step: int) -> Look | None:
        """The keys for the threshold, where they mean something else; None where they do not."""
        return None

    def give_up(self) -> bool:
        """Stop what the page goes on asking for; False where it asks for nothing more."""
        return False

    def fit(self) -> str:
        """Bring everything into sight; else say why nothing changes."""
        if self.max_scroll_y:
            return "It is longer than this page: PgUp and PgDn go through it."
        return "All of it is in sight."

    def ask(self) -> None:
        """Tell the screen that this page needs something."""
        self.post_message(RequestsChanged())
