"""Japanese BERT with the real MeCab dictionary, on a vocabulary and a tiny model made here."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM, BertJapaneseTokenizer

from attntui.core.errors import UserError
from attntui.core.protocol import (
    GetWindow,
    Head,
    ModelOptions,
    PromptInput,
    Reading,
    SideInfo,
)
from attntui.engine import encoding, japanese, loading, run, sides, tokenising
from attntui.engine.model import Encoded
from attntui.engine.windows import window

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "吾輩 は 猫 で ある 。 名前 まだ 無い 東京 ##都 ガ ##ラス gpt ##2 don ' t を 飲む"
TEXT = "吾輩は猫である。名前はまだ無い。"


def save(folder: Path, kind: str) -> Path:
    """A model's folder as cl-tohoku/bert-base-japanese-v2 has it: config.json names the class."""
    vocabulary = list(dict.fromkeys(SPECIAL + (WORDS.split() if kind == "wordpiece" else [*TEXT])))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        tokenizer_class="BertJapaneseTokenizer",
    )
    torch.manual_seed(0)
    BertForMaskedLM(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    settings = {
        "do_lower_case": kind == "wordpiece",
        "word_tokenizer_type": "mecab",
        "subword_tokenizer_type": kind,
        "mecab_kwargs": {"mecab_dic": "unidic_lite"},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("japanese")
    return {kind: save(root / kind, kind) for kind in ("wordpiece", "character")}


@pytest.fixture(scope="module")
def tokenizers(folders: dict[str, Path]) -> dict[str, Any]:
    return {kind: AutoTokenizer.from_pretrained(folder) for kind, folder in folders.items()}


def options(folder: Path) -> ModelOptions:
    return ModelOptions(model=str(folder), device="cpu")


def side(tokenizer: Any, text: str, pair: str | None = None) -> SideInfo:
    pieces = tokenising.split(tokenizer, text, pair, special=True)
    return sides.side(tokenizer, "text", pieces)


def spans(found: SideInfo, text: str) -> list[tuple[str, str]]:
    return [(token.text, text[token.start : token.end]) for token in found.tokens[1:-1]]


def plain(found: SideInfo) -> list[str]:
    return [word.text for word in found.words if not word.special]


def test_words_are_the_dictionarys(tokenizers: dict[str, Any]) -> None:
    expected = ["吾輩", "は", "猫", "で", "ある", "。", "名前", "は", "まだ", "無い", "。"]
    for tokenizer in tokenizers.values():
        found = side(tokenizer, TEXT)
        assert plain(found) == expected
        assert "".join(typed for _, typed in spans(found, TEXT)) == TEXT
    assert len(side(tokenizers["character"], TEXT).tokens) == 2 + len(TEXT)


def test_words_of_mixed_text(tokenizers: dict[str, Any]) -> None:
    """Offsets are into what was typed: wide letters, narrow katakana, a typed [MASK], spaces."""
    text = "ＧＰＴ２ は　[MASK] ｶﾞﾗｽを 東京都 で飲む猿 don't"
    found = side(tokenizers["wordpiece"], text)
    assert spans(found, text) == [
        ("gpt", "ＧＰＴ"),
        ("[UNK]", "２"),
        ("は", "は"),
        ("[MASK]", "[MASK]"),
        ("ガ", "ｶﾞ"),
        ("##ラス", "ﾗｽ"),
        ("を", "を"),
        ("東京", "東京"),
        ("[UNK]", "都"),
        ("で", "で"),
        ("飲む", "飲む"),
        ("[UNK]", "猿"),
        ("don", "don"),
        ("'", "'"),
        ("t", "t"),
    ]
    assert plain(found) == [
        *("ＧＰＴ", "２", "は", "ｶﾞﾗｽ", "を", "東京", "都", "で", "飲む", "猿", "don", "'", "t")
    ]
    assert [word.text for word in found.words if word.special] == ["[CLS]", "[MASK]", "[SEP]"]


def test_pieces_of_one_word_in_characters(tokenizers: dict[str, Any]) -> None:
    """One sign that stands for five letters is five tokens of one word (㌖: キロメートル)."""
    found = side(tokenizers["character"], "猫㌖")
    assert plain(found) == ["猫", "㌖"]
    assert {typed for _, typed in spans(found, "猫㌖")[1:]} == {"㌖"} and len(found.tokens) == 9


def test_ids_and_segments_are_the_tokenizers_own(tokenizers: dict[str, Any]) -> None:
    for tokenizer in tokenizers.values():
        assert isinstance(tokenizer, BertJapaneseTokenizer)
        own = tokenizer("猫 [SEP] である。", "名前は無い", return_token_type_ids=True)
        found = tokenising.split(tokenizer, "猫 [SEP] である。", "名前は無い", special=True)
        assert [piece.id for piece in found] == own["input_ids"]
        assert [piece.segment for piece in found] == own["token_type_ids"] and 1 in own[
            "token_type_ids"
        ]
        typed = [piece.part for piece in found if piece.id == tokenizer.sep_token_id]
        assert typed == [0, -1, -1]


@settings(max_examples=60, deadline=None)
@given(
    st.text(
        st.characters(codec="utf-8", exclude_characters="\0")
        | st.sampled_from("吾輩は猫である。カﾞｶﾞか゛ｶﾞㇵ㌖ﬁ１a "),
        max_size=30,
    )
)
@pytest.mark.parametrize("kind", ["wordpiece", "character"])
def test_words_partition_the_tokens_of_any_text(
    tokenizers: dict[str, Any], kind: str, text: str
) -> None:
    tokenizer = tokenizers[kind]
    found = side(tokenizer, text)
    assert [token.id for token in found.tokens] == tokenizer(text)["input_ids"]
    covered = [at for word in found.words for at in range(word.first, word.last + 1)]
    assert covered == list(range(len(found.tokens)))
    staged = japanese.staged(tokenizer, text)
    assert [each.id for each in staged] == tokenizer(text, add_special_tokens=False)["input_ids"]
    words = tokenizer.word_tokenizer.tokenize(text)
    if "[" not in text and all(tokenizer.subword_tokenizer.tokenize(word) for word in words):
        assert len(plain(found)) == len(words)


def test_a_model_from_its_files_to_its_attention(folders: dict[str, Path], work: Any) -> None:
    for folder in folders.values():
        loaded, info = loading.load(loading.prepare(options(folder), work), work)
        assert info.has_segments and loaded.predicts == "masked"
        encoded: Encoded = encoding.encode(loaded, PromptInput(text=TEXT, pair="猫は[MASK]。"))
        assert encoded.inputs["token_type_ids"][0].tolist().count(1) == 5
        traced = run.trace(loaded, encoded, 1)
        assert traced.trust.exact
        assert [word.text for word in encoded.sides[0].words if word.part == 1] == [
            *("猫", "は", "[MASK]", "。")
        ]
        every = (0, len(encoded.sides[0].words))
        words = Reading(words=True)
        request = GetWindow(1, Head("self", 0, 0), every, every, reading=words)
        _, (weights, *_) = window(traced.reader("self", words), request)
        assert len(weights) <= len(encoded.sides[0].tokens)
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("package", ["fugashi", "unidic_lite"])
def test_without_the_extra_one_sentence_says_what_to_install(
    folders: dict[str, Path], work: Any, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # importing it now fails
    with pytest.raises(UserError) as caught:
        loading.prepare(options(folders["wordpiece"]), work)
    needed = "needs a package that is not here: pip install 'attntui[ja]', in a clone "
    assert str(caught.value).endswith(needed + "pip install '.[ja]'")
