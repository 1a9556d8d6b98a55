"""From what the user typed to what the model is given, and its tokens as text."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput, Side, SideInfo, Token
from attntui.core.tokens import sanitise, whole_text
from attntui.engine import positions
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.pieces import texts
from attntui.engine.tokenising import Piece, tokenise, tokenise_chat


@dataclass(frozen=True)
class Cut:
    """A side's tokens after truncation, how many were cut, and what to tell about them."""

    pieces: list[Piece]
    removed: int = 0
    note: str = ""


def encode(loaded: LoadedModel, prompt: PromptInput) -> Encoded:
    """Tokenise a prompt for a model.

    Raises:
        UserError: the prompt is empty or too long, or asks for what the model has not.
    """
    prompt = _clean(prompt)
    parameters = _parameters(loaded)
    two_sided = "decoder_input_ids" in parameters
    _check(prompt, loaded, two_sided)
    first: Side = "encoder" if two_sided else "text"
    pieces = tokenise_chat(loaded, prompt) if prompt.chat else tokenise(loaded, prompt)
    if not any(piece.part >= 0 for piece in pieces):
        raise UserError("The prompt is empty: type some text for the model to read.")
    read = _fit(loaded, pieces, first, prompt)
    cuts = {first: read}
    inputs = {"input_ids": _tensor(loaded, [piece.id for piece in read.pieces])}
    if "token_type_ids" in parameters and _has_segments(loaded):
        inputs["token_type_ids"] = _tensor(loaded, [piece.segment for piece in read.pieces])
    if two_sided:
        written = _fit(loaded, _decoder_pieces(loaded, prompt, read.pieces), "decoder", prompt)
        cuts["decoder"] = written
        inputs["decoder_input_ids"] = _tensor(loaded, [piece.id for piece in written.pieces])
    return Encoded(
        inputs=inputs,
        sides=tuple(_side(loaded, name, cut.pieces) for name, cut in cuts.items()),
        truncated=sum(cut.removed for cut in cuts.values()),
        notes=tuple(cut.note for cut in cuts.values() if cut.note),
    )


def _clean(prompt: PromptInput) -> PromptInput:
    """The prompt without lone surrogates, which tokenizers do not take."""

    def clean(text: str | None) -> str | None:
        return None if text is None else whole_text(text)

    return PromptInput(
        text=whole_text(prompt.text),
        pair=clean(prompt.pair),
        decoder_text=clean(prompt.decoder_text),
        chat=prompt.chat,
        special_tokens=prompt.special_tokens,
        truncate=prompt.truncate,
    )


def _check(prompt: PromptInput, loaded: LoadedModel, two_sided: bool) -> None:
    if not prompt.text:
        raise UserError("The prompt is empty: type some text for the model to read.")
    if prompt.decoder_text and not two_sided:
        raise UserError(
            f"{_name(loaded)} has no decoder of its own: --decoder-prompt is for encoder-decoders."
        )
    if prompt.chat and prompt.pair is not None:
        raise UserError("A chat has one message: leave out --pair or --chat.")


def _parameters(loaded: LoadedModel) -> set[str]:
    return set(inspect.signature(loaded.model.forward).parameters)


def _has_segments(loaded: LoadedModel) -> bool:
    """Whether the model tells sentences apart by segment ids, as BERT does and RoBERTa does not."""
    return (getattr(loaded.model.config, "type_vocab_size", 0) or 0) > 1


def _decoder_pieces(loaded: LoadedModel, prompt: PromptInput, read: list[Piece]) -> list[Piece]:
    """The decoder's tokens: its start token, then the decoder prompt if there is one.

    A classifier's decoder reads the same text as its encoder, one place to the right.
    """
    start = Piece(start_id(loaded), part=-1)
    if loaded.predicts == "classes":
        if all(piece.id != loaded.model.config.eos_token_id for piece in read):
            raise UserError(
                f"{_name(loaded)} classifies at the end token: use --special-tokens auto."
            )
        return [start, *read[:-1]]
    if not prompt.decoder_text:
        return [start]
    bare = PromptInput(text=prompt.decoder_text, special_tokens="none")
    return [start, *tokenise(loaded, bare, target=True)]


