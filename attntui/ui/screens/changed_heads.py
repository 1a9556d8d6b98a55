"""Which heads changed: a list, the one that changed most first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.style import Style
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from attntui.core.protocol import Stack
from attntui.render.names import STACKS
from attntui.render.ranking import bar
from attntui.ui.screens.on_top import OnTop

if TYPE_CHECKING:
    import numpy as np

Place = tuple[int, int]
BAR = 30


class ChangedHeads(OnTop[Place | None]):
    """Gives a head, as (layer, head), or None. `bits` (layers, heads), NaN: not in both runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,A", "dismiss(None)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
    ]

    def __init__(self, title: str, bits: np.ndarray, here: Place, stack: Stack) -> None:
        super().__init__()
        self._title, self._stack, self._here = title, STACKS[stack], here
        cells = [
            (float(value), layer, head)
            for layer, row in enumerate(bits.tolist())
            for head, value in enumerate(row)
        ]
        both = [cell for cell in cells if not math.isnan(cell[0])]
        self._ranked = sorted(both, key=lambda cell: -cell[0])

    def compose(self) -> ComposeResult:
        largest = max([1e-9, *(value for value, _, _ in self._ranked)])
        names = [f"{layer}.{head}" for _, layer, head in self._ranked]
        width = max(map(len, names), default=1)
        options = OptionList(
            *(
                Option(self._line(name, width, value, largest, (layer, head)))
                for name, (value, layer, head) in zip(names, self._ranked, strict=True)
            ),
            id="options",
            markup=False,
        )
        title = Content(f"{self._stack}Heads that changed: {self._title}")
        options.border_title = title
        options.styles.min_width = max(50, title.cell_length + 6)
        options.border_subtitle = Content("bits · Enter goes there · Esc closes")
        yield options

    def _line(self, name: str, width: int, value: float, largest: float, place: Place) -> Content:
        mark = "•" if place == self._here else " "
        figures = f"{mark} {name:<{width}}  {value:.3f}  "
        return Content.assemble(figures, (bar(value / largest, BAR), Style.parse("$bar")))

    def action_move(self, step: int) -> None:
        options = self.query_one(OptionList)
        if step > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        _, layer, head = self._ranked[event.option_index]
        self.dismiss((layer, head))
