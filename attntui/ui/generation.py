"""How many tokens the model shall add, and how they are chosen, as one line of text."""

import re
from dataclasses import dataclass, field
from typing import Any

from attntui.core.errors import UserError
from attntui.core.protocol import Sampling
from attntui.core.sampling import sampling_of
from attntui.render.names import sampling_name

EXAMPLE = "20 temperature 0.8 top-k 40 top-p 0.9 seed 1"
NAMES = {
    "temperature": ("temperature", "temp", "t"),
    "top_k": ("topk", "k"),
    "top_p": ("topp", "p"),
    "seed": ("seed", "s"),
}
WHOLE = ("top_k", "seed")
_FIELDS = {name: field for field, names in NAMES.items() for name in names}


@dataclass(frozen=True)
class Order:
    """So many tokens, chosen so."""

    count: int = 20
    sampling: Sampling = field(default_factory=Sampling)

    @property
    def text(self) -> str:
        """The line that gives this order again."""
        return " ".join([str(self.count), *sampling_name(self.sampling)])


def order_of(text: str) -> Order:
    """The order that a line gives: `20`, `20 temperature 0.8 top-k 40 top-p 0.9 seed 1`.

    An order that draws tokens and names no seed gets one.

    Raises:
        UserError: it cannot be read.
    """
    count, given = Order().count, dict[str, Any]()
    joined = re.sub(r"top[-_ ]?([kp])\b", r"top\1", text.casefold().strip())
    parts = iter(filter(None, re.split(r"[\s=,:]+", joined)))
    for part in parts:
        field = _FIELDS.get(part)
        if field is not None:
            given[field] = _number(next(parts, ""), field in WHOLE, f" for {part}")
        elif part == "greedy":
            given.clear()
        elif part not in {"token", "tokens"}:
            count = int(_number(part, True))
    return Order(count, sampling_of(**given))


def _number(text: str, whole: bool, what: str = "") -> float:
    try:
        return int(text) if whole and len(text) < 16 else float(text if not whole else "")
    except ValueError:
        sort = "whole number" if whole else "number"
        raise UserError(f"“{text}” is no {sort}{what}: write it as in {EXAMPLE}.") from None
