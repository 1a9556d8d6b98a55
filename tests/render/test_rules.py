"""Lines over cells change no width and hide no figure."""

from rich.segment import Segment
from rich.style import Style

from attntui.render.rules import below, upright

INK = Style(color="white")
ROW = [Segment("7 John ", INK), Segment("    ", Style(bgcolor="red")), Segment(" .6 ", INK)]


def text(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def test_a_line_is_drawn_over_blanks_only() -> None:
    assert text(upright(ROW, 9, INK)) == "7 John   ▏  .6 "
    assert text(upright(ROW, 12, INK)) == text(ROW)
    assert text(below(ROW, 7, 15, INK)) == "7 John ▁▁▁▁ .6 "
    assert below(ROW, 7, 11, INK)[1].style == Style(color="white", bgcolor="red")


def test_a_line_outside_is_none() -> None:
    for column in (-3, 15, 99):
        assert text(upright(ROW, column, INK)) == text(ROW)
    assert upright([], 0, INK) == []
