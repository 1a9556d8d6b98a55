"""Which tokens are separators and punctuation, on the tokenizers of the common families."""

from collections.abc import Callable
from typing import Any

import pytest

from attntui.core.protocol import PromptInput, SideInfo, Token
from attntui.engine import encoding
from attntui.engine.targets import is_punctuation, separators, text_of


@pytest.mark.parametrize(
    ("kind", "given", "marked"),
    [
        ("bert", {"text": "the boy", "pair": "a dog"}, ["[SEP]", "[SEP]"]),
        ("bert", {"text": "the [MASK]", "special_tokens": "none"}, []),
        ("roberta", {"text": "the boy", "pair": "a dog"}, ["</s>", "</s>", "</s>"]),
        ("llama", {"text": "the boy"}, []),
        ("llama", {"text": "the boy", "pair": "a dog"}, ["<s>"]),
        ("t5", {"text": "the boy", "decoder_text": "a dog"}, ["</s>"]),
        ("gpt2", {"text": "the boy"}, []),
        ("gpt2", {"text": "the<|endoftext|>boy"}, ["<|endoftext|>"]),
    ],
)
def test_separators_part_and_end_texts_but_do_not_open_them(
    kind: str, given: dict[str, Any], marked: list[str], load: Callable[[str], Any]
) -> None:
    loaded = load(kind)
    side = encoding.encode(loaded, PromptInput(**given)).sides[0]
    found = text_of(side, side, separators(loaded.tokenizer)).separator.tolist()
    shown = [token.text for token, each in zip(side.tokens, found, strict=True) if each]
    assert shown == marked


def test_without_a_tokenizer_special_tokens_separate() -> None:
    tokens = [Token(0, name, special=name.startswith("[")) for name in ("[CLS]", "a", "[SEP]")]
    side = SideInfo("text", tuple(tokens))
    assert text_of(side, side, None).separator.tolist() == [False, False, True]
    assert not text_of(side, side, frozenset()).separator.any()


@pytest.mark.parametrize("text", [",", " .", "...", "``", "$", "。", "「", "«", "—", "¿", " --\n"])
def test_punctuation(text: str) -> None:
    assert is_punctuation(text)


@pytest.mark.parametrize("text", ["a", "'t", "##s", "1.", "", " ", "\n", "⟨E3 81⟩", "é", "猫", "€"])
def test_not_punctuation(text: str) -> None:
    assert not is_punctuation(text)


def test_special_tokens_are_no_punctuation() -> None:
    side = SideInfo("text", (Token(0, "<>", special=True), Token(1, "<>")))
    assert text_of(side, side, None).punctuation.tolist() == [False, True]
