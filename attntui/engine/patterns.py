"""How much of a known pattern is in each head: previous token, induction.

Only rows that can show a pattern count: TransformerLens divides by all rows, and a perfect
induction head on a repeated sequence then scores below a half.
"""

import numpy as np
import torch
from torch import Tensor

from attntui.core.protocol import STATISTICS, Statistic
from attntui.engine.forward import CheckCancel, Report, never, silent
from attntui.engine.layers import Layer, tiles
from attntui.engine.stacks import SIDES, Tower


def statistics(
    tower: Tower, ids: Tensor, check_cancel: CheckCancel = never, progress: Report = silent
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Every statistic of every head (statistics, layers, heads), and how many rows each counts."""
    nothing = np.full((len(tower.layers), tower.heads), np.nan, np.float32)
    found = {
        name: statistic(tower, name, ids, check_cancel, progress)
        for name in ("previous", "induction")
    }
    scores = np.stack([found.get(name, nothing) for name in STATISTICS])
    return scores, (0,) * len(STATISTICS)


def statistic(
    tower: Tower,
    name: Statistic,
    ids: Tensor,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> np.ndarray:
    """A score of every head: (layers, heads) float32, NaN where no row is eligible.

    `ids` (queries) are the stack's token ids. Scores are in [0, 1]: the mean over eligible rows of
    the weight on the pattern's targets. NaN throughout where keys are other tokens than queries.
    """
    scores = np.full((len(tower.layers), tower.heads), np.nan, np.float32)
    if SIDES[tower.name][0] != SIDES[tower.name][1]:
        return scores
    for number, layer in enumerate(tower.layers):
        progress(name, number, len(tower.layers))
        if layer is not None:
            scores[number, : layer.info.heads] = _score(layer, name, ids, check_cancel)
    return scores


def targets(name: Statistic, ids: Tensor, start: int, stop: int) -> Tensor:
    """(rows, keys) bool: the keys that the pattern points to.

    previous: j = i - 1. induction: the key after an earlier copy of the query's token,
    ids[j - 1] = ids[i] and j <= i.
    """
    query = torch.arange(start, stop, device=ids.device)[:, None]
    key = torch.arange(len(ids), device=ids.device)
    if name == "previous":
        return key == query - 1
    return (ids.roll(1) == ids[start:stop, None]) & (key >= 1) & (key <= query)


def _score(layer: Layer, name: Statistic, ids: Tensor, check_cancel: CheckCancel) -> np.ndarray:
    """(heads): the mean over eligible rows of the weight on their targets."""
    total = torch.zeros(layer.info.heads, dtype=torch.float64)
    eligible = 0
    for start, stop in tiles(layer, layer.info.heads):
        check_cancel()
        wanted = targets(name, ids, start, stop)
        some = wanted.any(1)
        if not bool(some.any()):
            continue
        rows = layer.rows(start, stop)
        total += (rows * wanted.to(rows.device)).sum((1, 2)).double().cpu()
        eligible += int(some.sum())
    return (total / eligible if eligible else total * np.nan).numpy()
