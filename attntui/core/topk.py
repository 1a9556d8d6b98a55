"""The largest weights of a row."""

import numpy as np


def top(weights: np.ndarray, count: int) -> list[tuple[int, float]]:
    """Positions and weights of the `count` of `weights` (n) furthest from 0, largest first.

    Of differences, which may be below 0, the largest are those furthest from 0. Equal weights keep
    the order of their positions. NaN and zero weights are never listed.
    """
    weights = np.where(np.isnan(weights), 0.0, weights)
    order = np.argsort(-np.abs(weights), kind="stable")[:count]
    return [(int(at), float(weights[at])) for at in order if weights[at]]
