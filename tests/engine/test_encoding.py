"""From prompt to tensors and tokens, for every common kind of tokenizer."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    BertJapaneseTokenizer,
    ByT5Tokenizer,
    XLNetConfig,
    XLNetLMHeadModel,
    XLNetTokenizer,
)

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput, Token
from attntui.engine import encoding, pieces, positions, sides, tokenising
from attntui.engine.model import Encoded
from attntui.engine.tokenising import Piece

Load = Callable[[str], Any]


def encode(loaded: Any, text: str, **more: Any) -> Encoded:
    return encoding.encode(loaded, PromptInput(text=text, **more))


def tokens(encoded: Encoded, side: int = 0) -> tuple[Token, ...]:
    return encoded.sides[side].tokens


def shown(encoded: Encoded, side: int = 0) -> list[str]:
    return [token.text for token in tokens(encoded, side)]


def refusal(loaded: Any, text: str, **more: Any) -> str:
    with pytest.raises(UserError) as caught:
        encode(loaded, text, **more)
    return str(caught.value)


# The text of tokens.


def test_byte_level_text_keeps_spaces_and_lines(load: Load) -> None:
    text = " Mary  went\nto\tthe store, don't"
    encoded = encode(load("gpt2"), text)
    assert "".join(shown(encoded)) == text
    for token in tokens(encoded):
        assert text[token.start : token.end] == token.text
    assert encoded.inputs["input_ids"].tolist() == [[token.id for token in tokens(encoded)]]


def test_halves_of_characters_are_hex_and_add_up(load: Load) -> None:
    text = "go 🎉 猫"
    for kind in ("gpt2", "llama"):
        encoded = encode(load(kind), text)
        halves = [token for token in tokens(encoded) if "⟨" in token.text]
        data = b"".join(bytes.fromhex(token.text.strip(" ⟨⟩")) for token in halves)
        assert data.decode() == "🎉猫"
        assert {text[token.start : token.end] for token in halves} == {"🎉", "猫"}


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b" the", " the"),
        ("猫".encode(), "猫"),
        (b" \xe6\x9d", " ⟨E6 9D⟩"),
        (b"\x81\x82ok\xff", "⟨81 82⟩ok⟨FF⟩"),
        (b"\x1b[0m", "\x1b[0m"),  # made safe where it is shown, not here
        (b"", ""),
    ],
)
def test_bytes_become_text(data: bytes, text: str) -> None:
    assert pieces.from_bytes(data) == text


def test_word_pieces_keep_their_mark(load: Load) -> None:
    encoded = encode(load("bert"), "Gardened")
    assert shown(encoded)[0] == "[CLS]" and shown(encoded)[-1] == "[SEP]"
    inner = tokens(encoded)[1:-1]
    assert "".join(token.text.removeprefix("##") for token in inner) == "gardened"
    assert all(token.text.startswith("##") for token in inner[1:]) and len(inner) > 1
    assert (inner[0].start, inner[-1].end) == (0, 8)


def test_space_that_no_token_holds_is_known(load: Load) -> None:
    text, pair = "the  dog\r\n\n opened\x07it", "to the"
    inner = tokens(encode(load("bert"), text, pair=pair))
    assert "".join(token.gap for token in inner if token.part == 0) == "  \r\n\n "
    assert "".join(token.gap for token in inner if token.part == 1) == " "
    assert not any(token.gap for token in tokens(encode(load("gpt2"), text)))
    bare = encode(load("bert"), "a", pair="   to", special_tokens="none")
    assert not any(token.gap for token in tokens(bare))


def test_sentence_piece_marks_are_spaces(load: Load) -> None:
    for kind in ("llama", "t5"):
        text = "".join(token.text for token in tokens(encode(load(kind), "Mary went to")))
        assert text.replace("<s>", "").replace("</s>", "") == " Mary went to"


def test_what_no_token_is_called_is_still_shown(load: Load) -> None:
    assert pieces.texts(load("gpt2").tokenizer, [10**6]) == ["⟨token 1000000⟩"]


def test_every_token_can_be_written(load: Load) -> None:
    for kind in ("gpt2", "bert", "llama", "t5", "roberta"):
        tokenizer = load(kind).tokenizer
        texts = pieces.texts(tokenizer, range(len(tokenizer)))
        assert "".join(texts).encode()
        assert all(texts)


# Special tokens and pairs.


def test_special_tokens(load: Load) -> None:
    llama, gpt2 = load("llama"), load("gpt2")
    assert shown(encode(llama, "Mary"))[0] == "<s>"
    assert shown(encode(llama, "Mary", special_tokens="none"))[0] == " Mar"
    assert shown(encode(gpt2, "Mary"))[0] == "Mar"
    start = tokens(encode(gpt2, "Mary", special_tokens="bos"))[0]
    assert start == Token(start.id, "<|endoftext|>", special=True, part=-1)
    assert "beginning-of-text" in refusal(load("bert"), "Mary", special_tokens="bos")


def test_pairs_know_their_sentences(load: Load) -> None:
    first, second = "Mary went.", "John gave a drink"
    for kind in ("bert", "roberta"):
        encoded = encode(load(kind), first, pair=second)
        for token in tokens(encoded):
            assert (token.part == -1) == (token.start == -1) == token.special
            source = (first, second)[token.part].lower()
            plain = token.text.removeprefix("##").strip().lower()
            assert token.part < 0 or source[token.start : token.end].strip() == plain
        assert {token.part for token in tokens(encoded)} == {-1, 0, 1}
    segments = encode(load("bert"), first, pair=second).inputs["token_type_ids"][0].tolist()
    expected = load("bert").tokenizer(first, second, return_token_type_ids=True)
    assert segments == expected["token_type_ids"] and 1 in segments


def test_xlnets_segments_are_its_own(load: Load) -> None:
    """A <sep> B <sep> <cls>, and the last a segment of its own; no type_vocab_size says so."""
    names = ["<unk>", "<s>", "</s>", "<pad>", "<sep>", "<cls>", "<mask>", "▁the", "▁dog", "▁cat"]
    tokenizer = XLNetTokenizer(vocab=[(name, -1.0) for name in names])
    config = XLNetConfig(vocab_size=len(tokenizer), d_model=32, n_layer=2, n_head=4, d_inner=64)
    loaded = replace(load("bert"), tokenizer=tokenizer, model=XLNetLMHeadModel(config).eval())
    own = tokenizer("the dog", "the cat", return_token_type_ids=True)
    encoded = encode(loaded, "the dog", pair="the cat")
    assert encoded.inputs["input_ids"][0].tolist() == own["input_ids"]
    assert encoded.inputs["token_type_ids"][0].tolist() == own["token_type_ids"]
    assert own["token_type_ids"] == [0, 0, 0, 1, 1, 1, 2]
    assert [token.part for token in tokens(encoded)] == [0, 0, -1, 1, 1, -1, -1]


def test_who_takes_two_sentences(load: Load) -> None:
    """GPT-2 would read them as one text: a note says so. Special tokens or segments part them.

    Llama's tokenizer can write a pair, with its begin of text between, and Llama never read one.
    """
    for kind in ("bert", "roberta", "llama", "t5"):
        assert encoding.takes_pairs(load(kind)) == (kind != "llama")
        assert not encode(load(kind), "Mary", pair="John", generate=0).notes
    assert not encoding.takes_pairs(load("gpt2"))
    assert "as one text" in encode(load("gpt2"), "Mary", pair="John").notes[0]
    bare = {
        kind: encode(load(kind), "Mary", pair="John", special_tokens="none")
        for kind in ("bert", "roberta")
    }
    assert not bare["bert"].notes and "as one text" in bare["roberta"].notes[0]
    assert not encode(load("gpt2"), "Mary", pair="").notes  # an empty one is none


def test_segments_only_for_models_that_have_them(load: Load) -> None:
    assert "token_type_ids" in encode(load("bert"), "Mary").inputs
    for kind in ("roberta", "gpt2", "llama", "t5"):
        assert "token_type_ids" not in encode(load(kind), "Mary").inputs


def test_a_typed_mask_is_the_mask_token(load: Load) -> None:
    mask = tokens(encode(load("bert"), "the [MASK] went"))[2]
    assert mask == Token(4, "[MASK]", special=True, start=4, end=10, part=0, gap=" ")


# Lengths.


def test_learned_positions_are_a_hard_limit(load: Load) -> None:
    """GPT-2 reads 64; RoBERTa's table of 34 rows starts at row 2, so it reads 32."""
    for kind, most in (("gpt2", 64), ("bert", 64), ("roberta", 32)):
        loaded = load(kind)
        assert positions.limit(loaded.model) == positions.Limit(most, hard=True)
        encoded = encode(loaded, "went " * 100, truncate="right")
        assert encoded.inputs["input_ids"].shape == (1, most)
        with torch.no_grad():
            loaded.model(**encoded.inputs)
        assert f"at most {most}" in refusal(loaded, "went " * 100)


