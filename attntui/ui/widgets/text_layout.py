"""The text of one side in lines, and the way that arrows take through it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from attntui.render.readable import Piece, readable
from attntui.render.text_lines import NO_UNIT, Line, wrap
from attntui.ui.choices import Axis, Unit
from attntui.ui.state import Look

MARGIN_LIMIT = 11
"""Columns of the margin at most: "assistant" and a space fit."""


@dataclass(frozen=True)
class TextBlock:
    """The units along `axis` as text; its first line is line `top` of the page."""

    axis: Axis
    top: int
    lines: list[Line]
    places: dict[int, tuple[int, int]]
    """Of each unit, the line here and the column where it begins."""
    signs: frozenset[int]
    """Units that are not what was written: special tokens, line feeds, a chat template's words."""

    def vertical(self, unit: int, step: int, column: int) -> int:
        """The unit `step` lines below (above: negative) at a column, or the last on the way."""
        start = self.places[unit][0]
        way = 1 if step > 0 else -1
        found = unit
        for at in range(start + way, len(self.lines) if step > 0 else -1, way):
            here = self.lines[at].nearest(column)
            found = found if here is None else here
            if abs(at - start) >= abs(step) and found != unit:
                break
        return found

    def line_end(self, unit: int, step: int) -> int:
        """The first (-1) or last (1) unit of the line where `unit` begins."""
        spans = self.lines[self.places[unit][0]].spans
        units = [span.unit for span in spans if span.unit != NO_UNIT]
        return units[0 if step < 0 else -1]


@dataclass(frozen=True)
class TextLayout:
    """The texts of a page, one above the other, beside a margin of so many columns."""

    margin: int = 0
    blocks: tuple[TextBlock, ...] = ()

    @property
    def height(self) -> int:
        """Lines of all of it."""
        return self.blocks[-1].top + len(self.blocks[-1].lines) if self.blocks else 0

    def block(self, axis: Axis) -> TextBlock:
        """The text that an axis stands in; one text for both where a model reads only one."""
        return next((block for block in self.blocks if block.axis == axis), self.blocks[0])

    def line_at(self, number: int) -> tuple[TextBlock, Line] | None:
        """A line of the page and its text; None where there is none."""
        for block in self.blocks:
            if 0 <= number - block.top < len(block.lines):
                return block, block.lines[number - block.top]
        return None


def lay_out(look: Look, width: int) -> TextLayout:
    """One text, or for cross attention two: what is read above what is written."""
    stack = look.stack_info
    if stack is None or not look.queries or not look.keys:
        return TextLayout()
    axes: tuple[Axis, ...] = ("queries",) if stack.queries == stack.keys else ("keys", "queries")
    texts = {axis: _pieces(look, axis, named=len(axes) > 1) for axis in axes}
    names = [piece.label for pieces in texts.values() for piece in pieces if piece.label]
    margin = min(max((cell_len(name) + 1 for name in names), default=0), MARGIN_LIMIT)
    blocks: list[TextBlock] = []
    top = 0
    for axis, pieces in texts.items():
        lines = wrap(pieces, width - margin)
        blocks.append(TextBlock(axis, top, lines, _places(lines), _signs(look.units(axis))))
        top += len(lines) + 1
    return TextLayout(margin, tuple(blocks))


def _pieces(look: Look, axis: Axis, named: bool) -> list[Piece]:
    side = look.side(axis)
    assert side is not None
    pieces = readable(look.units(axis), side.tokens)
    if named and pieces[0].label is None:
        pieces[0] = replace(pieces[0], label=side.name)
    return pieces


def _signs(units: Sequence[Unit]) -> frozenset[int]:
    is_chat = any(unit.role for unit in units)
    return frozenset(
        at
        for at, unit in enumerate(units)
        if unit.special or unit.text.isspace() or (is_chat and not unit.role)
    )


def _places(lines: list[Line]) -> dict[int, tuple[int, int]]:
    """Of each unit, the line and the column where it begins."""
    places: dict[int, tuple[int, int]] = {}
    for number, line in enumerate(lines):
        for span in line.spans:
            places.setdefault(span.unit, (number, span.x))
    return places
