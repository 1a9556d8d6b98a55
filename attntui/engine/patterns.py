"""What kind of head each head is: every statistic of every head, in one pass over the weights.

Only rows that can show a pattern count, that is, whose mask lets them see a target of it:
TransformerLens divides by all rows, and a perfect induction head on a repeated sequence then scores
below a half.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from attntui.core.protocol import STATISTICS, Statistic
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.layers import Layer, some_heads, tiles
from attntui.engine.stacks import Tower
from attntui.engine.targets import PATTERNS, Text, targets

SEERS = 4
"""Queries that must see a key before its mean weight counts: the mean of one or two is chance."""


@dataclass(frozen=True, eq=False)
class Measured:
    """The statistics of a stack's heads."""

    scores: np.ndarray
    """(statistics, layers, heads) float32 in the order of `STATISTICS`, NaN where no row counts."""
    eligible: tuple[int, ...]
    """How many rows count for each statistic, in the layer where most do: windows hide some."""
    received: np.ndarray
    """(keys) float64: the mean weight a key receives from the queries that see it, over all heads;
    NaN where fewer than `SEERS` see it."""


def measure(
    tower: Tower, text: Text, check_cancel: CheckCancel = never, progress: Report = silent
) -> Measured:
    """Every statistic of every head.

    entropy_bits: mean over rows of -Σ w log2 w, a learned sink's weight being one outcome more.
    sink: the largest over keys of the mean weight received from the queries that see the key, of
    which there must be `SEERS` (Gu et al. 2024, arXiv 2410.10781); a learned sink is no key.
    distance: Σ w |i - j| / Σ w, in tokens (Vig & Belinkov 2019). largest: mean over rows of the
    largest weight on a key. Patterns: mean over eligible rows of the weight on `targets`.
    """
    sums = [None if layer is None else Sums(layer) for layer in tower.layers]
    matrices = tower.heads + len(PATTERNS) + 1  # with those that weights are multiplied by
    ranges = list(tiles(tower.present[0], matrices))
    for done, (start, stop) in enumerate(ranges):
        pointed = targets(text, start, stop)
        counted = torch.cat([pointed.float(), _distances(text, start, stop)[None]])
        for number, (layer, each) in enumerate(zip(tower.layers, sums, strict=True)):
            check_cancel()
            progress("statistics", done * len(sums) + number, len(ranges) * len(sums))
            if layer is not None and each is not None:
                # Stays where it is while the layers are on one device.
                pointed, counted = pointed.to(layer.device), counted.to(layer.device)
                each.add(layer, (start, stop), pointed, counted, check_cancel)
    return _measured(tower, [each for each in sums if each is not None], text.ids is not None)


class Sums:
    """One layer's sums over the rows so far; float64 on the CPU."""

    def __init__(self, layer: Layer) -> None:
        heads = layer.info.heads
        self.rows = 0
        self.weights = torch.zeros(heads, len(PATTERNS) + 3, dtype=torch.float64)
        """On the targets of each pattern; then weight x distance, entropy in nats, largest."""
        self.eligible = torch.zeros(len(PATTERNS), dtype=torch.int64)
        self.received = torch.zeros(heads, layer.keys, dtype=torch.float64)
        self.seers = torch.zeros(layer.keys, dtype=torch.int64)

    def add(
        self,
        layer: Layer,
        rows: tuple[int, int],
        pointed: Tensor,
        counted: Tensor,
        check_cancel: CheckCancel = never,
    ) -> None:
        """Add a range of rows. `counted` (patterns and distance, rows, keys) multiplies weights."""

        def sums(layer: Layer, heads: slice) -> Tensor:
            """(heads, patterns + 3 + keys): as in `weights`, then in `received`."""
            weights = layer.rows(*rows, heads)
            entropy = torch.special.entr(weights).sum((1, 2))
            if layer.learned_sink:
                entropy += torch.special.entr((1 - weights.sum(-1)).clamp_min(0)).sum(-1)
            largest = weights.amax(-1).sum(-1)
            products = weights.flatten(1) @ counted.flatten(1).T
            return torch.column_stack([products, entropy, largest, weights.sum(1)])

        for heads in some_heads(layer, rows):
            check_cancel()
            found = layer.of_heads(sums, heads).cpu()
            self.weights[heads] += found[:, : self.weights.shape[1]]
            self.received[heads] += found[:, self.weights.shape[1] :]
        seen = layer.allowed(*rows)
        self.seers += seen.sum(0).cpu()
        self.eligible += (pointed & seen).amax(-1).sum(-1).cpu()  # any() is five times slower
        self.rows += int(seen.any(-1).sum())

    def means(self) -> Tensor:
        """(heads, keys): the mean weight a key receives, NaN where too few queries see it."""
        means = self.received / self.seers
        means[:, self.seers < SEERS] = torch.nan
        return means

    def scores(self, same: bool) -> dict[Statistic, tuple[Tensor, int]]:
        """Each statistic (heads) and its eligible rows, `sink` left out where no key has one.

        `same`: queries and keys are one text.
        """
        *pointed, distance, entropy, largest = self.weights.T
        counts = self.eligible.tolist()
        found = {
            name: (weight / count, count)
            for name, weight, count in zip(PATTERNS, pointed, counts, strict=True)
        }
        found["entropy_bits"] = entropy / self.rows / math.log(2), self.rows
        found["largest"] = largest / self.rows, self.rows
        found["distance"] = distance / self.received.sum(-1), self.rows if same else 0
        some = self.seers >= SEERS
        if some.any():
            found["sink"] = self.means()[:, some].amax(-1), self.rows
        return found


def _measured(tower: Tower, sums: list[Sums], same: bool) -> Measured:
    scores = np.full((len(STATISTICS), len(tower.layers), tower.heads), np.nan, np.float32)
    eligible = dict.fromkeys(STATISTICS, 0)
    present = [number for number, layer in enumerate(tower.layers) if layer is not None]
    for number, each in zip(present, sums, strict=True):
        for name, (values, rows) in each.scores(same).items():
            eligible[name] = max(eligible[name], rows)
            if rows:
                scores[STATISTICS.index(name), number, : len(values)] = values.numpy()
    received = torch.cat([each.means() for each in sums]).nanmean(0)
    return Measured(scores, tuple(eligible.values()), received.numpy())


def _distances(text: Text, start: int, stop: int) -> Tensor:
    """(rows, keys) float32: |i - j|."""
    rows = torch.arange(start, stop, dtype=torch.float32)
    return (rows[:, None] - torch.arange(len(text.separator))).abs()
