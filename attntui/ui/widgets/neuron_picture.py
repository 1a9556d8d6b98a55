"""The neuron page put together from its sections, as the room allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest

from rich.segment import Segment

from attntui.ui.state import Look
from attntui.ui.widgets.neuron_lines import (
    Canvas,
    Line,
    columns,
    dimension_lines,
    folded,
    key_lines,
    largest_lines,
    largest_of,
    sum_lines,
)
from attntui.ui.widgets.score_parts import ScoreParts

LISTED = 5
"""Lines that a list has at least."""
ROOMY = 2 * LISTED + 2
"""With so many lines left for the lists, blank ones stand between the sections."""
BESIDE = 20
"""Columns that the list of keys needs beside the other list."""
NOTE_WIDTH = 55
"""Below it, the second of two notes."""
IN_ORDER = (
    "dimensions in order · Enter sorts them by what they add",
    "in order · Enter: by what they add",
)
BY_SIZE = (
    "dimensions by what they add · Enter puts them in order",
    "by what they add · Enter: in order",
)


@dataclass(frozen=True)
class Picture:
    """The lines; `keys` says which key a line lists, from column `keys_from` on."""

    lines: list[Line] = field(default_factory=list)
    keys: dict[int, int] = field(default_factory=dict)
    keys_from: int = 0


def draw(parts: ScoreParts, key: int, look: Look, by_size: bool, canvas: Canvas) -> Picture:
    """All of the page for one key; `by_size` sorts the dimensions by what they add."""
    import numpy as np

    products = parts.products(key)
    order = np.argsort(-products, kind="stable") if by_size else np.arange(len(products))
    words = (BY_SIZE if by_size else IN_ORDER)[canvas.width < NOTE_WIDTH]
    note = [Segment(f"{words}   ", canvas.pen("faint"))]
    sums = [*_notes(look, canvas), *sum_lines(parts, key, canvas)]
    dimensions = [
        *folded([note, largest_of(parts, key, canvas)], canvas.width),
        *dimension_lines(parts, key, order, look.scale, canvas),
    ]
    left = canvas.height - len(sums) - len(dimensions)
    gap: list[Line] = [[]] if left >= ROOMY else []
    side = look.side("keys")
    assert side is not None
    labels = [token.text for token in side.tokens[slice(*parts.request.keys)]]
    return _with_lists([*sums, *gap, *dimensions, *gap], parts, key, labels, canvas)


def _notes(look: Look, canvas: Canvas) -> list[Line]:
    """What is shown in place of what was chosen: never in silence."""
    notes: list[Line] = []
    faint = canvas.pen("faint")
    if look.lens != "head":
        what = "rollout" if look.lens == "rollout" else "mean"
        why = f"A {what} has no query and key of its own: ", "this is one head.  "
        notes += [[Segment(each, faint)] for each in why]
    if look.words:
        notes.append([Segment("Of each word, its last token.", faint)])
    return folded(notes, canvas.width)


def _with_lists(
    above: list[Line], parts: ScoreParts, key: int, labels: list[str], canvas: Canvas
) -> Picture:
    """Under `above`, the dimensions that count most; beside them or under them the keys."""
    count = max(LISTED, canvas.height - len(above))
    largest = largest_lines(parts, key, count, canvas)
    left = max(map(columns, largest)) + 2
    is_beside = canvas.width - left >= BESIDE
    if not is_beside:
        count = max(LISTED, count // 2)
        largest = largest_lines(parts, key, count, canvas)
    room = canvas.width - left if is_beside else canvas.width
    keys = key_lines(parts, key, labels, count - 1, room, canvas.pen)
    listed: list[Line] = [[Segment("keys: score, weight", canvas.pen("faint"))], *keys.values()]
    if not is_beside:
        first = len(above) + len(largest) + 1
        return Picture([*above, *largest, *listed], dict(enumerate(keys, first)))
    both = zip_longest(largest, listed, fillvalue=list[Segment]())
    lines = [[*_padded(one, left, canvas), *other] for one, other in both]
    return Picture([*above, *lines], dict(enumerate(keys, len(above) + 1)), left)


def _padded(line: Line, width: int, canvas: Canvas) -> Line:
    return [*line, Segment(" " * (width - columns(line)), canvas.pen("text"))]
