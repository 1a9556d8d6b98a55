"""The calibration text: random tokens said twice, on which copying shows and meaning does not."""

import random
from itertools import takewhile

import torch

from attntui.core.errors import UserError
from attntui.core.protocol import SIDES, PromptInput, Side, Stack
from attntui.core.tokens import sanitise
from attntui.engine import positions
from attntui.engine.decoder import start_id
from attntui.engine.forward import CheckCancel, Report, forward, never, silent
from attntui.engine.model import Encoded, LoadedModel, vocabulary
from attntui.engine.patterns import Measured, measure
from attntui.engine.pieces import special_ids
from attntui.engine.sides import side
from attntui.engine.targets import separators, text_of
from attntui.engine.tokenising import Piece, tokenise

LENGTH = 40
"""Tokens in the segment that is said twice, or as many as the model can read."""
SEED = 0
INPUTS: dict[Side, str] = {
    "text": "input_ids",
    "encoder": "input_ids",
    "decoder": "decoder_input_ids",
}


def calibrated(
    loaded: LoadedModel,
    stack: Stack,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> Measured:
    """The statistics of a stack's heads on the calibration text: run once per model, then kept.

    Raises:
        UserError: the model reads too few tokens for a repetition.
    """
    if stack not in loaded.calibrated:
        prompt = repeated(loaded)
        towers, _ = forward(loaded, prompt, check_cancel, progress)
        sides = {each.name: each for each in prompt.sides}
        for tower in towers:
            queries, keys = (sides[name] for name in SIDES[tower.name])
            read = text_of(queries, keys, separators(loaded.tokenizer))
            loaded.calibrated[tower.name] = measure(tower, read, check_cancel, progress)
    return loaded.calibrated[stack]


def repeated(loaded: LoadedModel) -> Encoded:
    """Random ordinary tokens, no two alike, and the same again; the same ones on every call.

    The tokenizer's own special tokens stand around them as around a prompt. The decoder of an
    encoder-decoder reads the same after its start token, as if it copied; that of a classifier
    reads its encoder's tokens, one place to the right.

    Raises:
        UserError: the model reads too few tokens for a repetition.
    """
    frame = tokenise(loaded, PromptInput(text="a"))
    before = list(takewhile(lambda piece: piece.part < 0, frame))
    after = [piece for piece in frame[len(before) :] if piece.part < 0]
    two_sided = any(stack.name == "encoder" for stack in loaded.stacks)
    first: Side = "encoder" if two_sided else "text"
    others = {first: len(before) + len(after)}
    if two_sided:
        others["decoder"] = 1
    twice = [Piece(each) for each in _segment(loaded, others)] * 2
    sides = {first: [*before, *twice, *after]}
    if two_sided:
        copied = sides[first][:-1] if loaded.predicts == "classes" else twice
        sides["decoder"] = [Piece(start_id(loaded), part=-1), *copied]
    return Encoded(
        inputs={
            INPUTS[name]: torch.tensor([[piece.id for piece in pieces]], device=loaded.device)
            for name, pieces in sides.items()
        },
        sides=tuple(side(loaded.tokenizer, name, pieces) for name, pieces in sides.items()),
    )


def _segment(loaded: LoadedModel, others: dict[Side, int]) -> list[int]:
    """Ordinary tokens, of which two copies and a side's other tokens fit on every side."""
    special = special_ids(loaded.tokenizer)
    known = min(len(loaded.tokenizer), vocabulary(loaded.model))
    ordinary = [each for each in range(known) if each not in special]
    limits = ((positions.limit(loaded.model, name).count, more) for name, more in others.items())
    room = [(most - more) // 2 for most, more in limits if most is not None]
    length = min(LENGTH, len(ordinary), *room)
    if length < 1:
        name = sanitise(loaded.options.model)
        raise UserError(f"{name} reads too few tokens at once to be measured on repeated ones.")
    return random.Random(SEED).sample(ordinary, length)
