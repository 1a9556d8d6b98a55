"""Head patterns against planted matrices and a short numpy reference."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from attntui.core.protocol import STATISTICS, Stack, Statistic
from attntui.engine import layers, run
from attntui.engine.layers import DenseLayer
from attntui.engine.model import Cancelled
from attntui.engine.patterns import statistic
from attntui.engine.stacks import Tower
from tests.engine import families


def reference(weights: np.ndarray, ids: list[int], name: str) -> float:
    """The score of one head (n, n), by loops."""
    scores = []
    for i in range(len(ids)):
        if name == "previous":
            found = [i - 1] if i else []
        else:
            found = [j for j in range(1, i + 1) if ids[j - 1] == ids[i]]
        if found:
            scores.append(sum(weights[i, j] for j in found))
    return float(np.mean(scores)) if scores else float("nan")


def score(
    weights: np.ndarray, ids: list[int], name: Statistic, stack: Stack = "self"
) -> np.ndarray:
    tower = Tower(stack, (DenseLayer(torch.tensor(weights, dtype=torch.float32)), None))
    return statistic(tower, name, torch.tensor(ids))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(0, 1000), st.booleans())
def test_equal_loops(ids: list[int], seed: int, causal: bool) -> None:
    weights = np.random.default_rng(seed).random((2, len(ids), len(ids)))
    weights = weights * (np.tri(len(ids)) if causal else 1)
    weights /= weights.sum(-1, keepdims=True)
    for name in ("previous", "induction"):
        found = score(weights, ids, name)
        assert_allclose(found[0], [reference(head, ids, name) for head in weights], atol=1e-6)
        assert np.isnan(found[1]).all()  # the layer without attention


def test_planted_heads_score_one() -> None:
    """A repeated sequence: each second copy looks at what followed the first."""
    ids = [9, *range(4), *range(4)]
    size = len(ids)
    previous, induction = np.zeros((size, size)), np.zeros((size, size))
    for i in range(size):
        previous[i, max(i - 1, 0)] = 1
        induction[i, i - 3 if i > 4 else 0] = 1
    assert score(np.stack([previous, induction]), ids, "previous")[0] == pytest.approx([1, 0.125])
    assert score(np.stack([previous, induction]), ids, "induction")[0] == pytest.approx([0, 1])


def test_the_diagonal_counts_where_a_token_is_doubled() -> None:
    """ "A A": the key after the earlier A is the second A itself."""
    assert score(np.eye(2)[None], [5, 5], "induction")[0] == pytest.approx(1)


def test_no_eligible_row_is_no_number() -> None:
    assert np.isnan(score(np.eye(3)[None], [1, 2, 3], "induction")).all()
    assert np.isnan(score(np.ones((1, 1, 1)), [1], "previous")).all()


def test_cross_attention_has_no_positions_in_common() -> None:
    assert np.isnan(score(np.ones((1, 3, 3)) / 3, [1, 1, 1], "induction", "cross")).all()


@pytest.mark.parametrize("name", ["gpt2", "mistral", "bart"])
def test_equal_loops_on_models(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In tiles of a few rows, so that scores are put together from several."""
    monkeypatch.setattr(layers, "TILE_WEIGHTS", 4 * 40 * 7)
    loaded = families.build(name)
    traced = run.trace(loaded, families.prompt(loaded), 1)
    for stack, tower in zip(traced.stacks, traced.towers, strict=True):
        for pattern in ("previous", "induction"):
            found = traced.statistics(stack.name)[0][STATISTICS.index(pattern)]
            if stack.name == "cross":
                assert np.isnan(found).all()
                continue
            side = next(side for side in traced.encoded.sides if side.name == stack.queries)
            ids = [token.id for token in side.tokens]
            for row, layer in zip(found, tower.present, strict=True):
                heads = layer.rows(0, layer.queries).numpy()
                assert_allclose(row, [reference(h, ids, pattern) for h in heads], atol=1e-5)


def test_progress_and_cancel() -> None:
    loaded = families.build("llama")
    traced = run.trace(loaded, families.prompt(loaded), 1)
    seen: list[tuple[str, int, int]] = []
    traced.statistics("self", progress=lambda *report: seen.append(report))
    assert seen[:3] == [("previous", layer, 3) for layer in range(3)]

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        traced.statistics("self", check_cancel=cancel)
