"""A value of every head, as levels: what the head map and its fold share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType

from attntui.core.head_tables import HeadTable
from attntui.core.protocol import STATISTICS
from attntui.core.scale import Scale, shown_levels
from attntui.core.word_order import WordOrder
from attntui.render.palette import Palette, differences
from attntui.render.strips import cursor_segments, marked_segments, row_segments
from attntui.ui.measures import (
    OF_WEIGHTS,
    Measure,
    is_on_random,
    is_statistic,
    measure_of,
    why_blank,
)
from attntui.ui.state import Look
from attntui.ui.widgets.head_facts import FACTS
from attntui.ui.widgets.pane import Pane

if TYPE_CHECKING:
    import numpy as np


class HeadValues(Pane):
    """What the map and its fold share: a value of every head, as levels."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "screen.move_head(-1)", show=False),
        Binding("right,l", "screen.move_head(1)", show=False),
        Binding("up,k", "screen.move_layer(-1)", show=False),
        Binding("down,j", "screen.move_layer(1)", show=False),
        Binding("enter", "screen.leave", show=False),
    ]

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.look = Look()
        self.cell_map: np.ndarray | None = None
        self.shares: np.ndarray | None = None
        self.shift: np.ndarray | None = None
        self.effects: np.ndarray | None = None
        self.direct: np.ndarray | None = None
        self.order: WordOrder | None = None
        self._done = (0, 0)
        self.statistics: np.ndarray | None = None
        self.eligible: tuple[int, ...] = ()
        self._shown: tuple[object, ...] = ()
        """What of the look is painted here; the cell is not."""
        self._levels: list[list[int]] = []

    def show_look(self, look: Look) -> None:
        """Follow the selection; the values come later."""
        before, self.look = self.look, look
        if before.run is not look.run or before.stack != look.stack:
            self.cell_map = self.shares = self.statistics = self.shift = self.order = None
        if before.heads_reading != look.heads_reading:
            self.shares = None
        if before.heads_reading.against != look.heads_reading.against:
            self.cell_map = None
        if before.basis != look.basis:
            self.statistics = None
        if before.stacks is not look.stacks or before.stack != look.stack:
            self.lay_out()
        place = (look.run, look.stacks, look.stack, look.layer, look.head)
        if (before.target, before.estimates) != (look.target, look.estimates):
            self.effects = None
        if (before.run, before.aim) != (look.run, look.aim):
            self.direct = None
        how = (
            look.aim,
            look.map,
            look.between,
            look.basis,
            look.scale,
            look.target,
            look.estimates,
        )
        shown = (*place, *how, look.lens, look.shows_head, look.chosen, look.edits, look.shown)
        if shown != self._shown:
            self._shown = shown
            self._update_levels()
            self._repaint()

    def show_cell_map(self, weights: np.ndarray) -> None:
        """The weight that every head gives the cell: (layers, heads), NaN where there is none."""
        self.cell_map = weights
        if self.look.map == "cell":
            self._update_levels()
            self._repaint()

    def show_shares(self, shares: np.ndarray) -> None:
        """What every head gives from one sentence to the other: (layers, heads)."""
        self.shares = shares
        if self.look.map == "pair":
            self._update_levels()
            self._repaint()

    def show_shift(self, shift: np.ndarray) -> None:
        """How much every head's attention differs from the run before: (layers, heads)."""
        self.shift = shift
        self._update_levels()
        self._repaint()

    def show_effects(self, effects: np.ndarray | None, done: tuple[int, int]) -> None:
        """What every head's being off does, as far as it is known: (layers, heads), NaN: not."""
        if done == self._done and _same(effects, self.effects):
            return
        self.effects, self._done = effects, done
        self._update_levels()
        self._repaint()

    def show_direct(self, parts: np.ndarray) -> None:
        """What every head adds to the aim directly: (layers, heads), NaN where there is none."""
        self.direct = parts
        self._update_levels()
        self._repaint()

    def show_order(self, order: WordOrder | None, done: tuple[int, int]) -> None:
        """What swapping words has come to so far."""
        if done == self._done and order is self.order:
            return
        self.order, self._done = order, done
        self._update_levels()
        self._repaint()

    def show_statistics(self, statistics: np.ndarray, eligible: tuple[int, ...]) -> None:
        """(statistics, layers, heads), NaN where no row is eligible."""
        self.statistics, self.eligible = statistics, eligible
        if is_statistic(self.look):
            self._update_levels()
        self._repaint()

    @property
    def measure(self) -> Measure:
        return measure_of(self.look)

    @property
    def values(self) -> np.ndarray | None:
        """(layers, heads) of what is shown; None while it is not known."""
        if isinstance(self.look.map, HeadTable):
            stack = self.look.stack_info
            return None if stack is None else self.look.map.of(stack)
        if self.look.map == "cell":
            return self.cell_map
        if self.look.map == "pair":
            return self.shares
        if self.look.map in {"shift", "effect"}:
            return self.shift if self.look.map == "shift" else self.effects
        if self.look.map == "direct":
            return self.direct
        if self.look.map == "order":
            return None if self.order is None else self.order.difference
        return None if self.statistics is None else self.statistics[STATISTICS.index(self.look.map)]

    @property
    def title(self) -> str:
        """What is shown, and on what it was measured."""
        if is_on_random(self.look):
            return f"{self.measure.name} · random"
        return f"Heads · {self.measure.name}"

    @property
    def progress(self) -> str:
        """How much of a sweep is done; empty where all is."""
        done, total = self._done
        return f"{done}/{total}" if self.look.map in {"effect", "order"} and done < total else ""

    @property
    def _shape(self) -> tuple[int, int]:
        """Layers and heads; of uneven layers, the most heads."""
        return len(self._levels), len(self._levels[0]) if self._levels else 0

    @property
    def palette(self) -> Palette:
        plain = super().palette
        is_difference = self.look.heads_reading.against and self.look.map in OF_WEIGHTS
        return differences(plain) if is_difference or self.measure.has_sign else plain

    @property
    def bound(self) -> float:
        """The value of the brightest shade."""
        if self.measure.has_sign and self.values is not None:
            import numpy as np

            return float(np.nanmax(np.abs(self.values), initial=0.0)) or 1.0
        return self.measure.bound(len(self.look.keys))

    def _repaint(self) -> None:
        """Only the lines that hold something: blank ones would cross the wire as well."""
        self.refresh_lines(0, min(self.size.height, len(self._levels) + 1 + FACTS))

    def lay_out(self) -> None:
        """Sizes anew, after a new model or stack."""

    def _update_levels(self) -> None:
        if self.values is None:
            stack = self.look.stack_info
            layers = stack.layers if stack else ()
            most = max((layer.heads for layer in layers), default=0)
            self._levels = [
                [self.palette.zero] * layer.heads + [-1] * (most - layer.heads) for layer in layers
            ]
            return
        scale: Scale = "linear" if self.look.scale == "row" else self.look.scale
        shares = self.values / self.bound
        palette = self.palette
        self._levels = shown_levels(shares, scale, palette.count, palette.zero).tolist()

    def notify_style_update(self) -> None:
        self._update_levels()
        super().notify_style_update()

    def value_here(self) -> float | None:
        """The value of the chosen head."""
        if self.values is None or self.look.layer >= len(self.values):
            return None
        value = float(self.values[self.look.layer, self.look.head])
        return None if math.isnan(value) else value

    @property
    def parts_here(self) -> str:
        """What the value of the chosen head is made of; empty where it is whole."""
        look, order = self.look, self.order
        if look.map != "order" or order is None or self.value_here() is None:
            return ""
        words, places = order.by_words, order.by_position
        assert words is not None and places is not None
        here = look.layer, look.head
        return f"words {words[here]:.2f} · places {places[here]:.2f}"

    def largest(self) -> tuple[int, int, float] | None:
        """Layer, head and value of the largest; None while there are no values, and where no head
        looks at the cursor's cell."""
        values = [] if self.values is None else self.values.tolist()
        found = [
            (abs(value), -layer, -head)
            for layer, row in enumerate(values)
            for head, value in enumerate(row)
            if not math.isnan(value)
        ]
        if not found or (self.look.map == "cell" and max(found)[0] == 0):
            return None
        _, layer, head = max(found)
        return -layer, -head, values[-layer][-head]

    def why_blank(self) -> str:
        """Why there is no largest, in a few words."""
        values = [] if self.values is None else self.values.ravel().tolist()
        if self.look.map == "cell" and 0 in values:
            return "no head looks there"
        return why_blank(self.look)

    def cells(self, layer: int, width: int) -> list[Segment]:
        """The heads of a layer; the one at the cursor in brackets, chosen ones with a plus, those
        that are off with a cross."""
        row, palette = self._levels[layer], self.palette
        cursor = self.look.head if layer == self.look.layer and self.look.shows_head else None
        chosen = {head for each, head in self.look.chosen if each == layer}
        off = {
            each.head
            for each in self.look.edits.ablated
            if (each.stack, each.layer) == (self.look.stack, layer)
        }
        segments: list[Segment] = []
        after = 0
        for head in sorted(chosen | off | (set() if cursor is None else {cursor})):
            if head >= len(row):
                break
            segments += row_segments(row[after:head], palette, width)
            if head in chosen or head in off:
                mark = "×" if head in off else "+"
                segments += marked_segments(mark, row[head], head == cursor, palette, width)
            else:
                segments += cursor_segments(row[head], 0.0, palette, width)
            after = head + 1
        return [*segments, *row_segments(row[after:], palette, width)]


def _same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    import numpy as np

    return np.array_equal(one, other, equal_nan=True)
