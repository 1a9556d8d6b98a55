"""Two sentences: which queries and keys are not of those that are looked at."""

from typing import NamedTuple

import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.pairs import sentence_boundary
from attntui.core.protocol import Reading, SideInfo


class Apart(NamedTuple):
    """Positions outside of the sentences that are looked at."""

    queries: Tensor
    """(queries) bool, on the CPU."""
    keys: Tensor
    """(keys) bool, on the CPU."""


def apart(queries: SideInfo, keys: SideInfo, reading: Reading) -> Apart:
    """Of a stack's sides, by tokens or by words.

    Raises:
        UserError: there is one sentence only, or the keys are of another text than the queries.
    """
    units = keys.words if reading.words and keys.words else keys.tokens
    boundary = sentence_boundary(units)
    if boundary is None or queries.name != keys.name:
        raise UserError(f"{reading.between} needs two sentences that look at each other.")
    source, target = reading.between.split("-")
    is_second = torch.arange(len(units)) >= boundary
    return Apart(is_second == (source == "A"), is_second == (target == "A"))
