"""The options of attention rollout, changed live, with the picture behind following."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from attntui.ui.screens.on_top import OnTop
from attntui.ui.state import RolloutOptions


@dataclass(frozen=True)
class Choice:
    """An option: its field, its name, the values it can take, and what it does."""

    field: str
    name: str
    values: tuple[Any, ...]
    says: str


def choices(layers: int) -> tuple[Choice, ...]:
    """Rollout's options, for a stack of so many layers."""
    return (
        Choice(
            "residual",
            "residual",
            (0.0, 0.1, 0.25, 0.5, 0.75, 0.9),
            "share that passes unmixed; the paper's is 0.5",
        ),
        Choice("start_layer", "from layer", tuple(range(layers)), "those before it are left out"),
        Choice("head_fusion", "heads fused by", ("mean", "max", "min"), "the paper's is mean"),
        Choice(
            "discard_ratio",
            "discard",
            (0.0, 0.1, 0.3, 0.5, 0.7, 0.9),
            "share of small weights left out (vit-explain's)",
        ),
    )


class RolloutWindow(OnTop[None]):
    """Every change is told at once, so that the picture behind follows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,ctrl+r", "dismiss", show=False),
        Binding("down,j", "choose(1)", show=False),
        Binding("up,k", "choose(-1)", show=False),
        Binding("right,l", "turn(1)", show=False),
        Binding("left,h", "turn(-1)", show=False),
    ]

    def __init__(
        self, options: RolloutOptions, layers: int, changed: Callable[[RolloutOptions], None]
    ) -> None:
        super().__init__()
        self._options, self._changed = options, changed
        self._choices = choices(layers)
        self._at = 0

    def compose(self) -> ComposeResult:
        page = Static(self._content(), id="options")
        page.border_title = Content("Rollout")
        page.border_subtitle = Content("←→ changes · Esc closes")
        yield page

    def _content(self) -> Content:
        lines = []
        for at, choice in enumerate(self._choices):
            value = getattr(self._options, choice.field)
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            here = Style.parse("bold $accent") if at == self._at else Style()
            line = f"{'›' if at == self._at else ' '} {choice.name:<15}‹ {shown:^6} ›"
            lines.append(Content.assemble((line, here), (f"  {choice.says}", "$faint")))
        return Content("\n").join(lines)

    def action_choose(self, step: int) -> None:
        self._at = (self._at + step) % len(self._choices)
        self.query_one("#options", Static).update(self._content())

    def action_turn(self, step: int) -> None:
        choice = self._choices[self._at]
        value = getattr(self._options, choice.field)
        at = choice.values.index(value) if value in choice.values else 0
        at = min(max(at + step, 0), len(choice.values) - 1)
        changes: dict[str, Any] = {choice.field: choice.values[at]}
        self._options = replace(self._options, **changes)
        self.query_one("#options", Static).update(self._content())
        self._changed(self._options)
