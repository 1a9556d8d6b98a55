"""Which keys each pattern points to: what a head that is the pattern and nothing else looks at."""

import unicodedata
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from attntui.core.protocol import SideInfo, Statistic

PATTERNS: tuple[Statistic, ...] = (
    "self",
    "previous",
    "first",
    "duplicate",
    "induction",
    "separator",
    "punctuation",
)
"""The statistics that are a mean weight on targets."""


@dataclass(frozen=True, eq=False)
class Text:
    """What patterns ask of a stack's tokens."""

    ids: Tensor | None
    """(n) of queries and keys alike; None where they are other tokens (cross-attention)."""
    separator: Tensor
    """(keys) bool"""
    punctuation: Tensor
    """(keys) bool"""


def text_of(queries: SideInfo, keys: SideInfo, separators: frozenset[int] | None) -> Text:
    """A stack's tokens. `separators` are ids; None, and special tokens are taken for them.

    The first token is none: it opens the text ([CLS], <s>), and has the statistic `first`.
    """
    separating = [
        at > 0 and (token.special if separators is None else token.id in separators)
        for at, token in enumerate(keys.tokens)
    ]
    marks = [not token.special and is_punctuation(token.text) for token in keys.tokens]
    same = queries.name == keys.name
    ids = torch.tensor([token.id for token in keys.tokens]) if same else None
    return Text(ids, torch.tensor(separating), torch.tensor(marks))


def separators(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that a tokenizer ends or parts texts with: [SEP], </s>, <|im_end|>; also <s>.

    Not every special token: [MASK] and the unknown token stand for words.
    """
    names = ("sep_token_id", "eos_token_id", "bos_token_id")
    ids = (getattr(tokenizer, name, None) for name in names)
    return frozenset(each for each in ids if each is not None)


def is_punctuation(text: str) -> bool:
    """Whether a token is punctuation alone: as BERT's tokenizer, every ASCII sign counts."""
    marks = text.strip()
    return bool(marks) and all(_is_mark(char) for char in marks)


def _is_mark(char: str) -> bool:
    if char.isascii():
        return char.isprintable() and not char.isalnum() and not char.isspace()
    return unicodedata.category(char).startswith("P")


def targets(text: Text, start: int, stop: int) -> Tensor:
    """(patterns, rows, keys) bool, in the order of `PATTERNS`.

    previous: j = i - 1. first: j = 0, i > 0. duplicate: an earlier copy, id_j = id_i and j < i.
    induction: the key after an earlier copy, id_(j-1) = id_i and j <= i.
    """
    query = torch.arange(start, stop)[:, None]
    key = torch.arange(len(text.separator))
    none = torch.zeros(stop - start, len(key), dtype=torch.bool)
    pointed: dict[Statistic, Tensor] = {
        "first": (key == 0) & (query > 0),
        "separator": none | text.separator,
        "punctuation": none | text.punctuation,
    }
    if text.ids is not None:
        earlier = (text.ids == text.ids[start:stop, None]) & (key < query)
        pointed["self"] = key == query
        pointed["previous"] = key == query - 1
        pointed["duplicate"] = earlier
        # One key on; the last column, which comes to the front, is nobody's earlier copy.
        pointed["induction"] = earlier.roll(1, dims=1)
    return torch.stack([pointed.get(name, none) for name in PATTERNS])
