"""What the decoder of an encoder-decoder reads: a given text, or what the model writes itself."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput
from attntui.core.tokens import sanitise
from attntui.engine import positions
from attntui.engine.alignment import rebuilt
from attntui.engine.forward import CheckCancel, Report, never, silent, watched
from attntui.engine.model import LoadedModel
from attntui.engine.pieces import special_ids, spelled
from attntui.engine.token_ids import pieces_of
from attntui.engine.tokenising import Piece, tokenise


@dataclass(frozen=True)
class Written:
    """A decoder's tokens, and what to tell about them."""

    pieces: list[Piece]
    note: str = ""


def decoder_pieces(
    loaded: LoadedModel,
    prompt: PromptInput,
    read: list[Piece],
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> Written:
    """The decoder's start token, then the decoder text, or what the model writes after reading.

    A classifier's decoder reads the same text as its encoder, one place to the right.

    Raises:
        UserError: the decoder has nothing to start with, or the classifier no end to classify at.
        Cancelled: the call was given up.
    """
    start = Piece(start_id(loaded), part=-1)
    if loaded.predicts == "classes":
        if all(piece.id != loaded.model.config.eos_token_id for piece in read):
            raise UserError(
                f"{_name(loaded)} classifies at the end token: use --special-tokens auto."
            )
        return Written([start, *read[:-1]])
    if prompt.decoder_ids is not None:
        bare = PromptInput(text=prompt.decoder_text or "", special_tokens="none")
        return Written([start, *pieces_of(loaded, prompt.decoder_ids, bare, target=True)])
    if prompt.decoder_text:
        bare = PromptInput(text=prompt.decoder_text, special_tokens="none")
        return Written([start, *tokenise(loaded, bare, target=True)])
    most = positions.limit(loaded.model, "decoder").count
    most = prompt.generate if most is None else min(prompt.generate, most - 1)
    if loaded.predicts != "next" or most < 1 or not loaded.model.can_generate():
        return Written([start])
    ids = write(loaded, [piece.id for piece in read], start.id, most, check_cancel, progress)
    wrote = f"{_name(loaded)} wrote the decoder's text itself: {len(ids)} tokens of at most {most}."
    return Written([start, *_as_pieces(loaded, ids)], wrote)


def write(
    loaded: LoadedModel,
    read: list[int],
    start: int,
    most: int,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> list[int]:
    """The tokens that the model writes after its start token, at most `most`, the likeliest each.

    The end token is left out: no decoder reads it, and the last row is the one that predicts it.

    Source: transformers' `GenerationMixin.generate` with neither sampling nor beams, and everything
    else (a forced first token, no repeated n-grams) as the model's generation config says.

    Raises:
        Cancelled: before any layer of any token, by `check_cancel`.
    """
    model = loaded.model
    input_ids = torch.tensor([read], device=loaded.device)
    # transformers 5.23 gives T5's cache as many layers as the encoder has: too few for this.
    sizes = [getattr(model.config, name, 0) for name in ("num_decoder_layers", "num_layers")]
    deep = sizes[0] > sizes[1]
    with torch.no_grad(), watched(model, check_cancel, silent):
        written = model.generate(
            input_ids=input_ids,
            attention_mask=torch.ones_like(input_ids),
            decoder_start_token_id=start,
            max_new_tokens=most,
            do_sample=False,
            num_beams=1,
            use_cache=not deep,
            return_dict_in_generate=False,
            stopping_criteria=StoppingCriteriaList([_Counter(most, progress)]),
        )
    ids: list[int] = written[0].tolist()[1:]
    ends = model.generation_config.eos_token_id
    ends = {ends} if isinstance(ends, int) else set(ends or ())
    return ids[:-1] if ids and ids[-1] in ends else ids


class _Counter(StoppingCriteria):  # type: ignore[misc]
    """Tells after every token how many there are; stops nothing."""

    def __init__(self, most: int, progress: Report) -> None:
        self._most, self._progress = most, progress

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        self._progress("writing", input_ids.shape[1] - 1, self._most)
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def _as_pieces(loaded: LoadedModel, ids: list[int]) -> list[Piece]:
    """Written tokens, with offsets into the text that they make together."""
    special = special_ids(loaded.tokenizer)
    data = spelled(loaded.tokenizer, ids)
    text, spans = rebuilt(
        [b"" if token in special else each for token, each in zip(ids, data, strict=True)]
    )
    return [
        Piece(token, -1 if token in special else 0, *span, source=text)
        for token, span in zip(ids, spans, strict=True)
    ]


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


def _name(loaded: LoadedModel) -> str:
    return sanitise(loaded.options.model)
