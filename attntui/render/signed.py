"""Signed figures in columns: as many places as the largest of them needs."""

import math
from collections.abc import Iterable

FIGURES = 3
"""Significant figures of the largest value of a column."""


def places(values: Iterable[float]) -> int:
    """Decimal places that give the largest of the values three significant figures."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest == 0:
        return 2
    return min(max(FIGURES - 1 - math.floor(math.log10(largest)), 0), 6)


def signed(value: float, decimals: int) -> str:
    """`+0.88`, `-1.20`; never `-0.00`."""
    text = f"{value:+.{decimals}f}"
    return text if float(text) else f"{0.0:+.{decimals}f}"