def start_id(loaded: LoadedModel) -> int:
    """The token that a decoder starts with.

    Raises:
        UserError: neither the model nor its config names one.
    """
    config, generation = loaded.model.config, getattr(loaded.model, "generation_config", None)
    sources: tuple[Any, ...] = (config, generation, config.get_text_config())
    for name in ("decoder_start_token_id", "bos_token_id", "eos_token_id", "pad_token_id"):
        for source in sources:
            found = getattr(source, name, None)
            if isinstance(found, int):
                return found
    raise UserError(f"{_name(loaded)} names no token for its decoder to start with.")


def _fit(loaded: LoadedModel, pieces: list[Piece], side: Side, prompt: PromptInput) -> Cut:
    """The tokens a side can hold, checked: how many, and which ids.

    Raises:
        UserError: there are more than the model can read, or some that it has no embedding for.
    """
    limit = positions.limit(loaded.model, side)
    cut = Cut(pieces)
    if limit.count is not None and len(pieces) > limit.count:
        cut = _shorten(loaded, pieces, limit, prompt)
    vocabulary = loaded.model.get_input_embeddings().weight.shape[0]
    unknown = next((piece.id for piece in cut.pieces if not 0 <= piece.id < vocabulary), None)
    if unknown is not None:
        raise UserError(
            f"The tokenizer gives token {unknown} and {_name(loaded)} knows only {vocabulary:,}: "
            "they do not belong together."
        )
    return cut


def _shorten(
    loaded: LoadedModel, pieces: list[Piece], limit: positions.Limit, prompt: PromptInput
) -> Cut:
    count, most = len(pieces), limit.count or 0
    if prompt.truncate is not None:
        kept = truncate(pieces, most, prompt.truncate)
        return Cut(kept, count - len(kept))
    if limit.hard:
        raise UserError(
            f"The prompt is {count:,} tokens and {_name(loaded)} reads at most {most:,}: shorten "
            "it, or cut it with --truncate left or right."
        )
    return Cut(
        pieces,
        note=f"The prompt is {count:,} tokens; {_name(loaded)} was trained on at most {most:,}.",
    )


def truncate(pieces: list[Piece], most: int, side: str) -> list[Piece]:
    """At most `most` tokens: special ones stay, text goes from one side, the longer part first."""
    parts = {part: [at for at, each in enumerate(pieces) if each.part == part] for part in (0, 1)}
    for _ in range(len(pieces) - most):
        longer = max(parts.values(), key=len)
        if not longer:
            break
        longer.pop(0 if side == "left" else -1)
    kept = {*parts[0], *parts[1]}
    return [each for at, each in enumerate(pieces) if each.part < 0 or at in kept]


def _side(loaded: LoadedModel, name: Side, pieces: list[Piece]) -> SideInfo:
    special = special_ids(loaded.tokenizer)
    shown = texts(loaded.tokenizer, [piece.id for piece in pieces])
    return SideInfo(
        name,
        tuple(
            Token(
                id=piece.id,
                text=text,
                special=piece.id in special,
                start=piece.start,
                end=piece.end,
                part=piece.part,
            )
            for piece, text in zip(pieces, shown, strict=True)
        ),
    )


def special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Tokens that are signs rather than text: [CLS], </s>, <|im_start|>."""
    added = tokenizer.added_tokens_decoder
    return {*tokenizer.all_special_ids, *(each for each, token in added.items() if token.special)}


def _tensor(loaded: LoadedModel, values: list[int]) -> torch.Tensor:
    return torch.tensor([values], device=loaded.device)


def _name(loaded: LoadedModel) -> str:
    return sanitise(loaded.options.model)
