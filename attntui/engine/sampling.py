"""Which token comes next: the likeliest, or one drawn."""

import math

import numpy as np
import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import Sampling


def check(sampling: Sampling) -> None:
    """
    Raises:
        UserError: an option is out of range.
    """
    temperature, top_k, top_p = sampling.temperature, sampling.top_k, sampling.top_p
    if temperature is not None and not (0 < temperature < math.inf):
        raise UserError(f"A temperature of {temperature:g} is none: it is above 0, such as 0.8.")
    if top_k is not None and top_k < 1:
        raise UserError(f"top-k {top_k} keeps no token: it is 1 or more.")
    if top_p is not None and not 0 < top_p <= 1:
        raise UserError(f"top-p {top_p:g} is no share: it is above 0, and at most 1.")
    if sampling.seed < 0:
        raise UserError(f"The seed {sampling.seed} is below 0.")


def choose(logits: Tensor, sampling: Sampling, position: int) -> int:
    """The token for a position, of the logits (vocabulary) before it."""
    if sampling.temperature is None:
        return int(logits.argmax())
    shares = distribution(logits, sampling)
    ids = shares.argsort(descending=True, stable=True)
    reached = shares[ids].cumsum(0)
    drawn = np.random.default_rng((sampling.seed, position)).random() * float(reached[-1])
    return int(ids[min(int((reached <= drawn).sum()), int((shares > 0).sum()) - 1)])


def distribution(logits: Tensor, sampling: Sampling) -> Tensor:
    """(vocabulary) float64 on the CPU: how likely each token is drawn, see `Sampling`."""
    assert sampling.temperature is not None
    scores = logits.double().cpu() / sampling.temperature
    ids = scores.argsort(descending=True, stable=True)
    if sampling.top_k is not None:
        scores[ids[sampling.top_k :]] = -torch.inf
    if sampling.top_p is not None:
        shares = scores[ids].softmax(0)
        before = shares.cumsum(0) - shares
        left_out = before >= sampling.top_p
        left_out[0] = False
        scores[ids[left_out]] = -torch.inf
    return scores.softmax(0)
