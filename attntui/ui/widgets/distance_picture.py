"""Two small plots, one above the other: over layers, or over ever longer prompts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style

from attntui.render.braille import NO_INK
from attntui.render.dots import Dots, Point

if TYPE_CHECKING:
    import numpy as np

Line = list[Segment]
Pen = Callable[[str], Style]
"""The style of a name: text, faint, strong, current, bar."""

MARGIN = 7
"""Columns of the numbers beside a plot, and the line."""
INKS = ("faint", "text", "bar", "current")
FAINT, TEXT, MEAN, HERE = range(len(INKS))
MARK = "◆"
"""The head at the cursor."""


@dataclass(frozen=True)
class Room:
    """Columns and lines of a plot without its numbers, and the styles to draw with."""

    columns: int
    rows: int
    pen: Pen

    @property
    def dots(self) -> Dots:
        return Dots(self.columns, self.rows)


@dataclass(frozen=True)
class Measured:
    """What a plot shows: `values` (times, layers, heads), NaN where there is none; at least one
    time. `shown` is how a value is written."""

    values: np.ndarray
    shown: Callable[[float], str]

    @property
    def means(self) -> np.ndarray:
        """(times, layers): the mean over heads, NaN where a layer has none."""
        import numpy as np

        there = np.isfinite(self.values)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(there, self.values, 0).sum(-1) / there.sum(-1))


def rounded_up(*values: np.ndarray) -> float:
    """The next of 1, 2, 4, 5, 8 and 10 times a power of ten that no value is above; 1 for 0."""
    import numpy as np

    value = max(float(np.nanmax(each, initial=0.0)) for each in values)
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value * (1 - 1e-6))


def over_layers(measured: Measured, here: tuple[int, int], room: Room) -> list[Line]:
    """The first time alone: a dot for each head, in order from left to right within its layer, and
    a line through the means of the layers."""
    values, means = measured.values[0], measured.means[0]
    dots, top = room.dots, rounded_up(values)
    layers, heads = values.shape
    band = dots.width / layers
    size = 2 if band / (heads + 1) >= 3 else 1

    def height(value: float) -> float:
        return (dots.height - 1) * (1 - value / top)

    there = [(band * (at + 0.5), height(mean)) for at, mean in enumerate(means) if mean == mean]
    place: Point | None = None
    for layer in sorted(range(layers), key=lambda each: each == here[0]):
        if layer == here[0]:  # above the other heads' dots, below these
            _path(dots, there, MEAN)
        for head in range(heads):
            value = float(values[layer, head])
            if value == value:  # not NaN
                at = band * (layer + (head + 1) / (heads + 1)), height(value)
                if (layer, head) == here:
                    place = at
                else:
                    dots.point(at, TEXT if layer == here[0] else FAINT, size)
    marks = [] if place is None else [place]
    return _framed(dots, marks, measured.shown, top, room)


def over_lengths(measured: Measured, here: tuple[int, int], room: Room) -> list[Line]:
    """A faint line for each layer's mean, a bright one for that of the layer here, and the head
    here; the times stand side by side."""
    means, of_head = measured.means, measured.values[:, here[0], here[1]]
    dots, top = room.dots, rounded_up(means, of_head)
    times = len(measured.values)
    places = [dots.width * (at + 0.5) / times for at in range(times)]

    def path(values: Sequence[float]) -> list[Point]:
        pairs = zip(places, values, strict=True)
        return [(x, (dots.height - 1) * (1 - value / top)) for x, value in pairs if value == value]

    for layer in sorted(range(means.shape[1]), key=lambda each: each == here[0]):
        is_here = layer == here[0]
        _path(dots, path(means[:, layer].tolist()), MEAN if is_here else FAINT, 2 if is_here else 3)
    head = path(of_head.tolist())
    _path(dots, head, HERE)
    return _framed(dots, head, measured.shown, top, room)


def _path(dots: Dots, points: Sequence[Point], ink: int, gap: int = 1) -> None:
    for start, stop in pairwise(points):
        dots.line(start, stop, ink, gap)
    if len(points) == 1:
        dots.point(points[0], ink, 2)


def _framed(
    dots: Dots, marks: Sequence[Point], shown: Callable[[float], str], top: float, room: Room
) -> list[Line]:
    """The sheet with numbers on its left and the marks on top."""
    drawing, pen = dots.drawing(), room.pen
    marked = {(int(y) // 4, int(x) // 2) for x, y in marks}
    numbers = {0: top, room.rows - 1: 0.0}
    if room.rows >= 5 and room.rows % 2:
        numbers[room.rows // 2] = top / 2
    lines = []
    for row, (text, inks) in enumerate(zip(drawing.lines, drawing.inks, strict=True)):
        number = shown(numbers[row]) if row in numbers else ""
        tick = "┤" if row in numbers else "│"
        line = [Segment(f"{number:>{MARGIN - 1}}{tick}", pen("faint"))]
        for column, (glyph, ink) in enumerate(zip(text, inks, strict=True)):
            if (row, column) in marked:
                line.append(Segment(MARK, pen("current")))
            else:
                line.append(Segment(glyph, pen("text" if ink == NO_INK else INKS[ink])))
        lines.append(line)
    return lines


def layer_numbers(layers: int, here: int, room: Room) -> Line:
    """The numbers of the layers under their heads, as many as there is room for."""
    band = room.columns / layers
    every = math.ceil((len(str(layers - 1)) + 1) / band)
    named = [layer for layer in range(layers) if layer % every == 0 and abs(layer - here) >= every]
    return _labels({band * (at + 0.5): str(at) for at in (*named, here)}, str(here), "layer", room)


def length_numbers(tokens: Sequence[int], room: Room) -> Line:
    """How many tokens each time had."""
    places = {room.columns * (at + 0.5) / len(tokens): f"{n:,}" for at, n in enumerate(tokens)}
    return _labels(places, "", "tokens", room)


def _labels(places: dict[float, str], current: str, name: str, room: Room) -> Line:
    """Texts, their middles at columns; one that would touch the one before is left out."""
    line = [Segment(f"{name:>{MARGIN - 1}} ", room.pen("faint"))]
    end = 0
    for middle, text in sorted(places.items()):
        start = max(round(middle - len(text) / 2), 0)
        if start < end + (end > 0) or start + len(text) > room.columns:
            continue
        style = room.pen("current" if text == current else "faint")
        line += [Segment(" " * (start - end), room.pen("faint")), Segment(text, style)]
        end = start + len(text)
    return line
