"""A ranked list: labels, positions, numbers and bars."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from attntui.core.protocol import Token, Top, Word
from attntui.core.tokens import visible

EIGHTHS = " ▏▎▍▌▋▊▉"
LABEL_LEAST, LABEL_LIMIT = 4, 16
MOST_PLACES = 6
NOTHING = 0.5 * 10**-MOST_PLACES
"""Less than this is 0 with that many places."""


@dataclass(frozen=True)
class Entry:
    """A line: a label made safe, its position (None for predictions), its share of 1.

    `before` is the share in the run that this one is compared with; a share may be a difference.
    """

    label: str
    position: int | None
    share: float
    before: float | None = None
    is_difference: bool = False
    largest: float = 1.0
    """What the longest bar stands for."""
    places: int = 3
    """After the point."""

    @property
    def figures(self) -> str:
        """`0.831`, `0.998→0.520`, or `+0.519` of a difference."""
        before = "" if self.before is None else f"{self.before:.{self.places}f}→"
        return f"{before}{self.share:{'+' if self.is_difference else ''}.{self.places}f}"


def places(weight: float, least: int) -> int:
    """Places after the point for two figures of a weight, at least so many.

    Of 32,768 tokens an even weight is 0.000031.
    """
    size = abs(weight)
    if not NOTHING <= size < 0.1:
        return least
    return max(least, min(MOST_PLACES, 1 - math.floor(math.log10(size))))


def bar(share: float, width: int) -> str:
    """A bar of `width` columns for a share of 1, in eighths of a column."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, part = divmod(eighths, 8)
    return ("█" * full + EIGHTHS[part].strip()).ljust(width)


def label_room(entries: Sequence[Entry], most: int = LABEL_LIMIT) -> int:
    """Columns for the labels of a list, at most `most`, but never none."""
    longest = max((cell_len(entry.label) for entry in entries), default=1)
    return max(LABEL_LEAST, min(longest, LABEL_LIMIT, most))


def top_entries(
    top: Top, units: Sequence[Token | Word], is_difference: bool = False, is_share: bool = True
) -> tuple[tuple[Entry, ...], str]:
    """Lines of a top-attended list, and what is left beside them."""
    most = max((abs(entry.weight) for entry in top.entries), default=1.0)
    largest = max(1.0, most) if is_share else most
    entries = tuple(
        Entry(
            visible(units[entry.position].text),
            entry.position,
            entry.weight,
            is_difference=is_difference,
            largest=largest,
            places=places(most, 3),
        )
        for entry in top.entries
    )
    notes = ["no difference"] if is_difference and not entries else []
    if top.sink > 0:
        notes.append(f"learned sink {top.sink:.3f}")
    if top.hidden >= 0.0005:
        notes.append(f"hidden {top.hidden:.3f}")
    if top.elsewhere >= 0.0005:
        notes.append(f"elsewhere {top.elsewhere:.3f}")
    if top.rest >= 0.0005:
        notes.append(f"all others {top.rest:.3f}")
    return entries, " · ".join(notes)
