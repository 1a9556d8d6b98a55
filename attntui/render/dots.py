"""Points and straight lines in braille, two by four dots to a cell."""

from attntui.render.braille import ACROSS, BITS, BLANK, DOWN, NO_INK, Drawing

Point = tuple[float, float]
"""Dots from the left edge and from the top."""


class Dots:
    """A sheet of so many cells. What is drawn last inks the cells that it touches; what lies
    outside of the sheet is left out."""

    def __init__(self, columns: int, rows: int) -> None:
        self.width, self.height = columns * ACROSS, rows * DOWN
        self._columns, self._rows = columns, rows
        self._bits: dict[tuple[int, int], int] = {}
        self._inks: dict[tuple[int, int], int] = {}

    def point(self, at: Point, ink: int, size: int = 1) -> None:
        """A square of dots, `size` a side, its middle as near as can be."""
        left, top = (round(each - (size - 1) / 2) for each in at)
        left = min(max(left, 0), self.width - size)
        top = min(max(top, 0), self.height - size)
        for across in range(size):
            for down in range(size):
                self._dot(left + across, top + down, ink)

    def line(self, start: Point, stop: Point, ink: int, gap: int = 1) -> None:
        """A straight line, of which every `gap`th dot is drawn."""
        steps = max(1, round(max(abs(stop[0] - start[0]), abs(stop[1] - start[1]))))
        for step in range(0, steps + 1, gap):
            share = step / steps
            x, y = (a + (b - a) * share for a, b in zip(start, stop, strict=True))
            self._dot(round(x), round(y), ink)

    def _dot(self, x: int, y: int, ink: int) -> None:
        if 0 <= x < self.width and 0 <= y < self.height:
            cell = y // DOWN, x // ACROSS
            self._bits[cell] = self._bits.get(cell, 0) | BITS[y % DOWN][x % ACROSS]
            self._inks[cell] = ink

    def drawing(self) -> Drawing:
        """The sheet as text, with the ink of every cell."""
        cells = [[(row, column) for column in range(self._columns)] for row in range(self._rows)]
        lines = [
            "".join(chr(BLANK + self._bits[at]) if at in self._bits else " " for at in row)
            for row in cells
        ]
        inks = [tuple(self._inks.get(at, NO_INK) for at in row) for row in cells]
        return Drawing(tuple(lines), tuple(inks))
