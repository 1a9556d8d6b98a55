"""Words by hand, over every kind of tokenizer; and for any text, every token in exactly one."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attntui.core.protocol import SideInfo, Token, Word
from attntui.engine import encoding, sides, tokenising
from attntui.engine.tokenising import Piece
from attntui.engine.words import words

Load = Callable[[str], Any]

KINDS = ("gpt2", "roberta", "bert", "llama", "t5")
"""Byte-level with and without leading spaces in its offsets, WordPiece, SentencePiece BPE with byte
fallback, SentencePiece Unigram."""

ENGLISH = "I don't know, it's Mary's 'o’clock' at 3.14..."
EMOJI = "go 👩‍👩‍👧 👍🏽 🇯🇵🇫🇷 ❤️!"
MIXED = "吾輩はGPT2を3回 使うカメラ。"
CODE = "def foo_bar(x):\n    return a->b[0] != c"

SPLIT: dict[str, list[str]] = {
    ENGLISH: [
        "I",
        "don't",
        "know",
        ",",
        "it's",
        "Mary's",
        "'",
        "o’clock",
        "'",
        "at",
        "3.14",
        "...",
    ],
    EMOJI: ["go", "👩‍👩‍👧", "👍🏽", "🇯🇵", "🇫🇷", "❤️", "!"],
    MIXED: ["吾輩", "は", "GPT2", "を", "3", "回", "使", "う", "カメラ", "。"],
    CODE: [
        *("def", "foo_bar", "(", "x", ")", ":", "\n", "return"),
        *("a", "->", "b", "[", "0", "]", "!=", "c"),
    ],
}
"""What each text's words are where the tokens allow it."""

COARSER = {
    # WordPiece drops line breaks and variation selectors. One [UNK] stands for all up to a space.
    (EMOJI, "bert"): ["go", "👩‍👩‍👧", "👍🏽", "🇯🇵🇫🇷", "❤", "!"],
    (MIXED, "bert"): ["吾輩", "はGPT2を3", "回", "使", "うカメラ", "。"],
    (CODE, "bert"): [word for word in SPLIT[CODE] if word != "\n"],
    # One <unk> stands for all marks in a row that Unigram does not know.
    (EMOJI, "t5"): ["go", "👩‍👩‍👧", "👍🏽", "🇯🇵🇫🇷", "❤️!"],
    (MIXED, "t5"): ["吾輩", "は", "GPT2を3回", "使うカメラ", "。"],
    (CODE, "t5"): ["def", "foo_bar", "(x):", "return", "a", "->", "b", "[0]", "!=", "c"],
}
"""Where a token holds several words, or none at all for one: tokens are never cut."""


def side(loaded: Any, text: str, pair: str | None = None) -> SideInfo:
    pieces = tokenising.split(loaded.tokenizer, text, pair, special=True)
    return sides.side(loaded.tokenizer, "text", pieces)


def plain(found: SideInfo) -> list[str]:
    return [word.text for word in found.words if not word.special]


def check_partition(found: SideInfo) -> None:
    covered = [at for word in found.words for at in range(word.first, word.last + 1)]
    assert covered == list(range(len(found.tokens)))
    for word in found.words:
        for token in found.tokens[word.first : word.last + 1]:
            assert (token.special, token.part, token.role) == (word.special, word.part, word.role)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", SPLIT, ids=["english", "emoji", "mixed", "code"])
def test_words(load: Load, text: str, kind: str) -> None:
    found = side(load(kind), text)
    assert plain(found) == COARSER.get((text, kind), SPLIT[text])
    check_partition(found)


def test_tokens_of_a_word(load: Load) -> None:
    """All tokens of an emoji family, leading space and halves of characters included."""
    found = side(load("gpt2"), "go 👩‍👩‍👧!")
    family = next(word for word in found.words if word.text == "👩‍👩‍👧")
    text = [token.text for token in found.tokens[family.first : family.last + 1]]
    data = b"".join(bytes.fromhex(each.strip(" ⟨⟩")) for each in text if "⟨" in each)
    assert text[0] == " " and data.decode() == "👩‍👩‍👧"


