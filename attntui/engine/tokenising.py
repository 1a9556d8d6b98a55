"""Tokenizers of every kind behind one shape: a list of `Piece`.

Tokenizers of the Rust library tell offsets and sentences themselves. Those written in Python do not
(and ignore the request for offsets in silence), so theirs are worked out here.
"""

from dataclasses import dataclass, replace
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput
from attntui.core.tokens import sanitise
from attntui.engine.model import LoadedModel
from attntui.engine.pieces import texts
from attntui.engine.refusals import first_sentence

MAX_GAP = 32
"""Characters between two tokens beyond which a likeness is taken for chance."""


@dataclass(frozen=True)
class Piece:
    """One token. `part` 0 or 1 is the sentence, -1 what the tokenizer added by itself.

    `start` and `end` are offsets into that sentence, -1 where unknown; `segment` is BERT's.
    """

    id: int
    part: int = 0
    start: int = -1
    end: int = -1
    segment: int = 0


def tokenise(loaded: LoadedModel, prompt: PromptInput, target: bool = False) -> list[Piece]:
    """The tokens of a text or a pair; `target` takes a translation model's other language.

    Raises:
        UserError: the tokenizer has no beginning-of-text token where one is asked for.
    """
    tokenizer = loaded.tokenizer
    with_special = prompt.special_tokens == "auto"
    split = _fast if tokenizer.is_fast else _slow
    pieces = split(tokenizer, prompt.text, prompt.pair, with_special, target)
    return _with_start(loaded, pieces) if prompt.special_tokens == "bos" else pieces


def tokenise_chat(loaded: LoadedModel, prompt: PromptInput) -> list[Piece]:
    """The tokens of the model's chat template around one user message.

    The template brings its own special tokens, so none are added when its text is tokenised.
    Its own words are part -1; offsets are into the message.

    Raises:
        UserError: there is no template, or it refuses the message.
    """
    tokenizer = loaded.tokenizer
    if not tokenizer.chat_template:
        raise UserError(f"{sanitise(loaded.options.model)} has no chat template: leave out --chat.")
    messages = [{"role": "user", "content": prompt.text}]
    try:
        rendered = str(
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
    except Exception as error:
        raise UserError(
            f"The chat template refuses this message: {first_sentence(error)}"
        ) from error
    split = _fast if tokenizer.is_fast else _slow
    pieces = split(tokenizer, rendered, None, False, False)
    if prompt.special_tokens == "bos" and pieces[:1] != _with_start(loaded, pieces)[:1]:
        pieces = _with_start(loaded, pieces)
    return _within(pieces, rendered, prompt.text.strip())


def _with_start(loaded: LoadedModel, pieces: list[Piece]) -> list[Piece]:
    start = loaded.tokenizer.bos_token_id
    if start is None:
        raise UserError(
            f"{sanitise(loaded.options.model)} has no beginning-of-text token: use "
            "--special-tokens auto or none."
        )
    return [Piece(start, part=-1), *pieces]


def _within(pieces: list[Piece], rendered: str, message: str) -> list[Piece]:
    """Pieces of a rendered template, with offsets into the message that it holds."""
    at = rendered.find(message)
    end = at + len(message)
    if at < 0 or all(piece.start < 0 for piece in pieces):
        return pieces

    def shift(piece: Piece) -> Piece:
        if piece.end <= at or piece.start >= end or piece.start < 0:
            return replace(piece, part=-1, start=-1, end=-1)
        return replace(piece, start=max(piece.start - at, 0), end=min(piece.end, end) - at)

    return [shift(piece) for piece in pieces]


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
    offsets = [(start, end) if end > start else (-1, -1) for start, end in batch["offset_mapping"]]
    parts = [-1 if part is None else part for part in batch.sequence_ids(0)]
    segments = batch.get("token_type_ids") or [0] * len(ids)
    return [
        Piece(token, part, start if part >= 0 else -1, end if part >= 0 else -1, segment)
        for token, part, (start, end), segment in zip(ids, parts, offsets, segments, strict=True)
    ]


def _slow(
    tokenizer: PreTrainedTokenizerBase, text: str, pair: str | None, special: bool, target: bool
) -> list[Piece]:
    if target:
        bare = tokenizer(text_target=text, add_special_tokens=False, verbose=False)
        first, second = list(bare["input_ids"]), None
    else:
        first = _ids(tokenizer, text)
        second = None if pair is None else _ids(tokenizer, pair)
    inside = [Piece(token, 0, *span) for token, span in _aligned(tokenizer, first, text)]
    if second is not None:
        spans = _aligned(tokenizer, second, pair or "")
        inside += [Piece(token, 1, *span, segment=1) for token, span in spans]
    return _with_special(tokenizer, inside) if special else inside


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _with_special(tokenizer: PreTrainedTokenizerBase, inside: list[Piece]) -> list[Piece]:
    """The sentences' tokens with the tokenizer's own around them.

    Negative numbers stand for the tokens, so that a [SEP] that was typed is not taken for one that
    was added. What is added after a sentence is of that sentence's segment, as BERT was trained.
    """
    first = [-1 - at for at, piece in enumerate(inside) if piece.part == 0]
    second = [-1 - at for at, piece in enumerate(inside) if piece.part == 1]
    pieces: list[Piece] = []
    for place in tokenizer.build_inputs_with_special_tokens(first, second or None):
        segment = pieces[-1].segment if pieces else 0
        pieces.append(inside[-1 - place] if place < 0 else Piece(place, -1, segment=segment))
    return pieces


def _aligned(
    tokenizer: PreTrainedTokenizerBase, ids: list[int], text: str
) -> list[tuple[int, tuple[int, int]]]:
    """Each token with where its text stands in `text`; (-1, -1) where normalising changed it."""
    found, at = [], 0
    lower = text.lower()
    text = lower if len(lower) == len(text) else text
    for token, shown in zip(ids, texts(tokenizer, ids), strict=True):
        piece = shown.removeprefix("##").strip().lower()
        start = text.find(piece, at, at + len(piece) + MAX_GAP) if piece else -1
        if start < 0:
            found.append((token, (-1, -1)))
            continue
        at = start + len(piece)
        found.append((token, (start, at)))
    return found