def test_rotary_positions_are_a_note(load: Load) -> None:
    encoded = encode(load("llama"), "went " * 100)
    assert encoded.inputs["input_ids"].shape[1] > 64
    assert "trained on at most 64" in encoded.notes[0]
    assert positions.limit(load("t5").model, "decoder").count is None


def test_truncation_keeps_special_tokens_and_the_asked_end(load: Load) -> None:
    words = [("Mary", "John", "door", "dog")[at % 4] for at in range(90)]
    for side in ("left", "right"):
        encoded = encode(load("bert"), " ".join(words), truncate=side)
        assert encoded.truncated == 90 + 2 - 64
        names = shown(encoded)
        assert (names[0], names[-1]) == ("[CLS]", "[SEP]")
        kept = words[-62:] if side == "left" else words[:62]
        assert names[1:-1] == [word.lower() for word in kept]


def test_truncation_takes_from_the_longer_sentence_first() -> None:
    parts = [-1, 0, 0, 0, 0, 0, -1, 1, 1, 1, -1]
    made = [Piece(at, part) for at, part in enumerate(parts)]
    kept = {
        side: [each.id for each in encoding.truncate(made, 8, side)] for side in ("left", "right")
    }
    assert kept == {"left": [0, 4, 5, 6, 7, 8, 9, 10], "right": [0, 1, 2, 6, 7, 8, 9, 10]}
    assert len(encoding.truncate(made, 2, "left")) == 3  # special tokens stay
    made = [Piece(at, part) for at, part in enumerate([-1, 0, 0, -1, 1, 1, 1, 1])]
    assert [each.id for each in encoding.truncate(made, 6, "right")] == [0, 1, 2, 3, 4, 5]


