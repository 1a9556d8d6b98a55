"""Curves begin and end where they should, hold together, and cover weaker ones."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attntui.render.braille import NO_INK, Curve, Drawing, Pen, draw
from attntui.render.palette import DENSITIES

COLUMNS, ROWS = 12, 8
HEIGHT = 4 * ROWS
INSIDE = st.integers(0, HEIGHT - 2)
ANYWHERE = st.integers(-HEIGHT, 2 * HEIGHT)
PENS = st.sampled_from([Pen(), Pen(1, 2), Pen(3), Pen(6)])
CURVES = st.builds(Curve, INSIDE, INSIDE, st.integers(0, 3), st.just((0,)), PENS)


def dots(drawing: Drawing) -> set[tuple[int, int]]:
    """(column, row) of every lit dot, by the Unicode standard's numbers of the dots."""
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]
    return {
        (2 * column + across, 4 * row + down)
        for row, line in enumerate(drawing.lines)
        for column, char in enumerate(line)
        if char != " "
        for bit, (across, down) in enumerate(places)
        if (ord(char) - 0x2800) >> bit & 1
    }


@given(INSIDE, INSIDE, PENS)
def test_both_ends_are_lit_and_nothing_outside(left: int, right: int, pen: Pen) -> None:
    lit = dots(draw([Curve(left, right, 1, (0,), pen)], COLUMNS, ROWS))
    assert {(0, left), (2 * COLUMNS - 1, right)} <= lit
    rows = [row for _, row in lit]
    assert min(left, right) == min(rows)
    assert max(rows) == max(left, right) + pen.width - 1


@given(INSIDE, INSIDE)
def test_a_curve_holds_together_and_never_turns_back(left: int, right: int) -> None:
    lit = dots(draw([Curve(left, right, 1, (0,))], COLUMNS, ROWS))
    way = sorted(lit, key=lambda dot: (dot[0], dot[1] if left <= right else -dot[1]))
    for (x, y), (next_x, next_y) in pairwise(way):
        assert next_x - x <= 1 and abs(next_y - y) <= 1
        assert (next_y - y) * (right - left) >= 0


def test_a_curve_is_level_at_both_ends_and_halfway_in_the_middle() -> None:
    lit = dots(draw([Curve(1, 29, 1, (0,))], COLUMNS, ROWS))
    assert {(0, 1), (1, 1), (22, 29), (23, 29)} <= lit
    assert {row for column, row in lit if column in {11, 12}} >= {14, 15, 16}


@given(st.lists(CURVES, max_size=6))
def test_a_drawing_has_its_size_and_ink_where_there_are_dots(curves: list[Curve]) -> None:
    drawing = draw(curves, COLUMNS, ROWS)
    assert [len(line) for line in drawing.lines] == [COLUMNS] * ROWS
    assert [len(row) for row in drawing.inks] == [COLUMNS] * ROWS
    for line, row in zip(drawing.lines, drawing.inks, strict=True):
        assert [char == " " for char in line] == [ink == NO_INK for ink in row]


@given(st.lists(CURVES, min_size=1, max_size=6), INSIDE, INSIDE)
def test_the_strongest_covers_the_others(curves: list[Curve], left: int, right: int) -> None:
    strongest = Curve(left, right, 4, (7,))
    alone, together = draw([strongest], COLUMNS, ROWS), draw([strongest, *curves], COLUMNS, ROWS)
    for row, line in enumerate(alone.lines):
        for column, char in enumerate(line):
            if char != " ":
                assert together.lines[row][column] == char
                assert together.inks[row][column] == 7
            elif together.inks[row][column] != NO_INK:
                assert together.inks[row][column] == 0


@given(ANYWHERE, ANYWHERE)
def test_what_lies_outside_is_cut_off(left: int, right: int) -> None:
    lit = dots(draw([Curve(left, right, 1, (0,), Pen(1, 2))], COLUMNS, ROWS))
    tall = dots(draw([Curve(left + HEIGHT, right + HEIGHT, 1, (0,), Pen(1, 2))], COLUMNS, 4 * ROWS))
    moved = {(column, row - HEIGHT) for column, row in tall}
    assert lit == {(column, row) for column, row in moved if 0 <= row < HEIGHT}


def test_several_inks_take_turns() -> None:
    (row,) = draw([Curve(1, 1, 1, (5, 9))], 8, 1).inks
    assert row == (5, 5, 9, 9, 5, 5, 9, 9)


@pytest.mark.parametrize("right", [1, 17, 31])
def test_without_colour_a_stronger_line_has_more_dots(right: int) -> None:
    counts = [len(dots(draw([Curve(1, right, 1, (0,), pen)], 20, 9))) for pen in DENSITIES]
    assert all(more >= 1.25 * fewer for fewer, more in pairwise(counts))


def test_no_room_is_no_drawing() -> None:
    assert draw([Curve(0, 0, 1, (0,))], 0, 2).lines == ("", "")
    assert draw([Curve(0, 0, 1, (0,))], 3, 0).lines == ()
