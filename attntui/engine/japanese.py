"""Japanese BERT: words by a dictionary first, then pieces of words.

`BertJapaneseTokenizer` is written in Python and tells neither offsets nor words. Both come out of
its two stages, run here one after the other. The first normalises its text (NFKC): what it found is
traced back to the characters that were typed.
"""

import unicodedata
from dataclasses import dataclass

import regex
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from attntui.engine.alignment import UNKNOWN, Span, aligned


@dataclass(frozen=True)
class Staged:
    """A token, where it stands, and whether a word of the first stage begins with it."""

    id: int
    span: Span
    opens: bool


def staged(tokenizer: PreTrainedTokenizerBase, text: str) -> list[Staged]:
    """The tokens of a text; none where the tokenizer has no dictionary of words.

    Source: `PythonBackend.tokenize` and `BertJapaneseTokenizer._tokenize` of transformers 5.23.
    """
    if getattr(tokenizer, "word_tokenizer_type", "basic") == "basic":
        return []
    if not (tokenizer.do_word_tokenize and tokenizer.do_subword_tokenize):
        return []
    found: list[Staged] = []
    at = 0
    for chunk in tokenizer.tokens_trie.split(text):
        if chunk in tokenizer.added_tokens_encoder:
            token = tokenizer.convert_tokens_to_ids(chunk)
            found.append(Staged(token, (at, at + len(chunk)), True))
        else:
            found += _words(tokenizer, chunk, at)
        at += len(chunk)
    return found


def _words(tokenizer: PreTrainedTokenizerBase, text: str, offset: int) -> list[Staged]:
    """The tokens of a text that holds no added token; it begins at `offset`."""
    normal, origin = normalised(text)
    words = tokenizer.word_tokenizer.tokenize(text, never_split=tokenizer.all_special_tokens)
    found: list[Staged] = []
    for word, (start, end) in zip(
        words, aligned([each.encode() for each in words], normal), strict=True
    ):
        pieces = tokenizer.subword_tokenizer.tokenize(word)
        data = [piece.replace("▁", "").encode() for piece in pieces]
        ids = tokenizer.convert_tokens_to_ids(pieces)
        for nth, (token, (first, last)) in enumerate(
            zip(ids, aligned(data, normal[start:end]), strict=True)
        ):
            span = UNKNOWN
            if start >= 0 and first >= 0:
                span = origin[start + first][0] + offset, origin[start + last - 1][1] + offset
            found.append(Staged(token, span, nth == 0))
    return found


def normalised(text: str) -> tuple[str, list[Span]]:
    """A text in NFKC, and for each of its characters those that it was made from."""
    normal, origin = "", list[Span]()
    for match in regex.finditer(r"\X", text):  # a character with what combines with it
        cluster = unicodedata.normalize("NFKC", match[0])
        normal += cluster
        origin += [match.span()] * len(cluster)
    return normal, origin
