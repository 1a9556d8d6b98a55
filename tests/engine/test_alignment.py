"""Where tokens stand in a text, for tokenizers that do not tell."""

from attntui.engine.alignment import UNKNOWN, aligned, filled, rebuilt


def typed(tokens: list[str], text: str) -> list[str]:
    """What each token stands for in the text; ∅ where nobody can say."""
    spans = aligned([token.encode() for token in tokens], text)
    return ["∅" if span == UNKNOWN else text[slice(*span)] for span in spans]


def test_tokens_are_found_in_order() -> None:
    assert typed(["the", "cat", "##s", "the"], "The  CATS the") == ["The", "CAT", "S", "the"]
    assert typed(["hel@@", "lo"], "hello") == ["hel", "lo"]


def test_what_was_normalised_is_what_is_left_over() -> None:
    assert typed(["cafe", "is"], "Café is") == ["Café", "is"]
    assert typed([" ", "<unk>", " ", "fi"], " — ﬁ") == ["∅", "—", "∅", "ﬁ"]
    assert typed(["[UNK]", "[UNK]", "。"], "犬 猿。") == ["犬", "猿", "。"]
    assert typed(["[UNK]", "[UNK]", "。"], "犬だ猿。") == ["∅", "∅", "。"]
    assert typed(["Ü", "x"], "") == ["∅", "∅"]


def test_a_likeness_far_away_is_chance() -> None:
    assert typed(["猫", "a"], "犬 " + "b" * 50 + " a") == ["∅", "∅"]


def test_bytes_share_their_character() -> None:
    data = [bytes([byte]) for byte in "a猫é".encode()]
    assert aligned(data, "a猫é") == [(0, 1), *[(1, 2)] * 3, *[(2, 3)] * 2]


def test_empty_offsets_of_a_fast_tokenizer_are_filled() -> None:
    """Llama 3's were empty in older tokenizers: https://github.com/huggingface/tokenizers/issues/1688"""
    spans = [(0, 3), UNKNOWN, (8, 9)]
    assert filled(spans, [b"the", b" door", b"."], "the door.") == [(0, 3), (3, 8), (8, 9)]


def test_text_made_of_tokens() -> None:
    data = ["猫".encode()[:2], "猫".encode()[2:] + b" the", b"\xff"]
    assert rebuilt(data) == ("猫 the\ufffd", [(0, 1), (0, 5), (5, 6)])
    assert rebuilt([b"go", b"##es", b"on", b""])[0] == " goes on "
