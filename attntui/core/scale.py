"""From weights to levels: which shade a weight gets, and which weight a shade stands for.

numpy is imported by the functions that need it: the first paint does not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Scale = Literal["linear", "sqrt", "log", "row"]
SCALES: tuple[Scale, ...] = ("linear", "sqrt", "log", "row")
LOG_FLOOR = 1e-4
"""Weights at or below this are the lowest level of the log scale."""

DESCRIPTIONS: dict[Scale, str] = {
    "linear": "shade grows with the weight",
    "sqrt": "shade grows with the weight's square root: small weights show",
    "log": f"shade grows with the weight's logarithm, from {LOG_FLOOR:g}",
    "row": "shade grows with the weight, each row's largest weight is brightest",
}


def brightness(
    weights: np.ndarray, scale: Scale, row_largest: np.ndarray | None = None
) -> np.ndarray:
    """Weights (..., keys) in [0, 1] as brightness in [0, 1]; NaN stays NaN.

    `row_largest` (..., 1) is used by the row scale; by default the largest of the given weights.
    """
    import numpy as np

    if scale == "linear":
        return weights
    if scale == "sqrt":
        return np.asarray(np.sqrt(weights))
    if scale == "log":
        return np.asarray(1 - np.log(np.clip(weights, LOG_FLOOR, 1)) / np.log(LOG_FLOOR))
    if row_largest is None:
        row_largest = np.fmax.reduce(weights, axis=-1, keepdims=True, initial=0.0)
    return np.asarray(weights / np.where(row_largest > 0, row_largest, 1))


def levels(bright: np.ndarray, count: int) -> np.ndarray:
    """Brightness as integers 0 ... count - 1, -1 for NaN.

    Level 0 is everything below the first visible shade, so a weight of exactly 0 is level 0.
    """
    import numpy as np

    steps = np.clip(np.floor(np.nan_to_num(bright) * count), 0, count - 1).astype(np.int16)
    return np.where(np.isnan(bright), np.int16(-1), steps)


def shown_levels(
    weights: np.ndarray,
    scale: Scale,
    count: int,
    zero: int = 0,
    row_largest: np.ndarray | None = None,
) -> np.ndarray:
    """Weights as levels 0 ... count - 1, -1 for NaN.

    With `zero` above 0, they are differences from -1 to 1, which have that level where they are
    next to nothing; of those the row scale is the linear one.
    """
    import numpy as np

    if not zero:
        return levels(brightness(weights, scale, row_largest), count)
    bright = brightness(np.abs(weights), "linear" if scale == "row" else scale)
    signs = np.sign(np.nan_to_num(weights)).astype(np.int16)
    shown = zero + signs * levels(bright, zero + 1)
    return np.where(np.isnan(weights), np.int16(-1), shown)


def signed_levels(values: np.ndarray, scale: Scale, reach: int) -> np.ndarray:
    """Values (...) of either sign as integers from `-reach` to `reach`, the largest at an end.

    Level 0 is everything below the first visible shade, as in `levels`.
    """
    import numpy as np

    largest = float(np.abs(values).max(initial=0.0))
    shares = np.abs(values) / (largest or 1.0)
    bright = brightness(shares, "linear" if scale == "row" else scale)
    return np.asarray(np.sign(values) * levels(bright, reach + 1)).astype(np.int16)


def weight_at(bright: float, scale: Scale) -> float | None:
    """The weight that has this brightness; None for the row scale, where each row has its own."""
    if scale == "linear":
        return bright
    if scale == "sqrt":
        return bright**2
    if scale == "log":
        return float(LOG_FLOOR ** (1 - bright))
    return None


def without_future(weights: np.ndarray, step: int = 1) -> np.ndarray:
    """Weights (rows, keys) from the first query and key on, each cell `step` x `step` tokens, with
    NaN where a causal model cannot look and does not."""
    import numpy as np

    down, across = weights.shape
    last_query = (np.arange(down) + 1) * step - 1
    future = np.arange(across) * step > last_query[:, None]
    return np.where(future & (weights == 0), np.float32(np.nan), weights)
