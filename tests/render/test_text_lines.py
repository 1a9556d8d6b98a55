"""Text to read: nothing lost, nothing torn that fits, every column accounted for."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from attntui.core.protocol import Token, Word
from attntui.core.tokens import NEWLINE, sanitise
from attntui.render.characters import whole_characters
from attntui.render.palette import shade_palette
from attntui.render.readable import Piece, readable
from attntui.render.text_lines import NO_UNIT, Line, figures, shades, wrap


def written(lines: list[Line]) -> list[str]:
    return ["".join(span.text for span in line.spans) for line in lines]


def lines_of(*texts: str, width: int) -> list[str]:
    return written(wrap([Piece(text) for text in texts], width))


PIECES = st.builds(
    Piece,
    st.text("ab \n日本。「é👩\x1b\u0301", max_size=9),
    st.sampled_from(["", " "]),
    st.sampled_from([None, None, "A"]),
)


@given(st.lists(PIECES, max_size=12), st.integers(4, 12))
def test_every_token_is_there_in_order_and_in_its_columns(pieces: list[Piece], width: int) -> None:
    lines = wrap(pieces, width)
    order = [span.unit for line in lines for span in line.spans if span.unit != NO_UNIT]
    assert sorted(set(order)) == list(range(len(pieces)))
    assert order == sorted(order)
    for line in lines:
        assert line.width <= width
        assert all(cell_len(span.text) == span.width for span in line.spans)
        assert all(one.x + one.width == next_.x for one, next_ in pairwise(line.spans))
    text = "".join(written(lines))
    assert "\x1b" not in text and "\n" not in text
    wanted = "".join(sanitise(piece.text) for piece in pieces)
    assert text.replace(" ", "").replace("∅", "").replace("◌", "") == wanted.replace(" ", "")


def test_words_of_several_tokens_stay_whole() -> None:
    assert lines_of("When", " Mary", " trans", "form", "ed", " it", width=13) == [
        "When Mary",
        "transformed",
        "it",
    ]
    assert lines_of("super", "califragilistic", width=9) == ["supercal", "ifragili", "stic"]


def test_line_breaks_and_indents_of_the_text_stay() -> None:
    assert lines_of("if x:\n", "    go", "\n\n", "end", width=20) == [
        f"if x:{NEWLINE}",
        f"    go{NEWLINE}",
        NEWLINE,
        "end",
    ]
    assert lines_of("12345678", " ", "9", width=9) == ["12345678 ", "9"]


def test_japanese_ends_anywhere_but_before_a_closing_mark() -> None:
    assert lines_of(*"吾輩は猫である。", width=9) == ["吾輩は猫", "である。"]
    assert lines_of(*"吾輩は猫だ。「名", width=11) == ["吾輩は猫", "だ。「名"]


def test_arrows_find_the_nearest_token() -> None:
    (line,) = wrap([Piece("one"), Piece("two", " "), Piece("日本", " ")], 20)
    assert [line.nearest(x) for x in (0, 2, 4, 6, 8, 11, 19)] == [0, 0, 1, 1, 2, 2, 2]
    assert Line().nearest(3) is None


def test_shades_and_figures_stand_under_their_tokens() -> None:
    (line,) = wrap([Piece("one"), Piece("日", " "), Piece(" x")], 20)
    palette = shade_palette("default", "default")
    assert "".join(one.text for one in shades(line, [4, 2, 0], palette)) == "███ ▒▒  "
    style = palette.outside
    assert "".join(one.text for one in figures(line, [0.614, 0.5, 0.001], style)) == ".61 .5  "
    assert "".join(one.text for one in figures(line, [1.0, 0.04, 0.3], style)) == "1.0   .3"


def piece(
    text: str, start: int, end: int, special: bool = False, part: int = 0, gap: str = ""
) -> Token:
    return Token(0, text, special, start, end, part, gap=gap)


def read(units: list[Token] | list[Word], tokens: list[Token] | None = None) -> str:
    pieces = readable(units, tokens or units)  # type: ignore[arg-type]
    return "".join(one.gap + one.text for one in pieces)


def test_spaces_come_from_offsets_or_from_the_tokens_themselves() -> None:
    pieces = [
        piece("[CLS]", -1, -1, special=True, part=-1),
        piece("play", 0, 4),
        piece("##ing", 4, 7),
        piece("dog", 8, 11, gap=" "),
        piece(".", 11, 12),
        piece("[SEP]", -1, -1, special=True, part=-1),
    ]
    assert read(pieces) == "[CLS] playing dog. [SEP]"
    # GPT-2's offsets leave out the space that its tokens carry.
    carried = [piece("play", 0, 4), piece("ing", 4, 7), piece(" dog", 8, 11, gap=" ")]
    assert read(carried) == "playing dog"
    # WordPiece drops line breaks: they are no token's, and no sign stands for them.
    broken = [piece("a", 0, 1), piece("b", 4, 5, gap="\r\n\n")]
    assert [text.rstrip() for text in written(wrap(readable(broken, broken), 9))] == ["a", "", "b"]
    # A heading's ## is text.
    assert read([piece("##", 0, 2), piece("#x", 2, 4)]) == "###x"
    assert read([piece("a", 0, 1), piece("##b", 1, 4)]) == "a##b"
    words = [Word("playing", 1, 2), Word("dog", 3, 3), Word(".", 4, 4)]
    assert read(words, pieces) == "playing dog."
    halves = [piece(text, -1, -1) for text in ("play", "ing", " d", "og ", "⟨E7⟩", "⟨8C AB⟩")]
    words = [Word("playing", 0, 1), Word("dog", 2, 3), Word("猫", 4, 5)]
    assert read(words, halves) == "playing dog 猫"


def test_without_offsets_marks_and_spaces_are_what_is_left() -> None:
    def unknown(*texts: str) -> str:
        return read([piece(text, -1, -1) for text in texts])

    assert unknown("play", "##ing", "dog") == "playing dog"
    assert unknown("吾輩", "は", "##猫") == "吾輩は猫"
    assert unknown("play", "ing", " dog") == "playing dog"


def test_roles_and_sentences_are_named_where_they_begin() -> None:
    pair = [piece("a", 0, 1), piece("[SEP]", -1, -1, True, -1), piece("b", 0, 1, part=1)]
    assert [one.label for one in readable(pair, pair)] == ["A", None, "B"]
    chat = [
        Token(0, text, role=role)
        for text, role in zip("abcd", ["", "user", "user", "me\x1b"], strict=True)
    ]
    assert [one.label for one in readable(chat, chat)] == [None, "user", None, "me␛"]


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (["a⟨E2⟩", "⟨80⟩", "⟨98⟩b"], ["a·", "·", "‘b"]),
        (["⟨E3 81⟩", "⟨AF⟩", "⟨E3⟩", "x"], ["·", "は", "⟨E3⟩", "x"]),
        (["⟨FF⟩", "⟨80⟩"], ["⟨FF⟩", "⟨80⟩"]),
    ],
)
def test_characters_of_several_tokens_are_read_whole(texts: list[str], whole: list[str]) -> None:
    assert whole_characters(texts) == whole
