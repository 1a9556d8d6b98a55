"""Every token stands on a line of its own, and what is out of sight is counted."""

from hypothesis import given
from hypothesis import strategies as st

from attntui.ui.widgets.lines_column import Column, side_by_side


@st.composite
def columns(draw: st.DrawFn) -> Column:
    """A column of any size, scrolled to hold any of its tokens."""
    start, count = draw(st.integers(0, 30)), draw(st.integers(1, 60))
    room, gap = draw(st.integers(3, 40)), draw(st.none() | st.integers(0, 90))
    tokens = range(start, start + count)
    column, _ = side_by_side((tokens, tokens), (gap, gap), room)
    return column.holding(draw(st.sampled_from(tokens)))


@given(columns())
def test_lines_and_tokens_are_each_other(column: Column) -> None:
    lines = [column.line(position) for position in column.seen]
    assert lines == sorted(set(lines))
    assert [column.at(line) for line in lines] == list(column.seen)
    others = set(range(column.room)) - set(lines)
    assert all(column.at(line) is None for line in others)


@given(columns())
def test_what_is_out_of_sight_is_counted_and_stands_on_the_edges(column: Column) -> None:
    assert column.above + len(column.seen) + column.below == len(column.tokens)
    above, below = column.tokens[: column.above], column.tokens[len(column.tokens) - column.below :]
    assert {column.line(position) for position in above} <= {0}
    assert {column.line(position) for position in below} <= {column.room - 1}
    assert column.edged or column.above == column.below == 0


@given(columns(), st.data())
def test_a_token_is_brought_into_sight_and_no_farther(column: Column, data: st.DataObject) -> None:
    position = data.draw(st.sampled_from(column.tokens))
    moved = column.holding(position)
    assert position in moved.seen
    assert position not in column.seen or moved == column
    assert moved.top <= max(0, moved.length - moved.window)


@given(columns())
def test_a_line_is_free_where_the_second_sentence_begins(column: Column) -> None:
    line = column.gap_line()
    if line is not None:
        assert column.gap is not None
        assert column.at(line) is None
        assert column.at(line + 1) in {column.gap, None}
        assert max((at for at in range(line) if column.at(at) is not None), default=0) < line


def test_tokens_stand_as_far_apart_as_they_fit() -> None:
    def spacing(queries: int, keys: int) -> int:
        left, right = side_by_side((range(queries), range(keys)), (None, None), 20)
        assert left.spacing == right.spacing and left.edged == right.edged
        return left.spacing

    assert [spacing(7, 7), spacing(10, 3), spacing(3, 20), spacing(21, 1)] == [3, 2, 1, 1]
