"""Going somewhere by name: a head such as 5.1, a token by a part of its text."""

from collections.abc import Sequence
from dataclasses import replace

from attntui.core.errors import UserError
from attntui.ui.state import Look, Unit


def find_token(tokens: Sequence[Unit], part: str, start: int, step: int) -> int | None:
    """The position of the next token that holds `part`, going round; None where none does.

    `step` is 1 or -1; with 0 the token at `start` itself is looked at first.
    """
    wish = part.casefold()
    if not wish:
        return None
    for distance in range(len(tokens)):
        at = (start + step + distance * (step or 1)) % len(tokens)
        if wish in tokens[at].text.casefold():
            return at
    return None


def find_head(look: Look, name: str) -> Look:
    """The look at a named head (`5.1`, or `5` for a layer).

    Raises:
        UserError: `name` names no head, or none of this model.
    """
    layer, dot, head = name.strip().partition(".")
    if not (layer.isdecimal() and (head.isdecimal() or not dot)):
        raise UserError(f"“{name}” is no head: write layer.head, such as 5.1.")
    wished = replace(look, layer=int(layer), head=int(head) if dot else look.head, lens="head")
    found = wished.settle()
    if (found.layer, found.head) != (wished.layer, wished.head):
        nearest = f"{found.layer}.{found.head}"
        raise UserError(f"There is no head {name} here; the nearest is {nearest}.")
    return found