def test_special_tokens_are_words_of_their_own(load: Load) -> None:
    found = side(load("bert"), "the [MASK][MASK] went")
    assert [word for word in found.words if word.special] == [
        Word("[CLS]", 0, 0, special=True, part=-1),
        Word("[MASK]", 2, 2, special=True),
        Word("[MASK]", 3, 3, special=True),
        Word("[SEP]", 5, 5, special=True, part=-1),
    ]


def test_unknown_words_are_text(load: Load) -> None:
    """[UNK] in place of a word is no sign: it is not hidden, and the word is what was typed."""
    found = side(load("bert"), "the 犬 went [UNK]")
    assert [token.text for token in found.tokens[1:5]] == ["the", "[UNK]", "went", "[UNK]"]
    assert plain(found) == ["the", "犬", "went"]
    assert [token.special for token in found.tokens] == [True, False, False, False, True, True]


def test_words_know_their_sentence(load: Load) -> None:
    for kind in ("bert", "roberta"):
        found = side(load(kind), "Mary went", pair="John's dog")
        check_partition(found)
        parts = [(word.text, word.part) for word in found.words if not word.special]
        assert parts == [("Mary", 0), ("went", 0), ("John's", 1), ("dog", 1)]


def test_white_space_belongs_to_the_word_after_it(load: Load) -> None:
    found = side(load("gpt2"), "  go\n\n  on ")
    spans = [(word.text, word.first, word.last) for word in found.words]
    assert [text for text, *_ in spans] == ["go", "\n\n", "on", " "]
    assert spans[0][1] == 0 and found.tokens[spans[-1][1]].text == " "
    check_partition(found)


def test_a_cut_word_stays_a_word(load: Load) -> None:
    tokenizer = load("bert").tokenizer
    pieces = tokenising.split(tokenizer, "gardening door")
    left = encoding.truncate(pieces, len(pieces) - 1, "left")
    found = sides.side(tokenizer, "text", left)
    check_partition(found)
    cut = pieces[0].end
    assert plain(found) == ["gardening"[cut:], "door"] and cut < len("gardening")


def test_without_offsets_the_tokens_texts_tell() -> None:
    data = [b" don", b"'t", b" go", b".", " 犬".encode()[:3], " 犬".encode()[3:]]
    shown = [" don", "'t", " go", ".", " ⟨E7 8A⟩", "⟨AC⟩"]
    pieces = [Piece(at) for at in range(len(data))]
    tokens = tuple(Token(at, text) for at, text in enumerate(shown))
    assert [word.text for word in words(pieces, tokens, data)] == ["don't", "go", ".", "犬"]
    data = [b"don", b"##key", b"go", b"##es"]
    tokens = tuple(Token(at, each.decode()) for at, each in enumerate(data))
    assert [word.text for word in words(pieces[:4], tokens, data)] == ["donkey", "goes"]


def test_a_space_that_stands_nowhere_hides_no_word() -> None:
    """SentencePiece in Python gives a word that it does not know a space as a token before it."""
    pieces = [Piece(0), Piece(1, start=3, end=4, source="go 犬")]
    tokens = (Token(0, " "), Token(1, "<unk>", start=3, end=4))
    assert words(pieces, tokens, [b" ", b"<unk>"]) == (Word("犬", 0, 1),)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=40))
@example("▁")
@example("a \n \x1c\u200d猫\u3099 \U0001f1ef")
@pytest.mark.parametrize("kind", KINDS)
def test_words_partition_the_tokens_of_any_text(load: Load, kind: str, text: str) -> None:
    found = side(load(kind), text)
    check_partition(found)
    if kind in ("gpt2", "llama"):  # which lose nothing of any text
        assert "".join("".join(plain(found)).split()) == "".join(text.split())
