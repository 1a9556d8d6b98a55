"""A column of tokens: which of them are in sight, and on which line each one stands."""

from dataclasses import dataclass, replace

SPACINGS = (3, 2, 1)
"""Lines that a token may take, where all of them fit."""


@dataclass(frozen=True)
class Column:
    """`tokens`, a range of positions, down `room` lines.

    Where `edged`, the first and the last line are left for what is out of sight; tokens out of
    sight stand on them. `top` is the first line of the list in sight. One line is left free before
    `gap`, where a second sentence begins.
    """

    tokens: range = range(0)
    room: int = 0
    spacing: int = 1
    edged: bool = False
    top: int = 0
    gap: int | None = None

    @property
    def length(self) -> int:
        """Lines of the whole list."""
        return self._place(self.tokens[-1]) + 1 if self.tokens else 0

    @property
    def window(self) -> int:
        """Lines for tokens."""
        return max(0, self.room - 2 * self.edged)

    @property
    def seen(self) -> range:
        """The positions in sight."""
        stop = self.tokens.stop
        first, end = self._at_or_after(self.top), self._at_or_after(self.top + self.window)
        return range(min(first, stop), min(end, stop))

    @property
    def above(self) -> int:
        """How many tokens are out of sight above."""
        return self.seen.start - self.tokens.start

    @property
    def below(self) -> int:
        """How many are below."""
        return self.tokens.stop - self.seen.stop

    def line(self, position: int) -> int:
        """The line where a token stands; the first or last where it is out of sight."""
        line = self._place(position) - self.top + self.edged
        return min(max(line, 0), max(self.room - 1, 0))

    def gap_line(self) -> int | None:
        """The line left free before the second sentence, if it is in sight."""
        if self.gap is None:
            return None
        line = self._place(self.gap) - 1 - self.top
        return line + self.edged if 0 <= line < self.window else None

    def at(self, line: int) -> int | None:
        """The token that stands on a line, if one does."""
        position = self._at_or_after(line - self.edged + self.top)
        return position if position in self.seen and self.line(position) == line else None

    def scrolled(self, lines: int) -> "Column":
        """Scrolled by so many lines, as far as it goes."""
        most = max(0, self.length - self.window)
        return replace(self, top=min(max(self.top + lines, 0), most))

    def holding(self, position: int) -> "Column":
        """Scrolled as little as brings a token into sight."""
        place = self._place(position)
        top = min(max(self.top, place - self.window + 1), place)
        return self.scrolled(top - self.top)

    def _place(self, position: int) -> int:
        """The line of the list where a token stands."""
        is_second = self.gap is not None and position >= self.gap
        return (position - self.tokens.start) * self.spacing + is_second

    def _at_or_after(self, line: int) -> int:
        """The first token that stands on this line of the list or below."""
        start = self.tokens.start
        position = start + max(0, -(-line // self.spacing))
        if self.gap is None or position < self.gap:
            return position
        return max(self.gap, start - (-(line - 1) // self.spacing))


def side_by_side(
    sides: tuple[range, range], gaps: tuple[int | None, int | None], room: int
) -> tuple[Column, Column]:
    """Queries and keys over `room` lines, as far apart as still shows all of them."""
    for spacing in SPACINGS:
        left, right = (
            Column(tokens, room, spacing, gap=gap if gap in tokens[1:] else None)
            for tokens, gap in zip(sides, gaps, strict=True)
        )
        if left.length <= room and right.length <= room:
            return left, right
    return replace(left, edged=True), replace(right, edged=True)
