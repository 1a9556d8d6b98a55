"""Lists of layers and heads: `all`, or numbers and ranges such as `0,3-5`."""

import re
from collections.abc import Sequence

from attntui.core.errors import UserError

Selection = tuple[tuple[int, int], ...] | None
"""Ranges with both ends; None is all of them."""

_ITEM = re.compile(r"\s*([0-9]{1,9})\s*(?:-\s*([0-9]{1,9})\s*)?")


def parse_selection(text: str, option: str) -> Selection:
    """
    Raises:
        UserError: `text` is no such list.
    """
    if text.strip() == "all":
        return None
    ranges = []
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise UserError(f"{option} {text!r} is neither all nor a list such as 0,3-5.")
        first, last = match[1], match[2] or match[1]
        if int(first) > int(last):
            backwards = f"{option} {text!r} has a range that runs backwards"
            raise UserError(f"{backwards}: write {last}-{first}.")
        ranges.append((int(first), int(last)))
    return tuple(ranges)


def choose(selection: Selection, count: int, what: str, owner: str) -> list[int]:
    """The selected numbers below `count`, in order, each once.

    Raises:
        UserError: one of them is not below `count`; the sentence names `what` and `owner`.
    """
    if selection is None:
        return list(range(count))
    largest = max(last for _, last in selection)
    if largest >= count:
        extent = f"{what}s 0 to {count - 1}" if count > 1 else f"one {what}, number 0"
        raise UserError(f"There is no {what} {largest}: {owner} has {extent}.")
    return sorted({number for first, last in selection for number in range(first, last + 1)})


def spread(count: int, total: int) -> list[int]:
    """`count` of the numbers below `total`, the first and the last among them, evenly apart."""
    steps = max(1, count - 1)
    return sorted({round(at * (total - 1) / steps) for at in range(min(count, total))})


def describe(numbers: Sequence[int]) -> str:
    """Numbers as a list that `parse_selection` reads: `0,3-5`."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
