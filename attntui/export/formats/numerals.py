"""Weights as decimal numbers."""

from collections.abc import Iterable

import numpy as np


def numerals(row: np.ndarray, nan: str) -> Iterable[str]:
    """Float32 values as text that reads back as the same float32 (9 digits always do)."""
    if np.isfinite(row).all():
        return ["%.9g" % weight for weight in row.tolist()]  # noqa: UP031
    return ["%.9g" % weight if np.isfinite(weight) else nan for weight in row.tolist()]  # noqa: UP031
