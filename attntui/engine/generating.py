"""A text continued by the model, and the attention of every step kept."""

from dataclasses import replace
from typing import Protocol

import torch
from msgspec import structs
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import Generate, Generated, PromptInput
from attntui.core.tokens import sanitise
from attntui.engine import positions, ranks, room, sampling
from attntui.engine.again import NO_MODEL, Again, Hearing
from attntui.engine.encoding import encode
from attntui.engine.forward import CheckCancel, never
from attntui.engine.model import Encoded, LoadedModel, Work, has_decoder, vocabulary
from attntui.engine.pieces import texts
from attntui.engine.run import Run, trace
from attntui.engine.steps import steps, within
from attntui.engine.token_ids import text_of

CHOOSE = "choose a model that does, such as gpt2 or llama."


class Source(Protocol):
    """Where the logits of the next token come from."""

    def add(self, token: int, check_cancel: CheckCancel = never) -> None:
        """Go on with a token."""

    def logits(self, check_cancel: CheckCancel = never) -> Tensor:
        """(vocabulary): what the model says after the last token."""

    def run(self, number: int, encoded: Encoded) -> Run:
        """The run of all of it, which `encoded` says."""


class Whole:
    """The whole text once more for each token, where there are no `steps`."""

    def __init__(self, base: Run, again: Again, kept: int, work: Work) -> None:
        self._again = replace(again, changes=within(again.changes, kept))
        self._record = base.plan.record
        inputs, self._work = base.encoded.inputs, work
        self._name = "decoder_input_ids" if "decoder_input_ids" in inputs else "input_ids"
        self._others = {name: inputs[name] for name in inputs if name != self._name}
        self._ids = inputs[self._name][:, :kept]

    def add(self, token: int, check_cancel: CheckCancel = never) -> None:
        """See `Source`."""
        self._ids = torch.cat([self._ids, self._ids.new_tensor([[token]])], dim=1)

    def logits(self, check_cancel: CheckCancel = never) -> Tensor:
        """See `Source`."""
        longer = Encoded({**self._others, self._name: self._ids}, ())
        again = replace(self._again, encoded=longer)
        with torch.no_grad():
            hearing = Hearing(self._again.changes)
            return again.logits_at(self._ids.shape[1] - 1, hearing, check_cancel)

    def run(self, number: int, encoded: Encoded) -> Run:
        """See `Source`."""
        again, work = self._again, self._work
        return trace(
            again.loaded,
            encoded,
            number,
            plan=room.plan(again.loaded, encoded, self._record, whole=bool(again.changes)),
            changes=again.changes,
            check_cancel=work.check_cancel,
        )


def generate(base: Run, request: Generate, work: Work) -> tuple[Run, Generated]:
    """The run of the continued text, as `Generate` describes.

    Raises:
        UserError: the model does not write on, nothing can be added, or an option is out of range.
        Cancelled: the call was given up.
    """
    again = _writer(base)
    tokens = base.encoded.sides[-1].tokens
    kept = len(tokens) if request.last is None else request.last + 1
    _check(again.loaded, request, kept, len(tokens))
    source: Source | None = steps(base, again, kept, work.check_cancel)
    source = source or Whole(base, again, kept, work)
    added, probabilities, note = _written(base, source, request, kept, work)
    if not added:
        raise UserError(note)
    prompt = _prompt(base, again.loaded, [*(token.id for token in tokens[:kept]), *added], kept)
    encoded = encode(again.loaded, prompt, check_cancel=work.check_cancel)
    encoded.notes = (*encoded.notes, *([note] if note else []))
    found = source.run(request.run, encoded)
    return found, Generated(prompt=prompt, first=kept, probabilities=tuple(probabilities))


