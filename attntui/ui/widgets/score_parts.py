"""One query's scores, each taken apart into what makes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attntui.core.protocol import GetScores, Scores

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ScoreParts:
    """What the engine answered: `query` (size), `keys` (keys, size), `scores` and `weights` (keys).

    Keys are counted as in the run; those of `request.keys` are here.
    """

    request: GetScores
    reply: Scores
    query: np.ndarray
    keys: np.ndarray
    scores: np.ndarray
    weights: np.ndarray

    def holds(self, key: int) -> bool:
        first, stop = self.request.keys
        return first <= key < stop

    def key(self, key: int) -> np.ndarray:
        """(size,): k of a key."""
        found: np.ndarray = self.keys[key - self.request.keys[0]]
        return found

    def score(self, key: int) -> float:
        """What the softmax takes; -inf where the mask hides the key."""
        return float(self.scores[key - self.request.keys[0]])

    def weight(self, key: int) -> float:
        return float(self.weights[key - self.request.keys[0]])

    def products(self, key: int) -> np.ndarray:
        """(size,): what each dimension adds to q · k, in float64."""
        found: np.ndarray = self.query.astype("float64") * self.key(key)
        return found

    def steps(self, key: int) -> list[tuple[str, float]]:
        """The way from q · k to the score: what is done, and what comes of it."""
        product = float(self.products(key).sum())
        value = product * self.reply.scaling
        steps = [("q · k", product), (f"× scale {self.reply.scaling:.4g}", value)]
        if self.reply.softcap is not None:
            value = self.reply.softcap * math.tanh(value / self.reply.softcap)
            steps.append((f"capped at {self.reply.softcap:g}", value))
        score = self.score(key)
        if self.reply.has_bias and math.isfinite(score):
            sign = "+" if score >= value else "-"
            steps.append((f"{sign} bias {abs(score - value):.4g}", score))
        return steps
