"""How well a model answers a question, whole and with heads switched off."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from msgspec.structs import replace
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import GetAnswers, Head, PromptInput, Question, SideInfo
from attntui.core.tokens import sanitise
from attntui.engine import run
from attntui.engine.edits import recorded
from attntui.engine.encoding import encode
from attntui.engine.model import Encoded, LoadedModel, Work, has_decoder
from attntui.engine.run import Run
from attntui.engine.sides import side
from attntui.engine.sweep import switched_off
from attntui.engine.tokenising import Piece, tokenise
from attntui.engine.variants import Off, Variant, Variants


@dataclass(frozen=True, eq=False)
class Asked:
    """A question as the model reads it, and where it answers."""

    encoded: Encoded
    positions: list[int]
    """Where the answer's tokens are predicted; of a classifier, its one place."""
    answer: list[int]
    foil: int | None
    """The foil's token where it first differs from the answer."""
    differs: int = 0
    """Which of the answer's tokens that is."""


def answers(loaded: LoadedModel, request: GetAnswers, work: Work) -> list[np.ndarray]:
    """The arrays `logprob` and `logit_difference`, as `GetAnswers` describes.

    Raises:
        UserError: the question does not suit the model, or there is no such head.
        Cancelled: the call was given up.
    """
    asked = _asked(loaded, request.question, work)
    plain = run.trace(loaded, asked.encoded, 0, check_cancel=work.check_cancel)
    variants: list[Variant] = [(), *(_variant(plain, heads, request) for heads in request.sets)]
    runs = Variants(loaded, asked.encoded, work.check_cancel)
    rows: list[list[float]] = []
    for logits in runs.logits(variants, asked.positions, work.check_cancel):
        rows += [_score(asked, each) for each in logits.float()]
        work.progress("sets of heads", len(rows), len(variants))
    return list(np.array(rows, np.float32).T)


def _variant(plain: Run, heads: tuple[Head, ...], request: GetAnswers) -> Variant:
    offs: list[Off | None] = []
    for head in heads:
        plain.views.rows(head, 0, 0)  # raises where there is no such head
        layer = recorded(plain.views.layer(head.stack, head.layer))
        offs += switched_off(layer, [head.head], request.ablate_with)
    return offs


def _score(asked: Asked, logits: Tensor) -> list[float]:
    """logprob and logit difference, from logits (positions, outputs)."""
    rows = torch.arange(len(asked.answer))
    answer = torch.tensor(asked.answer)
    logits = logits.cpu()
    logprob = logits.log_softmax(-1)[rows, answer].sum()
    own = logits[rows, answer]
    if asked.foil is not None:
        difference = own[asked.differs] - logits[asked.differs, asked.foil]
    else:
        others = logits.clone()
        others[rows, answer] = -torch.inf
        difference = (own - others.amax(-1)).min()
    return [float(logprob), float(difference)]


def _asked(loaded: LoadedModel, question: Question, work: Work) -> Asked:
    if loaded.predicts is None:
        raise UserError(
            f"{sanitise(loaded.options.model)} has no trained output head, so it answers nothing."
        )
    if not question.answer:
        raise UserError("The answer is empty.")
    if loaded.predicts == "classes":
        return _label(loaded, question, work)
    if has_decoder(loaded.model):
        return _decoded(loaded, question, work)
    if loaded.predicts == "masked":
        return _masked(loaded, question, work)
    return _continued(loaded, question, work)


def _label(loaded: LoadedModel, question: Question, work: Work) -> Asked:
    encoded = encode(loaded, question.prompt, check_cancel=work.check_cancel)
    foil = None if question.foil is None else class_of(loaded, question.foil)
    return Asked(encoded, [0], [class_of(loaded, question.answer)], foil)


def class_of(loaded: LoadedModel, label: str) -> int:
    """A class by its name or number.

    Raises:
        UserError: there is no such class.
    """
    labels: dict[Any, str] = getattr(loaded.model.config, "id2label", None) or {}
    names = {str(name): int(number) for number, name in labels.items()}
    found = names.get(label, int(label) if label.isdecimal() and label.isascii() else -1)
    if not 0 <= found < len(labels):
        known = sanitise(", ".join(names))
        raise UserError(f"{sanitise(repr(label))} is no label of this model, which knows {known}.")
    return found


