"""The sections of the neuron page: the sum, the dimensions as cells, the largest, the keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from attntui.core.scale import Scale, signed_levels
from attntui.core.tokens import visible
from attntui.render.diverging import Diverging
from attntui.render.labels import fit
from attntui.render.ranking import bar
from attntui.render.signed import places, signed
from attntui.render.strips import signed_segments
from attntui.ui.widgets.score_parts import ScoreParts

if TYPE_CHECKING:
    import numpy as np

Line = list[Segment]
Pen = Callable[[str], Style]
"""The style of a name: text, faint, strong, current, bar."""


@dataclass(frozen=True)
class Canvas:
    """How many columns and lines there are, and the styles to draw with."""

    width: int
    height: int
    pen: Pen
    diverging: Diverging


NAME = 6
"""Columns of "q × k" and the space after it."""
STEP = 8
"""A dimension's number stands above every so manieth cell."""
CELL_LIMIT = 3
LABEL_LIMIT, BAR_LIMIT = 14, 24


def sum_lines(parts: ScoreParts, key: int, canvas: Canvas) -> list[Line]:
    """From q · k to the score, and to the weight that the softmax makes of it."""
    pen = canvas.pen
    *steps, (last, score) = parts.steps(key)
    pieces: list[Line] = [
        [Segment(f"{words} = {value:+.4g}   ", pen("text"))] for words, value in steps
    ]
    pieces.append(
        [
            Segment(f"{last} = score ", pen("text")),
            Segment(f"{score:+.4g}", pen("strong")),
            Segment("   ", pen("text")),
        ]
    )
    if math.isinf(parts.score(key)):
        pieces.append([Segment("masked: the query cannot see it", pen("current"))])
    else:
        weight = Segment(f"{parts.weight(key):.4f}", pen("current"))
        pieces.append([Segment("softmax: weight ", pen("text")), weight])
    return folded(pieces, canvas.width)


def folded(pieces: Sequence[Line], width: int) -> list[Line]:
    """The pieces on as few lines as hold them."""
    lines: list[Line] = []
    for piece in pieces:
        needed = cell_len("".join(segment.text for segment in piece).rstrip())
        if not lines or columns(lines[-1]) + needed > width:
            lines.append([])
        lines[-1].extend(piece)
    return lines


def columns(line: Line) -> int:
    """Columns that a line takes."""
    return sum(cell_len(segment.text) for segment in line)


def largest_of(parts: ScoreParts, key: int, canvas: Canvas) -> Line:
    """What the end of the ramp stands for in each row."""
    rows = {"q": parts.query, "k": parts.key(key), "q × k": parts.products(key)}
    largest = ", ".join(f"{name} {float(abs(row).max()):.3g}" for name, row in rows.items())
    return [Segment(f"largest: {largest}", canvas.pen("faint"))]


def dimension_lines(
    parts: ScoreParts, key: int, order: np.ndarray, scale: Scale, canvas: Canvas
) -> list[Line]:
    """q, k and their products as cells, the dimensions in `order`, folded at the width."""
    rows = {"q": parts.query, "k": parts.key(key), "q × k": parts.products(key)}
    shown = {
        name: signed_levels(row, scale, canvas.diverging.reach)[order].tolist()
        for name, row in rows.items()
    }
    cell, count = folding(len(order), canvas.width)
    lines: list[Line] = []
    for start in range(0, len(order), count):
        block = slice(start, start + count)
        numbers = "".join(f"{at:<{STEP * cell}}" for at in order[block][::STEP])
        lines.append([Segment(" " * NAME + numbers, canvas.pen("faint"))])
        for name, levels in shown.items():
            cells = signed_segments(levels[block], canvas.diverging, cell)
            lines.append([Segment(f"{name:>{NAME - 1}} ", canvas.pen("text")), *cells])
    return lines


def folding(size: int, width: int) -> tuple[int, int]:
    """Columns of a cell, and dimensions in a line: as few lines as can be, all about as long."""
    room = max(width - NAME, STEP)
    lines = -(-size // (room // STEP * STEP))
    count = -(-size // lines // STEP) * STEP
    return min(CELL_LIMIT, max(1, room // count)), count


def largest_lines(parts: ScoreParts, key: int, count: int, canvas: Canvas) -> list[Line]:
    """The dimensions that add or take most, in figures, and what all others do together."""
    import numpy as np

    pen, diverging = canvas.pen, canvas.diverging
    products = parts.products(key)
    order = np.argsort(-np.abs(products), kind="stable")
    named, rest = order[: max(count - 2, 1)], order[max(count - 2, 1) :]
    levels = signed_levels(products, "linear", diverging.reach)
    columns = [parts.query[named], parts.key(key)[named], products[named]]
    digits = [places(column.tolist()) for column in columns]
    texts = [
        [signed(value, digit) for value in column.tolist()]
        for column, digit in zip(columns, digits, strict=True)
    ]
    widths = [max(map(len, column)) for column in texts]
    lines: list[Line] = [[Segment("dimensions that count most", pen("faint"))]]
    for at, *values in zip(named.tolist(), *texts, strict=True):
        q, k, product = (text.rjust(room) for text, room in zip(values, widths, strict=True))
        lines.append(
            [
                Segment(f"{at:>4}  ", pen("faint")),
                Segment(f"{q} × {k} = ", pen("text")),
                Segment(product, pen("strong")),
                Segment(" ", pen("text")),
                *signed_segments([int(levels[at])], diverging, 2),
            ]
        )
    if len(rest):
        others = signed(float(products[rest].sum()), digits[2])
        lines.append([Segment(f"  the {len(rest)} others together {others}", pen("faint"))])
    return lines


def key_lines(
    parts: ScoreParts, key: int, labels: Sequence[str], count: int, width: int, pen: Pen
) -> dict[int, Line]:
    """The keys around the chosen one: score and weight, by key. `labels` are of `parts`' keys."""
    first, stop = parts.request.keys
    top = min(max(first, key - count // 2), max(first, stop - count))
    shown = range(top, min(top + count, stop))
    scores = [parts.score(at) for at in shown]
    digits = places(scores)
    texts = [signed(score, digits) if math.isfinite(score) else "masked" for score in scores]
    score_width = max(map(len, texts))
    number = len(str(shown[-1]))
    label = min(LABEL_LIMIT, max(cell_len(visible(labels[at - first])) for at in shown))
    left = width - (number + label + score_width + 6 + 4)
    label += min(left, 0)
    lines = {}
    for at, text in zip(shown, texts, strict=True):
        is_chosen = at == key
        style = pen("current" if is_chosen else "text")
        weight = parts.weight(at)
        name = fit(visible(labels[at - first]), max(label, 1))
        line = [
            Segment(
                ("▸" if is_chosen else " ") + f"{at:>{number}} ",
                style if is_chosen else pen("faint"),
            ),
            Segment(f"{name} {text:>{score_width}} {weight:.4f}", style),
        ]
        if left > 3:
            line.append(Segment(" " + bar(weight, min(left - 1, BAR_LIMIT)), pen("bar")))
        lines[at] = line
    return lines