def _writer(base: Run) -> Again:
    """
    Raises:
        UserError: the model does not write on.
    """
    again = base.again
    if again is None:
        raise UserError(NO_MODEL)
    name, predicts = sanitise(again.loaded.options.model), again.loaded.predicts
    if predicts == "masked":
        raise UserError(f"{name} fills in masked places and does not write on: {CHOOSE}")
    if predicts == "classes":
        raise UserError(f"{name} classifies a text and does not write on: {CHOOSE}")
    is_causal = any(tower.causal for tower in base.towers if tower.name in {"self", "decoder"})
    if predicts is None or base.logits is None or base.logits.ndim != 2 or not is_causal:
        raise UserError(f"{name} predicts no next token, so it does not write on: {CHOOSE}")
    return again


def _check(loaded: LoadedModel, request: Generate, kept: int, length: int) -> None:
    """
    Raises:
        UserError: there is no such position or token, or an option is out of range.
    """
    sampling.check(request.sampling)
    if not 0 < kept <= length:
        raise UserError(f"There is no position {kept - 1}: they go from 0 to {length - 1}.")
    if request.count < 0 or request.count + len(request.tokens) < 1:
        raise UserError("At least one token is to be generated.")
    known = vocabulary(loaded.model)
    for token in request.tokens:
        if not 0 <= token < known:
            raise UserError(f"There is no token {token}: they are 0 to {known - 1}.")


def _written(
    base: Run, source: Source, request: Generate, kept: int, work: Work
) -> tuple[list[int], list[float], str]:
    """The tokens that are added, how likely each was, and why there are no more."""
    assert base.again is not None and base.logits is not None
    loaded, side = base.again.loaded, base.encoded.sides[-1].name
    most, ends = positions.limit(loaded.model, side).count, end_ids(loaded)
    added: list[int] = []
    probabilities: list[float] = []
    wanted = len(request.tokens) + request.count
    logits = base.logits[kept - 1]
    while len(added) < wanted:
        place = kept + len(added)
        if most is not None and place >= most:
            name = sanitise(loaded.options.model)
            return added, probabilities, f"{name} reads at most {most:,} tokens: the text is full."
        if added:
            logits = source.logits(work.check_cancel)
        is_given = len(added) < len(request.tokens)
        chosen = None
        if not is_given:
            # Where ranks' logits are rounded otherwise, each would go on with a token of its own.
            chosen = ranks.of_first(sampling.choose(logits, request.sampling, place))
        token = request.tokens[len(added)] if chosen is None else chosen
        if chosen is not None and chosen in ends:
            end = sanitise(texts(loaded.tokenizer, [chosen])[0])
            return added, probabilities, f"The model ends the text here, with {end}."
        probabilities.append(float(logits.float().softmax(-1)[token]))
        source.add(token, work.check_cancel)
        added.append(token)
        work.progress("generating", len(added), wanted)
    return added, probabilities, ""


def end_ids(loaded: LoadedModel) -> set[int]:
    """The tokens that end a text."""
    found: set[int] = set()
    generation = getattr(loaded.model, "generation_config", None)
    for source in (generation, loaded.model.config, loaded.tokenizer):
        ends = getattr(source, "eos_token_id", None)
        found |= {ends} if isinstance(ends, int) else set(ends or ())
    return found


def _prompt(base: Run, loaded: LoadedModel, ids: list[int], kept: int) -> PromptInput:
    """What gives these tokens again: those that were read, and those that were added."""
    prompt = base.encoded.prompt or PromptInput(text="")
    is_whole = kept == len(base.encoded.sides[-1].tokens) and not base.encoded.truncated
    if has_decoder(loaded.model):
        written, bare = ids[1:], structs.replace(prompt, special_tokens="none")
        text = text_of(loaded, written, kept - 1, prompt.decoder_text if is_whole else None, bare)
        return structs.replace(prompt, decoder_text=text, decoder_ids=tuple(written))
    typed = is_whole and not prompt.chat and prompt.pair is None
    text = text_of(loaded, ids, kept, prompt.text if typed else None, prompt)
    return structs.replace(prompt, text=text, ids=tuple(ids), pair=None, chat=False)
