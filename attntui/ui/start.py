"""How the screen opens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from attntui.core.head_tables import HeadTable
from attntui.core.protocol import (
    ModelOptions,
    Stack,
)

if TYPE_CHECKING:
    from attntui.ui.memory import Past
    from attntui.ui.state import Look


@dataclass(frozen=True)
class Start:
    """How the screen opens, from the command line."""

    layer: int | None = None
    head: int | None = None
    attention: Stack | None = None
    mouse: bool = True
    style: Literal["auto", "shade"] = "auto"
    theme: Literal["auto", "dark", "light"] = "auto"
    keys: Mapping[str, str] = field(default_factory=dict)
    """The user's own keys, by the name of what they do."""
    compare: ModelOptions | None = None
    """Another model, whose run is compared with that of the first."""
    file: str | None = None
    """A file of attention, opened in place of a model."""
    tables: tuple[HeadTable, ...] = ()
    """What files say of heads, to colour the head map by."""
    look: "Look | None" = None
    """Where the last session left, to be resumed."""
    draft: "Past | None" = None
    """What it left typed and not run, to be in the box again."""
