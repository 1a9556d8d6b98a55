"""Rows in columns, on standard output and in a .csv."""

import csv
import io
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from attntui.core.edit_names import head_name
from attntui.core.protocol import Head, Stack
from attntui.core.tokens import sanitise

WIDEST = 100
"""Columns of a map of heads; a wider one is left out."""


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


def csv_text(columns: Iterable[str], rows: Iterable[Sequence[object]]) -> str:
    """A .csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def layer_name(stack: Stack, layer: int) -> str:
    """`5`, `cross.5`: a layer as a .csv has it."""
    return head_name(Head(stack, layer, 0)).rpartition(".")[0]


def head_map(values: np.ndarray, shown: Callable[[float], str]) -> Iterator[str]:
    """(layers, heads), layers down and their means in front; nothing where it is too wide.

    A layer without any value is left out.
    """
    cells = [["" if value != value else shown(value) for value in row] for row in values.tolist()]
    width = 1 + max(len(cell) for row in cells for cell in (*row, "head 0"))
    if 12 + width * values.shape[1] > WIDEST:
        return
    yield "layer  mean" + "".join(f"{f'head {at}':>{width}}" for at in range(values.shape[1]))
    for layer, row in enumerate(cells):
        there = values[layer][np.isfinite(values[layer])]
        if len(there):
            yield f"{layer:>5}{shown(float(there.mean())):>6}" + "".join(
                f"{cell:>{width}}" for cell in row
            )
