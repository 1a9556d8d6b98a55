"""The keys that a reading hides: special tokens, and attention sinks."""

import numpy as np
import torch
from torch import Tensor

from attntui.core.protocol import Hidden, SideInfo, Token
from attntui.engine.axis import Axis

SINK_WEIGHT = 0.3
"""A key is a sink above this mean received weight: Gu et al. 2024 (arXiv 2410.10781), for a head.

Taken here over all heads of all layers, so that what hides is the same for each of them.
"""


def hidden(run: int, keys: SideInfo, received: np.ndarray, axis: Axis) -> Hidden:
    """The keys that hide, as positions of an axis: a word hides with any of its tokens.

    Special tokens that were typed stay: [MASK] is what somebody asked about.

    `received` (keys) is what every token receives on average, see `patterns.Measured`.
    """
    special = axis.positions([at for at, token in enumerate(keys.tokens) if _is_added(token)])
    sinks = axis.positions(np.flatnonzero(received > SINK_WEIGHT).tolist())
    return Hidden(run, special, tuple(at for at in sinks if at not in set(special)))


def _is_added(token: Token) -> bool:
    """Whether a special token came from the tokenizer or a chat template, not from the text."""
    return token.special and token.part < 0


def columns(found: Hidden, axis: Axis) -> Tensor:
    """(positions) bool: the same, as a mask."""
    mask = torch.zeros(axis.count, dtype=torch.bool)
    mask[[*found.special, *found.sinks]] = True
    return mask
