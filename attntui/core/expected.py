"""How well a model expected a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def standing(logits: np.ndarray, token: int) -> tuple[float, int]:
    """The probability of a token under logits (outputs), and its rank, 1 for the likeliest."""
    import numpy as np

    row = logits.astype(np.float64)
    chances = np.exp(row - row.max())
    return float(chances[token] / chances.sum()), 1 + int((row > row[token]).sum())
