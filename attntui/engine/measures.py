"""Numbers of a run that edits change: loss, log-probability, logit difference, divergence."""

import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import Measure
from attntui.core.tokens import sanitise
from attntui.engine.late_logits import LateLogits, Logits
from attntui.engine.model import LoadedModel
from attntui.engine.run import Run


def check(loaded: LoadedModel, run: Run, measure: Measure) -> None:
    """
    Raises:
        UserError: the run has no such number.
    """
    if loaded.predicts is None or run.logits is None:
        name = sanitise(loaded.options.model)
        raise UserError(f"{name} has no trained output head, so there is nothing to measure.")
    positions, vocabulary = _shape(run)
    if measure.kind == "loss":
        if loaded.predicts != "next":
            raise UserError("Only a model that predicts next tokens has a loss of its prompt.")
        if positions < 2:
            raise UserError("The loss of a prompt needs two tokens at least.")
        return
    if not 0 <= measure.position < positions:
        raise UserError(f"There is no position {measure.position}: 0 to {positions - 1}.")
    for token in (measure.token, measure.foil):
        if not 0 <= token < vocabulary:
            raise UserError(f"There is no output {token}: they are 0 to {vocabulary - 1}.")


def needed(run: Run, measure: Measure) -> list[int] | None:
    """The positions whose logits are needed; None: all."""
    return None if measure.kind == "loss" or _kept(run).shape[0] == 1 else [measure.position]


def value(run: Run, measure: Measure, logits: Tensor) -> Tensor:
    """(batch) float32, from the logits of runs (batch, `needed` positions, outputs)."""
    logits = logits.float()
    if measure.kind == "loss":
        side = run.encoded.sides[-1]  # a decoder's, where there is one
        ids = torch.tensor([token.id for token in side.tokens[1:]], device=logits.device)
        chances = torch.log_softmax(logits[:, :-1], dim=-1)
        return -chances.gather(-1, ids.expand(len(logits), -1)[..., None])[..., 0].mean(-1)
    last = logits[:, 0]
    if measure.kind == "logit_difference":
        return last[:, measure.token] - last[:, measure.foil]
    chances = torch.log_softmax(last, dim=-1)
    if measure.kind == "logprob":
        return chances[:, measure.token]
    before = torch.log_softmax(_kept(run)[measure.position].float(), dim=-1).to(chances.device)
    return (before.exp() * (before - chances)).sum(-1)


def _kept(run: Run) -> Logits:
    """(positions, outputs)"""
    assert run.logits is not None
    one = isinstance(run.logits, Tensor) and run.logits.ndim == 1
    return run.logits[None] if one else run.logits  # type: ignore[index]


def base_value(run: Run, measure: Measure) -> float:
    """The measure of the run itself."""
    where, kept = needed(run, measure), _kept(run)
    if where is None and isinstance(kept, LateLogits):
        return _loss(run, kept)
    logits = kept[:] if where is None else kept[where]
    return float(value(run, measure, logits[None])[0])


def _loss(run: Run, logits: LateLogits) -> float:
    """The loss of a prompt whose logits are never all there."""
    ids = torch.tensor([token.id for token in run.encoded.sides[-1].tokens[1:]])
    total, first = 0.0, 0
    for rows in logits.chunks():
        wanted = ids[first : first + len(rows)].to(rows.device)
        chances = torch.log_softmax(rows[: len(wanted)].float(), dim=-1)
        total -= float(chances.gather(-1, wanted[:, None]).double().sum())
        first += len(rows)
    return total / len(ids)


def _shape(run: Run) -> tuple[int, int]:
    kept = _kept(run)
    return kept.shape[0], kept.shape[1]
