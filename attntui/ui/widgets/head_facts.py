"""Under the head map: its shades, the value here, the largest, and what the plus signs mean."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from rich.segment import Segment

from attntui.render.labels import fit
from attntui.render.strips import row_segments
from attntui.ui.measures import is_on_random

if TYPE_CHECKING:
    from attntui.ui.widgets.head_values import HeadValues

FACTS = 6
"""Lines under the map, a blank one above them."""
INDENT, NAME = 2, 6
"""Columns before the ramp, and of a head's name."""


def facts(heads: HeadValues, width: int) -> list[list[Segment]]:
    """The lines, each in its place whatever the others say."""
    if heads.values is None:
        return [[], [], [], [], [], _chosen(heads, width)]
    where = "on random tokens" if is_on_random(heads.look) else ""
    if heads.look.shows_head:
        where = heads.parts_here or where
    return [
        [],
        _ramp(heads),
        *_values(heads, width),
        [Segment(where, heads.style_of("faint"))],
        _chosen(heads, width),
    ]


def _ramp(heads: HeadValues) -> list[Segment]:
    """What the shades stand for."""
    faint, measure = heads.style_of("faint"), heads.measure
    ramp = row_segments(range(heads.palette.count), heads.palette, 1)
    most = f"{heads.bound:.3g} {measure.unit}"
    least = f"{' ' * INDENT}-{heads.bound:.3g}" if heads.palette.zero else f"{' ' * INDENT}0"
    if heads.look.map == "order":
        least, most = "words", "order"
    return [Segment(f"{least} ", faint), *ramp, Segment(f" {most}", faint)]


def _values(heads: HeadValues, width: int) -> list[list[Segment]]:
    """Two lines: the value here and the largest; or why there is none."""
    largest, faint = heads.largest(), heads.style_of("faint")
    if largest is None:
        lines = [*wrap(heads.why_blank(), max(width, 1)), "", ""]
        return [[Segment(line, faint)] for line in lines[:2]]
    look, here = heads.look, heads.value_here()
    layer, head, most = largest
    shows_here = here is not None and look.shows_head
    return [
        _value(heads, look.layer, look.head, here) if here is not None and shows_here else [],
        [*_value(heads, layer, head, most), Segment(" largest", faint)],
    ]


def _value(heads: HeadValues, layer: int, head: int, value: float) -> list[Segment]:
    text = f"{f'{layer}.{head}':<{NAME}}{heads.measure.shown(value)}"
    return [Segment(text, heads.style_of("text"))]


def _chosen(heads: HeadValues, width: int) -> list[Segment]:
    """The heads that the map marks with a plus."""
    names = ", ".join(f"{layer}.{head}" for layer, head in heads.look.chosen)
    if not names:
        return []
    plus, listed = Segment("+ ", heads.style_of("strong")), fit(names, max(width - 2, 1))
    return [plus, Segment(listed, heads.style_of("text"))]
