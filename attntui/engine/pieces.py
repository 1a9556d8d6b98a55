"""Tokens as text: bytes put back together, spaces kept, halves of characters in hex.

A tokenizer's own spelling differs by family: `Ġthe` (byte-level BPE), `▁the` (SentencePiece),
`<0xE3>` (byte fallback), `##ing` (WordPiece, kept: it says that a word goes on).
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from attntui.core.tokens import show_bytes, whole_text

SPELLED = 2**16
"""How many tokens' texts are kept: a text says most of its own several times, and a session reads
much the same text again and again."""
_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
_LONE = re.compile("[\udc80-\udcff]+")


def texts(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    """The text of each token; every one can be written as UTF-8."""
    return [from_bytes(data) for data in spelled(tokenizer, ids)]


def spelled(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[bytes]:
    """The text of each token in UTF-8, of which a token may hold a part of a character."""
    spell = _speller(tokenizer)
    added = tokenizer.added_tokens_decoder
    names = tokenizer.convert_ids_to_tokens(list(ids))
    found = []
    for token, name in zip(ids, names, strict=True):
        if token in added:
            found.append(_whole(added[token].content))
        elif name is None:
            found.append(f"⟨token {token}⟩".encode())
        elif isinstance(name, bytes):  # tiktoken's
            found.append(name)
        else:
            found.append(spell(name))
    return found


def special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Tokens that are signs rather than text: [CLS], </s>, <|im_start|>."""
    added = tokenizer.added_tokens_decoder
    return {*tokenizer.all_special_ids, *(each for each, token in added.items() if token.special)}


@lru_cache(SPELLED)
def from_bytes(data: bytes) -> str:
    """Bytes as text, those of no whole character in hex: `⟨E3 81⟩`."""
    text = data.decode("utf-8", "surrogateescape")
    return _LONE.sub(lambda half: show_bytes(half[0].encode("utf-8", "surrogateescape")), text)


def is_byte_level(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer's vocabulary is spelt in the byte alphabet of GPT-2."""
    if hasattr(tokenizer, "byte_decoder"):
        return True
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return "ByteLevel" in f"{getattr(backend, 'decoder', None)!r}"


def _speller(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], bytes]:
    if is_byte_level(tokenizer):
        return _spell_byte_level
    if hasattr(tokenizer, "_utf_vocab_size"):  # ByT5 and its kin: one character, one byte
        return _spell_byte
    return _spell_pieces


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's byte alphabet: printable bytes stand for themselves, the others for U+0100 and up.

    Source: `bytes_to_unicode` in https://github.com/openai/gpt-2/blob/master/src/encoder.py
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + at): byte for at, byte in enumerate(others)
    }


_ALPHABET = _byte_alphabet()


@lru_cache(SPELLED)
def _spell_byte_level(name: str) -> bytes:
    if any(char not in _ALPHABET for char in name):
        return _whole(name)
    return bytes(_ALPHABET[char] for char in name)


def _spell_byte(name: str) -> bytes:
    return bytes([ord(name)]) if len(name) == 1 and ord(name) < 256 else _whole(name)


@lru_cache(SPELLED)
def _spell_pieces(name: str) -> bytes:
    fallback = _FALLBACK.fullmatch(name)
    if fallback:
        return bytes([int(fallback[1], 16)])
    if name.endswith("</w>"):
        name = f"{name.removesuffix('</w>')} "
    return _whole(name.replace("▁", " "))


def _whole(text: str) -> bytes:
    return whole_text(text).encode()
