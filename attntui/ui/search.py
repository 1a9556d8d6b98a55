"""Going somewhere by name: a head such as 5.1, a token by its number or a part of the text."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from attntui.core.errors import UserError
from attntui.core.protocol import Word
from attntui.ui.state import Look


def matches(look: Look, part: str) -> list[int]:
    """The positions of the queries in which `part` begins; it may go on into the tokens after."""
    texts = _texts(look)
    ends = list(accumulate(map(len, texts)))
    return sorted({bisect_right(ends, at) for at in _places("".join(texts), part.casefold())})


def nearest(found: Sequence[int], query: int, step: int) -> int | None:
    """The place in `found` of the match after a query (`step` 1) or before it (-1), going round;
    with 0 of one at the query itself, or after it. None where there is none."""
    if not found:
        return None
    if step < 0:
        return (bisect_left(found, query) - 1) % len(found)
    return (bisect_right(found, query) if step else bisect_left(found, query)) % len(found)


def _texts(look: Look) -> list[str]:
    """What each query adds to the text, the white space before it included."""
    side = look.side("queries")
    if side is None:
        return []
    firsts = [unit.first if isinstance(unit, Word) else at for at, unit in enumerate(look.queries)]
    return [
        (side.tokens[first].gap + unit.text).casefold()
        for first, unit in zip(firsts, look.queries, strict=True)
    ]


def _places(text: str, part: str) -> Iterator[int]:
    """Where `part` begins, overlapping ones included."""
    at = text.find(part) if part else -1
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def find_position(look: Look, name: str) -> Look:
    """The look at a row by its number, written `#1234`.

    Raises:
        UserError: there is no such row.
    """
    digits, last = name.strip().removeprefix("#"), len(look.queries) - 1
    if not (digits.isdecimal() and int(digits) <= last):
        unit = "word" if look.words else "token"
        raise UserError(f"“{name}” is no {unit} here: they are #0 to #{last}.")
    return replace(look, query=int(digits))


def find_head(look: Look, name: str) -> Look:
    """The look at a named head (`5.1`, or `5` for a layer).

    Raises:
        UserError: `name` names no head, or none of this model.
    """
    layer, dot, head = name.strip().partition(".")
    if not (layer.isdecimal() and (head.isdecimal() or not dot)):
        raise UserError(f"“{name}” is no head: write layer.head, such as 5.1, or #12 for a token.")
    wished = replace(look, layer=int(layer), head=int(head) if dot else look.head, lens="head")
    found = wished.settle()
    if (found.layer, found.head) != (wished.layer, wished.head):
        nearest = f"{found.layer}.{found.head}"
        raise UserError(f"There is no head {name} here; the nearest is {nearest}.")
    return found