# What cannot be encoded.


def test_empty_prompts_are_refused(load: Load) -> None:
    for kind in ("gpt2", "bert", "llama", "t5"):
        assert "empty" in refusal(load(kind), "")
    assert "empty" in refusal(load("bert"), "  \n ")
    assert len(tokens(encode(load("gpt2"), " "))) == 1


def test_lone_surrogates_become_a_sign(load: Load) -> None:
    encoded = encode(load("gpt2"), "a\ud83dz", pair="\udc00")
    assert encoded.inputs["input_ids"].shape[1] > 3
    assert "".join(shown(encoded)).encode()


def test_tokens_the_model_has_no_row_for_are_refused(load: Load) -> None:
    gpt2 = load("gpt2")
    count = gpt2.model.get_input_embeddings().num_embeddings
    grown = copy.deepcopy(gpt2.tokenizer)
    grown.add_tokens(["wombat"])
    sentence = refusal(replace(gpt2, tokenizer=grown), "a wombat")
    assert f"knows only {count}" in sentence and "do not belong together" in sentence


# Tokenizers written in Python.


@pytest.fixture
def japanese(load: Load, tmp_path: Path) -> Any:
    """BERT with transformers' own Python tokenizer for Japanese, without MeCab."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "吾", "輩", "は", "猫", "walk", "##ing"]
    (tmp_path / "vocab.txt").write_text("\n".join(names))
    tokenizer = BertJapaneseTokenizer(str(tmp_path / "vocab.txt"), word_tokenizer_type="basic")
    loaded = load("bert")
    return replace(loaded, tokenizer=tokenizer)


def test_python_tokenizers_have_offsets_and_segments(japanese: Any) -> None:
    assert not japanese.tokenizer.is_fast
    encoded = encode(japanese, "吾 輩 は  walking", pair="猫 [SEP] 犬")
    expected = [
        ("[CLS]", -1, -1, -1),
        ("吾", 0, 1, 0),
        ("輩", 2, 3, 0),
        ("は", 4, 5, 0),
        ("walk", 7, 11, 0),
        ("##ing", 11, 14, 0),
        ("[SEP]", -1, -1, -1),
        ("猫", 0, 1, 1),
        ("[SEP]", 2, 7, 1),
        ("[UNK]", 8, 9, 1),
        ("[SEP]", -1, -1, -1),
    ]
    assert [(each.text, each.start, each.end, each.part) for each in tokens(encoded)] == expected
    assert encoded.inputs["token_type_ids"][0].tolist() == [0] * 7 + [1] * 4
    own = japanese.tokenizer("吾 輩 は  walking", "猫 [SEP] 犬", return_token_type_ids=True)
    assert encoded.inputs["input_ids"][0].tolist() == own["input_ids"]
    assert encoded.inputs["token_type_ids"][0].tolist() == own["token_type_ids"]


def test_bytes_as_tokens_have_the_offsets_of_their_characters() -> None:
    tokenizer = ByT5Tokenizer()
    pieces = tokenising.split(tokenizer, "the 猫 é", "è", special=True)
    own = tokenizer("the 猫 é", "è")
    assert [piece.id for piece in pieces] == own["input_ids"]
    spans = [(piece.part, piece.start, piece.end) for piece in pieces]
    assert spans[:4] == [(0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4)]
    assert spans[4:10] == [*[(0, 4, 5)] * 3, (0, 5, 6), *[(0, 6, 7)] * 2]
    assert spans[10:] == [(-1, -1, -1), (1, 0, 1), (1, 0, 1), (-1, -1, -1)]
    found = sides.side(tokenizer, "text", pieces)
    assert [word.text for word in found.words] == ["the", "猫", "é", "</s>", "è", "</s>"]
