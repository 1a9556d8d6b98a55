"""Prompts given as tokens, as a model writes them: what they say, and where each stands in that."""

from collections.abc import Sequence

from attntui.core.protocol import PromptInput
from attntui.core.tokens import whole_text
from attntui.engine.alignment import aligned
from attntui.engine.model import LoadedModel
from attntui.engine.pieces import special_ids, spelled
from attntui.engine.tokenising import Piece, tokenise


def pieces_of(
    loaded: LoadedModel, ids: Sequence[int], prompt: PromptInput, target: bool = False
) -> list[Piece]:
    """These tokens, with offsets into the prompt's text where they can be had.

    A text that makes the same tokens tells them best; one that does not is searched.
    """
    typed = tokenise(loaded, prompt, target) if prompt.text else []
    if [piece.id for piece in typed] == list(ids):
        return typed
    special = special_ids(loaded.tokenizer)
    spans = aligned(spelled(loaded.tokenizer, ids), prompt.text)
    return [
        Piece(token, -1 if token in special else 0, *span, source=prompt.text)
        for token, span in zip(ids, spans, strict=True)
    ]


def text_of(
    loaded: LoadedModel, ids: Sequence[int], kept: int, text: str | None, prompt: PromptInput
) -> str:
    """What tokens say, less those that the tokenizer puts in front by itself.

    The first `kept` of them are `text`'s, which stays as it was typed; None: it is not known.
    """
    before, after = (_decoded(loaded, some, prompt) for some in (ids[:kept], ids))
    if text is not None and after.startswith(before):
        return text + after[len(before) :]
    return after


def _decoded(loaded: LoadedModel, ids: Sequence[int], prompt: PromptInput) -> str:
    around = tokenise(loaded, PromptInput(text="a", special_tokens=prompt.special_tokens))
    first = next((at for at, piece in enumerate(around) if piece.part >= 0), 0)
    if [piece.id for piece in around[:first]] == list(ids[:first]):
        ids = ids[first:]
    decode = loaded.tokenizer.decode
    return whole_text(str(decode(list(ids), clean_up_tokenization_spaces=False)))
