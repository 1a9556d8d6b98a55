"""What a model says at a position, from the logits that a run kept."""

from typing import Any

import numpy as np
import torch
from msgspec.structs import replace

from attntui.core.errors import UserError
from attntui.core.matching import UNMATCHED, counterparts
from attntui.core.protocol import GetPredictions, Prediction, Predictions
from attntui.core.tokens import sanitise, whole_text
from attntui.engine.late_logits import Logits, logits_at
from attntui.engine.model import LoadedModel, title
from attntui.engine.outputs import same_outputs
from attntui.engine.pieces import texts
from attntui.engine.run import Run

WHAT = {"next": "next token", "masked": "token in this place", "classes": "class"}


def predictions(
    loaded: LoadedModel, run: Run, request: GetPredictions, before: Run | None = None
) -> Predictions:
    """The likeliest outputs at a position (for a decoder: the decoder's), as the request says.

    Raises:
        UserError: the model predicts nothing, or there is no such position.
    """
    row, what = _row(loaded, run, request.position), WHAT[loaded.predicts or "next"]
    alone = Predictions(
        run.number,
        request.position,
        what,
        likeliest(loaded, row, request.count),
        came=_came(loaded, run, request.position, row),
    )
    if before is None:
        return alone
    theirs = loaded if before.again is None else before.again.loaded
    if not same_outputs(loaded, theirs):
        why = f"{title(loaded)} and {title(theirs)} have other outputs, so each stands alone."
        return replace(alone, apart=why)
    place = _counterpart(run, before, request.position)
    if place == UNMATCHED:
        return replace(alone, apart="This token has no counterpart in the run before.")
    other = _row(theirs, before, place).to(row.device)
    chances, chances_before = torch.softmax(row, dim=-1), torch.softmax(other, dim=-1)
    ids = _largest(torch.maximum(chances, chances_before), request.count)
    entries = _entries(loaded, ids, chances, row, chances_before, other)
    logs = torch.log_softmax(other, dim=-1) - torch.log_softmax(row, dim=-1)
    divergence = max(0.0, float((chances_before * logs).sum()))
    token, other_token = (
        each.encoded.sides[-1].tokens[at] for each, at in ((run, request.position), (before, place))
    )
    beside = None if token.text == other_token.text else (place, other_token.text)
    return replace(alone, entries=entries, divergence=divergence, beside=beside)


def _came(loaded: LoadedModel, run: Run, position: int, row: torch.Tensor) -> Prediction | None:
    """The token after a position, as it was predicted there; None where there is none, or no model
    of the next token."""
    tokens = run.encoded.sides[-1].tokens[position + 1 : position + 2]
    if loaded.predicts != "next" or not tokens or tokens[0].id >= row.shape[-1]:
        return None
    ids = torch.tensor([tokens[0].id])
    return _entries(loaded, ids, torch.softmax(row, dim=-1), row)[0]


def _counterpart(run: Run, before: Run, position: int) -> int:
    """The position of the other run's token that stands beside one of this run; -1: none does."""
    tokens, others = (each.encoded.sides[-1].tokens for each in (run, before))
    _check_range(position, position + 1, len(tokens))
    return int(counterparts(tokens, others)[position])


def _row(loaded: LoadedModel, run: Run, position: int) -> torch.Tensor:
    """(outputs) float32 logits at a position."""
    logits = _logits(loaded, run)
    if logits.ndim == 2:
        _check_range(position, position + 1, logits.shape[0])
    return logits_at(logits, position).float()


def likeliest(loaded: LoadedModel, logits: torch.Tensor, count: int) -> tuple[Prediction, ...]:
    """The `count` likeliest of some logits (outputs)."""
    row = logits.float()
    chances = torch.softmax(row, dim=-1)
    ids = _largest(chances, count)
    return _entries(loaded, ids, chances, row)


def _largest(chances: torch.Tensor, count: int) -> torch.Tensor:
    return torch.topk(chances, min(max(count, 0), chances.shape[0])).indices


def _entries(
    loaded: LoadedModel, ids: torch.Tensor, *columns: torch.Tensor
) -> tuple[Prediction, ...]:
    """Predictions of some outputs, from their columns as `Prediction` has them."""
    numbers = ids.tolist()
    rows = zip(
        named(loaded, numbers), numbers, *(each[ids].tolist() for each in columns), strict=True
    )
    return tuple(Prediction(*row) for row in rows)


def logits(loaded: LoadedModel, run: Run, start: int, stop: int) -> np.ndarray:
    """Logits of positions start to stop (positions, vocabulary or classes) float32.

    Where a model classifies the whole text, every position has the same.

    Raises:
        UserError: the model predicts nothing, or there are no such positions.
    """
    kept = _logits(loaded, run)
    if isinstance(kept, torch.Tensor) and kept.ndim == 1:
        _check_range(start, stop, len(run.encoded.sides[-1].tokens))
        return np.tile(kept.float().cpu().numpy(), (stop - start, 1))
    _check_range(start, stop, kept.shape[0])
    return kept[start:stop].float().cpu().numpy()


def _logits(loaded: LoadedModel, run: Run) -> Logits:
    if loaded.predicts is None or run.logits is None:
        name = sanitise(loaded.options.model)
        raise UserError(f"{name} has no trained output head, so it predicts nothing.")
    return run.logits


def _check_range(start: int, stop: int, count: int) -> None:
    if not 0 <= start < stop <= count:
        raise UserError(
            f"There is no position {max(start, stop - 1)}: they go from 0 to {count - 1}."
        )


def named(loaded: LoadedModel, ids: list[int]) -> list[str]:
    if loaded.predicts != "classes":
        return texts(loaded.tokenizer, ids)
    labels: dict[Any, str] = getattr(loaded.model.config, "id2label", None) or {}
    return [whole_text(str(labels.get(each, f"class {each}"))) for each in ids]