def _continued(loaded: LoadedModel, question: Question, work: Work) -> Asked:
    encoded = encode(loaded, question.prompt, check_cancel=work.check_cancel)
    answer = _continuation(loaded, encoded, question.prompt, question.answer)
    foil, differs = _foil(
        answer,
        None
        if question.foil is None
        else _continuation(loaded, encoded, question.prompt, question.foil),
    )
    last = len(encoded.sides[0].tokens) - 1
    positions = list(range(last, last + len(answer)))
    return Asked(_extended(loaded, encoded, answer[:-1]), positions, answer, foil, differs)


def _continuation(
    loaded: LoadedModel, encoded: Encoded, prompt: PromptInput, text: str
) -> list[int]:
    """The tokens that a text adds to a prompt; where it would change the prompt's own, the text's
    alone. So `Eiffel` + ` Tower` and `unhapp` + `y` mean what they do to the model."""
    before = [token.id for token in encoded.sides[0].tokens]
    if not prompt.chat and prompt.pair is None:
        pieces = tokenise(loaded, replace(prompt, text=prompt.text + text))
        last = max(at for at, piece in enumerate(pieces) if piece.part >= 0)
        whole = [piece.id for piece in pieces[: last + 1]]
        if whole[: len(before)] == before and len(whole) > len(before):
            return whole[len(before) :]
    alone = tokenise(loaded, PromptInput(text=text, special_tokens="none"))
    return [piece.id for piece in alone]


def _foil(answer: list[int], foil: list[int] | None) -> tuple[int | None, int]:
    """The foil's first token that is not the answer's, and where.

    Raises:
        UserError: one of them is the beginning of the other.
    """
    if foil is None:
        return None, 0
    for at, (one, other) in enumerate(zip(answer, foil, strict=False)):
        if one != other:
            return other, at
    raise UserError("The answer and the foil begin with the same tokens: nothing tells them apart.")


def _extended(loaded: LoadedModel, encoded: Encoded, ids: list[int]) -> Encoded:
    """The prompt with tokens after it."""
    if not ids:
        return encoded
    (text,) = encoded.sides
    more = side(loaded.tokenizer, "text", [Piece(each) for each in ids])
    inputs = dict(encoded.inputs)
    added = torch.tensor([ids], device=loaded.device)
    for name, values in inputs.items():
        new = added if name == "input_ids" else torch.zeros_like(added)
        inputs[name] = torch.cat([values, new], dim=1)
    return Encoded(inputs, (SideInfo("text", (*text.tokens, *more.tokens)),))


def _masked(loaded: LoadedModel, question: Question, work: Work) -> Asked:
    encoded = encode(loaded, question.prompt, check_cancel=work.check_cancel)
    mask = loaded.tokenizer.mask_token_id
    positions = [at for at, token in enumerate(encoded.sides[0].tokens) if token.id == mask]
    answer, foil = (
        None if text is None else [piece.id for piece in tokens_of(loaded, text)]
        for text in (question.answer, question.foil)
    )
    assert answer is not None
    for text, ids in ((question.answer, answer), (question.foil, foil)):
        if ids is not None and len(ids) != len(positions):
            raise UserError(
                f"The prompt has {len(positions)} masked places and {sanitise(repr(text))} is"
                f" {len(ids)} tokens: write {loaded.tokenizer.mask_token} once for each."
            )
    token, differs = _foil(answer, foil)
    return Asked(encoded, positions, answer, token, differs)


def _decoded(loaded: LoadedModel, question: Question, work: Work) -> Asked:
    prompt = replace(question.prompt, decoder_text=question.answer)
    encoded = encode(loaded, prompt, check_cancel=work.check_cancel)
    answer = [token.id for token in encoded.sides[-1].tokens[1:]]
    foil = None
    if question.foil is not None:
        foil = [piece.id for piece in tokens_of(loaded, question.foil, target=True)]
    token, differs = _foil(answer, foil)
    return Asked(encoded, list(range(len(answer))), answer, token, differs)


def tokens_of(loaded: LoadedModel, text: str, target: bool = False) -> list[Piece]:
    """A text by itself, without special tokens; `target`: as a decoder's text."""
    return tokenise(loaded, PromptInput(text=text, special_tokens="none"), target)
