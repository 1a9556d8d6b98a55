"""Rows in columns, on standard output."""

import unicodedata
from collections.abc import Sequence

from attntui.core.tokens import sanitise


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as plain columns two spaces apart, each cell made safe."""
    cells = [[sanitise(cell) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def columns(text: str) -> int:
    """How many columns `text` takes on a terminal: two for each wide character."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)
