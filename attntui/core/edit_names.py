"""Heads and edges as they are written on the command line and in Python."""

import re

from attntui.core.errors import UserError
from attntui.core.protocol import Cut, Head, Stack

_NUMBER = r"[0-9]{1,9}"
_STACK = r"(?:(self|encoder|decoder|cross)\.)?"
_HEAD = re.compile(rf"\s*{_STACK}({_NUMBER})\.({_NUMBER})\s*")
_CUT = re.compile(
    rf"\s*({_NUMBER}):({_NUMBER})@{_STACK}({_NUMBER})(?:-({_NUMBER}))?(?:\.({_NUMBER}))?\s*"
)


def heads_of(text: str) -> tuple[Head, ...]:
    """`5.1,6.2`, or in an encoder-decoder `cross.5.1`: layer and head, each once, in order.

    Raises:
        UserError: it is no list of heads.
    """
    found = [_HEAD.fullmatch(part) for part in text.split(",")]
    heads = {_head(match) for match in found if match}
    if not all(found):
        raise UserError(f"{text!r} is no list of heads such as 5.1,6.2 or cross.5.1.")
    return tuple(sorted(heads, key=lambda head: (head.stack, head.layer, head.head)))


def _head(match: re.Match[str]) -> Head:
    return Head(_stack(match[1]), int(match[2]), int(match[3]))


def cut_of(text: str) -> Cut:
    """`9:4@5.1`, `9:4@4-6` or `9:4@cross.5`: query and key, layers, one head or all.

    Raises:
        UserError: it is no edge.
    """
    match = _CUT.fullmatch(text)
    if match is None:
        raise UserError(
            f"{text!r} is no edge such as 9:4@5.1 (query 9, key 4, layer 5, head 1) or 9:4@4-6"
            " (layers 4 to 6, all heads)."
        )
    query, key, stack, first, last, head = match.groups()
    return Cut(
        _stack(stack),
        int(query),
        int(key),
        int(first),
        int(last or first),
        None if head is None else int(head),
    )


def _stack(name: str | None) -> Stack:
    return name or "self"  # type: ignore[return-value]  # the pattern knows the names


def head_name(head: Head) -> str:
    """`5.1`, `cross.5.1`."""
    return f"{_prefix(head.stack)}{head.layer}.{head.head}"


def cut_name(cut: Cut) -> str:
    """`9:4@5.1`, `9:4@4-6`, as `cut_of` reads it."""
    layers = f"{cut.first}" if cut.first == cut.last else f"{cut.first}-{cut.last}"
    head = "" if cut.head is None else f".{cut.head}"
    return f"{cut.query}:{cut.key}@{_prefix(cut.stack)}{layers}{head}"


def _prefix(stack: Stack) -> str:
    return "" if stack == "self" else f"{stack}."
