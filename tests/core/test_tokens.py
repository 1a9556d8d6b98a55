"""Nothing dangerous passes the sanitiser, and nothing is dropped silently."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attntui.core.tokens import sanitise, sanitise_lines, show_bytes, visible, whole_text

ANY_TEXT = st.text(st.characters(codec=None))
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(ANY_TEXT)
def test_no_dangerous_character_passes(text: str) -> None:
    safe = sanitise(text)
    categories = {unicodedata.category(char) for char in safe if char != "\u200d"}
    assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    safe.encode()


@given(ANY_TEXT)
def test_sanitising_twice_changes_nothing(text: str) -> None:
    assert sanitise(sanitise(text)) == sanitise(text)


@given(ANY_TEXT)
def test_nothing_is_dropped(text: str) -> None:
    assert len(sanitise(text)) >= len(text)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b]0;t\x07", "␛]0;t␇"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("\x7f", "␡"),
        ("a\nb\tc\r", "a⏎b⇥c␍"),
        ("\ud800", "⟨U+D800⟩"),
        ("\u200b", "⟨U+200B⟩"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("a\u200db", "a⟨U+200D⟩b"),
        ("[/] [@click=app.quit]", "[/] [@click=app.quit]"),
        ("日本語 é", "日本語 é"),
        ("a\u00a0b\u3000c", "a b c"),
    ],
)
def test_each_sign_says_what_it_was(raw: str, shown: str) -> None:
    assert sanitise(raw) == shown


@pytest.mark.parametrize("char", BIDI)
def test_bidi_controls_are_named(char: str) -> None:
    assert sanitise(char) == f"⟨U+{ord(char):04X}⟩"


def test_labels_show_spaces_and_are_never_empty() -> None:
    assert visible(" John") == "·John"
    assert visible("") == "∅"


def test_lines_stay_lines() -> None:
    assert sanitise_lines("a\n\x1bb") == "a\n␛b"


def test_half_characters_are_shown_in_hex() -> None:
    assert show_bytes("あ".encode()[:2]) == "⟨E3 81⟩"


def test_whole_text_can_be_written() -> None:
    assert whole_text("a\ud800b").encode()
