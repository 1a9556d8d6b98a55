"""From what the user typed to what the model is given, and its tokens as text."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from msgspec.structs import replace

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput, Side
from attntui.core.tokens import sanitise, whole_text
from attntui.engine import positions
from attntui.engine.chat import tokenise_chat
from attntui.engine.decoder import decoder_pieces
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.model import Encoded, LoadedModel, has_decoder, vocabulary
from attntui.engine.sides import side
from attntui.engine.token_ids import pieces_of
from attntui.engine.tokenising import Piece, tokenise


@dataclass(frozen=True)
class Cut:
    """A side's tokens after truncation, how many were cut, and what to tell about them."""

    pieces: list[Piece]
    removed: int = 0
    note: str = ""


def encode(
    loaded: LoadedModel,
    prompt: PromptInput,
    *,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> Encoded:
    """Tokenise a prompt for a model; an encoder-decoder without a decoder text writes one.

    Raises:
        UserError: the prompt is empty or too long, or asks for what the model has not.
        Cancelled: the call was given up while the model wrote.
    """
    prompt = _clean(prompt)
    _check(prompt, loaded)
    first: Side = "encoder" if has_decoder(loaded.model) else "text"
    pieces = _pieces(loaded, prompt)
    if prompt.ids is None and not any(piece.part >= 0 for piece in pieces):
        raise UserError("The prompt is empty: type some text for the model to read.")
    read = _fit(loaded, pieces, first, prompt)
    cuts = {first: read}
    notes = [] if prompt.pair is None or tells_apart(loaded, pieces) else [_one_text(loaded)]
    inputs = {"input_ids": _tensor(loaded, [piece.id for piece in read.pieces])}
    if _has_segments(loaded):
        inputs["token_type_ids"] = _tensor(loaded, [piece.segment for piece in read.pieces])
    if has_decoder(loaded.model):
        written = decoder_pieces(loaded, prompt, read.pieces, check_cancel, progress)
        cuts["decoder"] = _fit(loaded, written.pieces, "decoder", prompt)
        notes += [written.note] if written.note else []
        ids = [piece.id for piece in cuts["decoder"].pieces]
        inputs["decoder_input_ids"] = _tensor(loaded, ids)
    return Encoded(
        inputs=inputs,
        sides=tuple(side(loaded.tokenizer, name, cut.pieces) for name, cut in cuts.items()),
        truncated=sum(cut.removed for cut in cuts.values()),
        notes=(*(cut.note for cut in cuts.values() if cut.note), *notes),
        prompt=prompt,
    )


def _pieces(loaded: LoadedModel, prompt: PromptInput) -> list[Piece]:
    if prompt.ids is not None:
        return pieces_of(loaded, prompt.ids, prompt)
    return tokenise_chat(loaded, prompt) if prompt.chat else tokenise(loaded, prompt)


def takes_pairs(loaded: LoadedModel) -> bool:
    """Whether two sentences are more to the model than one text.

    To one that writes on, as GPT and Llama do, they are not: the token that its tokenizer may put
    between them begins another text.
    """
    if loaded.predicts == "next" and not (has_decoder(loaded.model) or _has_segments(loaded)):
        return False
    try:
        pieces = tokenise(loaded, PromptInput(text="a", pair="b"))
    except (NotImplementedError, ValueError):  # mistral-common's takes no second sentence
        return False
    return tells_apart(loaded, pieces)


def tells_apart(loaded: LoadedModel, pieces: Sequence[Piece]) -> bool:
    """Whether a boundary is visible to the model: a token between two sentences, or segments."""
    last = max((at for at, piece in enumerate(pieces) if piece.part == 0), default=0)
    first = min((at for at, piece in enumerate(pieces) if piece.part == 1), default=0)
    return first > last + 1 or (
        _has_segments(loaded) and len({each.segment for each in pieces}) > 1
    )


def _one_text(loaded: LoadedModel) -> str:
    return f"{_name(loaded)} puts nothing between two sentences: the model reads them as one text."


def _clean(prompt: PromptInput) -> PromptInput:
    """The prompt without lone surrogates, which tokenizers do not take."""
    return replace(
        prompt,
        text=whole_text(prompt.text),
        pair=whole_text(prompt.pair) if prompt.pair else None,
        decoder_text=whole_text(prompt.decoder_text) if prompt.decoder_text else None,
    )


def _check(prompt: PromptInput, loaded: LoadedModel) -> None:
    if not (prompt.ids if prompt.ids is not None else prompt.text):
        raise UserError("The prompt is empty: type some text for the model to read.")
    if prompt.decoder_text and not has_decoder(loaded.model):
        raise UserError(
            f"{_name(loaded)} has no decoder of its own: --decoder-prompt is for encoder-decoders."
        )
    if prompt.chat and prompt.pair is not None:
        raise UserError("A chat has no second sentence: leave out --pair or --chat.")


def _parameters(loaded: LoadedModel) -> set[str]:
    return set(inspect.signature(loaded.model.forward).parameters)


def _has_segments(loaded: LoadedModel) -> bool:
    """Whether the model tells sentences apart by segment ids: BERT and XLNet do, RoBERTa does not.

    GPT-2 takes ids of this name too, and would add the embeddings of such tokens.
    """
    config = loaded.model.config
    has = (getattr(config, "type_vocab_size", 0) or 0) > 1 or config.model_type == "xlnet"
    return has and "token_type_ids" in _parameters(loaded)


def _fit(loaded: LoadedModel, pieces: list[Piece], side: Side, prompt: PromptInput) -> Cut:
    """The tokens a side can hold, checked: how many, and which ids.

    Raises:
        UserError: there are more than the model can read, or some that it has no embedding for.
    """
    limit = positions.limit(loaded.model, side)
    cut = Cut(pieces)
    if limit.count is not None and len(pieces) > limit.count:
        cut = _shorten(loaded, pieces, limit, prompt)
    known = vocabulary(loaded.model)
    unknown = next((piece.id for piece in cut.pieces if not 0 <= piece.id < known), None)
    if unknown is not None:
        raise UserError(
            f"The tokenizer gives token {unknown} and {_name(loaded)} knows only {known:,}: "
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


def _tensor(loaded: LoadedModel, values: list[int]) -> torch.Tensor:
    return torch.tensor([values], device=loaded.device)


def _name(loaded: LoadedModel) -> str:
    return sanitise(loaded.options.model)
