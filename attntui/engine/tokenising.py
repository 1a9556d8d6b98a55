"""Tokenizers of every kind behind one shape: a list of `Piece`.

Tokenizers of the Rust library tell offsets and sentences themselves. Those written in Python do not
(and ignore the request for offsets in silence), so theirs are worked out here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput
from attntui.core.tokens import sanitise
from attntui.engine import japanese
from attntui.engine.alignment import UNKNOWN, aligned, filled
from attntui.engine.model import LoadedModel
from attntui.engine.pieces import spelled


@dataclass(frozen=True)
class Piece:
    """One token. `part` 0 or 1 is the sentence, -1 what the tokenizer or a template added.

    `start` and `end` are offsets into `source`, -1 where unknown; `segment` is BERT's. `role` says
    whose words these are in a chat. `opens`: whether a word begins here, where the tokenizer itself
    knows words; None where the text tells (`words`).
    """

    id: int
    part: int = 0
    start: int = -1
    end: int = -1
    segment: int = 0
    source: str = field(default="", repr=False)
    role: str = ""
    opens: bool | None = None


def tokenise(loaded: LoadedModel, prompt: PromptInput, target: bool = False) -> list[Piece]:
    """The tokens of a text or a pair; `target` takes a translation model's other language.

    Raises:
        UserError: the tokenizer has no beginning-of-text token where one is asked for.
    """
    with_special = prompt.special_tokens == "auto"
    pieces = split(loaded.tokenizer, prompt.text, prompt.pair, with_special, target)
    return with_start(loaded, pieces) if prompt.special_tokens == "bos" else pieces


def split(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    pair: str | None = None,
    special: bool = False,
    target: bool = False,
) -> list[Piece]:
    """The tokens of a text or a pair, with the tokenizer's own around them if `special`."""
    chosen = _fast if tokenizer.is_fast else _slow
    return chosen(tokenizer, text, pair, special, target)


def with_start(loaded: LoadedModel, pieces: list[Piece]) -> list[Piece]:
    """The same tokens after a beginning-of-text token.

    Raises:
        UserError: the tokenizer has none.
    """
    start = loaded.tokenizer.bos_token_id
    if start is None:
        raise UserError(
            f"{sanitise(loaded.options.model)} has no beginning-of-text token: use "
            "--special-tokens auto or none."
        )
    return [Piece(start, part=-1), *pieces]


def _fast(
    tokenizer: PreTrainedTokenizerBase, text: str, pair: str | None, special: bool, target: bool
) -> list[Piece]:
    given: dict[str, Any] = {"text_target": text} if target else {"text": text, "text_pair": pair}
    batch = tokenizer(
        **given,
        add_special_tokens=special,
        return_token_type_ids=True,
        return_offsets_mapping=True,
        verbose=False,
    )
    ids = batch["input_ids"]
    offsets = [(start, end) if end > start else UNKNOWN for start, end in batch["offset_mapping"]]
    parts = [-1 if part is None else part for part in batch.sequence_ids(0)]
    segments = batch.get("token_type_ids") or [0] * len(ids)
    spans = [UNKNOWN] * len(ids)
    sources = {0: text, 1: pair or "", -1: ""}
    for part in (0, 1):
        places = [at for at, each in enumerate(parts) if each == part]
        data = spelled(tokenizer, [ids[at] for at in places])
        found = filled([offsets[at] for at in places], data, sources[part])
        for at, span in zip(places, found, strict=True):
            spans[at] = span
    return [
        Piece(token, part, *span, segment, sources[part])
        for token, part, span, segment in zip(ids, parts, spans, segments, strict=True)
    ]


def _slow(
    tokenizer: PreTrainedTokenizerBase, text: str, pair: str | None, special: bool, target: bool
) -> list[Piece]:
    inside = _sentence(tokenizer, text, 0, target)
    if pair is not None:
        inside += _sentence(tokenizer, pair, 1)
    return _with_special(tokenizer, inside) if special else inside


def _sentence(
    tokenizer: PreTrainedTokenizerBase, text: str, part: int, target: bool = False
) -> list[Piece]:
    """A sentence's own tokens; the second sentence is the second segment."""
    given = {"text_target" if target else "text": text}
    ids = list(tokenizer(**given, add_special_tokens=False, verbose=False)["input_ids"])
    staged = japanese.staged(tokenizer, text)
    if [each.id for each in staged] == ids:
        return [
            Piece(each.id, part, *each.span, segment=part, source=text, opens=each.opens)
            for each in staged
        ]
    return [
        Piece(token, part, *span, segment=part, source=text)
        for token, span in zip(ids, aligned(spelled(tokenizer, ids), text), strict=True)
    ]


def _with_special(tokenizer: PreTrainedTokenizerBase, inside: Sequence[Piece]) -> list[Piece]:
    """The sentences' tokens with the tokenizer's own around them, and its own segments.

    Negative numbers stand for the tokens, so that a [SEP] that was typed is not taken for one that
    was added.
    """
    first = [-1 - at for at, piece in enumerate(inside) if piece.part == 0]
    second = [-1 - at for at, piece in enumerate(inside) if piece.part == 1] or None
    places = tokenizer.build_inputs_with_special_tokens(first, second)
    segments = tokenizer.create_token_type_ids_from_sequences(first, second)
    return [
        replace(inside[-1 - place] if place < 0 else Piece(place, -1), segment=segment)
        for place, segment in zip(places, segments, strict=True)
    ]
