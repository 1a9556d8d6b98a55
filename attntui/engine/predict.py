"""What a model says at a position, from the logits that a run kept."""

from typing import Any

import numpy as np
import torch

from attntui.core.errors import UserError
from attntui.core.protocol import Prediction, Predictions
from attntui.core.tokens import sanitise, whole_text
from attntui.engine.model import LoadedModel
from attntui.engine.pieces import texts
from attntui.engine.run import Run

WHAT = {"next": "next token", "masked": "token in this place", "classes": "class"}


def predictions(loaded: LoadedModel, run: Run, position: int, count: int) -> Predictions:
    """The `count` likeliest outputs at a position (for a decoder: the decoder's).

    Raises:
        UserError: the model predicts nothing, or there is no such position.
    """
    logits = _logits(loaded, run)
    if logits.ndim == 2:
        _check_range(position, position + 1, logits.shape[0])
        logits = logits[position]
    assert loaded.predicts is not None
    return Predictions(
        run.number, position, WHAT[loaded.predicts], likeliest(loaded, logits, count)
    )


def likeliest(loaded: LoadedModel, logits: torch.Tensor, count: int) -> tuple[Prediction, ...]:
    """The `count` likeliest of some logits (outputs)."""
    row = logits.float()
    largest = torch.topk(row, min(max(count, 0), row.shape[0]))
    chances = torch.softmax(row, dim=-1)[largest.indices]
    ids = largest.indices.tolist()
    return tuple(
        Prediction(text, token, chance, logit)
        for text, token, chance, logit in zip(
            named(loaded, ids), ids, chances.tolist(), largest.values.tolist(), strict=True
        )
    )


def logits(loaded: LoadedModel, run: Run, start: int, stop: int) -> np.ndarray:
    """Logits of positions start to stop (positions, vocabulary or classes) float32.

    Where a model classifies the whole text, every position has the same.

    Raises:
        UserError: the model predicts nothing, or there are no such positions.
    """
    kept = _logits(loaded, run)
    if kept.ndim == 1:
        _check_range(start, stop, len(run.encoded.sides[-1].tokens))
        return np.tile(kept.float().cpu().numpy(), (stop - start, 1))
    _check_range(start, stop, kept.shape[0])
    return kept[start:stop].float().cpu().numpy()


def _logits(loaded: LoadedModel, run: Run) -> torch.Tensor:
    if loaded.predicts is None or run.logits is None:
        name = sanitise(loaded.options.model)
        raise UserError(f"{name} has no trained output head, so it predicts nothing.")
    kept: torch.Tensor = run.logits
    return kept


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
