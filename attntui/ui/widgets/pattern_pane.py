"""Under the head map: what the current head mostly does, in plain words."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip

from attntui.core.protocol import STATISTICS
from attntui.render.names import direct_parts
from attntui.ui.head_patterns import Pattern, Values, even_entropy, name_pattern
from attntui.ui.measures import MEASURES
from attntui.ui.state import Look
from attntui.ui.widgets.pane import Pane

if TYPE_CHECKING:
    import numpy as np


class PatternPane(Pane, can_focus=False):
    """A name, the numbers behind it, and what such a head usually is."""

    def __init__(self) -> None:
        super().__init__(id="pattern")
        self.look = Look()
        self.statistics: np.ndarray | None = None
        self.parts: list[tuple[str, float]] = []
        """Of the logit that the head map takes apart: the large parts."""
        self._lines: list[tuple[str, str]] = []

    def show_look(self, look: Look) -> None:
        before, self.look = self.look, look
        if (before.run, before.stack, before.basis) != (look.run, look.stack, look.basis):
            self.statistics = None
        shown = (look.run, look.stack, look.basis, look.layer, look.head, look.map, look.aim)
        was = (before.run, before.stack, before.basis, before.layer, before.head)
        if shown != (*was, before.map, before.aim):
            self.update()

    def show_statistics(self, statistics: np.ndarray) -> None:
        """(statistics, layers, heads)."""
        self.statistics = statistics
        self.update()

    def show_parts(self, heads: np.ndarray, rest: np.ndarray, logit: np.ndarray) -> None:
        """The parts of a logit; see `GetAttribution`."""
        self.parts = [("the logit", float(logit[0])), *direct_parts(heads, rest)]
        self.update()

    def on_resize(self) -> None:
        self.update()

    def update(self) -> None:
        """Words anew, and only then a repaint."""
        where = " · random tokens" if self.look.basis == "calibration" else ""
        self.set_title(f"Head {self.look.layer}.{self.look.head}{where}")
        lines = self._words()
        if self.look.map == "direct" and self.parts:
            self.set_title(f"Logit of {self.look.aim_text}")
            lines = [(f"{value:+8.3f} {name}", "text") for name, value in self.parts]
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def values(self) -> Values | None:
        """The current head's statistics; None while they are not known."""
        look, found = self.look, self.statistics
        if found is None or look.layer >= found.shape[1] or look.head >= found.shape[2]:
            return None
        column = found[:, look.layer, look.head].tolist()
        return dict(zip(STATISTICS, column, strict=True))

    def pattern(self) -> Pattern | None:
        """The current head's pattern; None while its statistics are not known."""
        values, stack = self.values(), self.look.stack_info
        sides = self.look.side("queries"), self.look.side("keys")
        if values is None or stack is None or sides[0] is None or sides[1] is None:
            return None
        counts = [len(side.tokens) for side in sides if side is not None]
        return name_pattern(values, even_entropy(counts[0], counts[1], stack.causal))

    def _words(self) -> list[tuple[str, str]]:
        """Text and style of each line."""
        width = max(8, self.size.width)
        pattern, values = self.pattern(), self.values()
        if self.look.run is None:
            return []
        if pattern is None or values is None:
            return [(line, "faint") for line in wrap("d measures what this head does", width)]
        lines = [(line, "strong") for line in wrap(pattern.name, width)]
        for name in pattern.evidence:
            measure = MEASURES[name]
            if values[name] == values[name]:  # not NaN
                lines.append((f"{measure.name} {measure.shown(values[name])}", "text"))
        return [*lines, ("d tells more", "faint")]

    def render_line(self, y: int) -> Strip:
        if y >= len(self._lines):
            return self.strip_of([])
        text, style = self._lines[y]
        return self.strip_of([Segment(text, self.style_of(style))])
