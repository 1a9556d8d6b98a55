"""What can be copied: the cell, the row, the column or the lists, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attntui.core.tokens import sanitise
from attntui.render.names import view_name
from attntui.render.ranking import Entry
from attntui.ui.choices import Unit
from attntui.ui.state import Look

if TYPE_CHECKING:
    import numpy as np


def cell_text(look: Look, weight: float) -> str:
    """`Layer 1 Head 2: 19 " John" -> 4 " went"  0.6134`."""
    query, key = look.queries[look.query], look.keys[look.key]
    return (
        f'{view_name(look.view)}: {look.query} "{sanitise(query.text)}" -> {look.key}'
        f' "{sanitise(key.text)}"\t{weight:.6f}'
    )


def line_text(units: Sequence[Unit], weights: np.ndarray) -> str:
    """A row or column: position, token and weight, a line each, with tabs between."""
    return "\n".join(
        f"{at}\t{sanitise(unit.text)}\t{weight:.6f}"
        for at, (unit, weight) in enumerate(zip(units, weights.tolist(), strict=True))
    )


def list_text(title: str, entries: Sequence[Entry]) -> str:
    """A list as it stands, with a line above that says what it is."""
    lines = [
        f"{'' if entry.position is None else entry.position}\t{entry.label}\t{entry.share:.6f}"
        for entry in entries
    ]
    return "\n".join([title, *lines])
