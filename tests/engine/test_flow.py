"""Attention flow against networkx's largest flows, one pair of tokens at a time."""

import numpy as np
import pytest
import torch

from attntui.core.errors import UserError
from attntui.core.protocol import Flow
from attntui.engine import run
from attntui.engine.layers import DenseLayer
from attntui.engine.stacks import Tower
from attntui.engine.views import Views
from tests.engine import families

networkx = pytest.importorskip("networkx")


def reference(layers: list[np.ndarray], residual: float) -> np.ndarray:
    """`layers`: (heads, n, n) each."""
    size = layers[0].shape[1]
    graph = networkx.DiGraph()
    for at, layer in enumerate(layers):
        fused = layer.mean(0).astype(np.float64)
        fused /= fused.sum(1, keepdims=True)
        fused = (1 - residual) * fused + residual * np.eye(size)
        for i, j in np.argwhere(fused > 0):
            graph.add_edge((at + 1, int(i)), (at, int(j)), capacity=float(fused[i, j]))
    found = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            if graph.has_node((0, j)):
                found[i, j] = networkx.maximum_flow_value(graph, (len(layers), i), (0, j))
    return found / found.sum(1, keepdims=True)


def planted(causal: bool, size: int, sharpness: float, seed: int) -> list[np.ndarray]:
    scores = np.random.default_rng(seed).normal(0, sharpness, (4, 3, size, size))
    weights = np.exp(scores) * (np.tri(size) if causal else 1)
    return list((weights / weights.sum(-1, keepdims=True)).astype(np.float32))


@pytest.mark.parametrize("residual", [0.5, 0.0, 0.9])
@pytest.mark.parametrize("sharpness", [0.5, 4.0])
@pytest.mark.parametrize("causal", [True, False])
def test_flow_equals_networkx(causal: bool, sharpness: float, residual: float) -> None:
    for seed in (0, 1):
        layers = planted(causal, 8, sharpness, seed)
        tower = Tower("self", tuple(DenseLayer(torch.from_numpy(layer)) for layer in layers))
        found = Views((tower,)).rows(Flow("self", residual), 0, 8)
        assert found.numpy() == pytest.approx(reference(layers, residual), abs=1e-6)


@pytest.mark.parametrize("name", ["llama", "bert", "gpt_oss"])
def test_flow_equals_networkx_on_models(name: str) -> None:
    loaded = families.build(name)
    traced = run.trace(loaded, families.prompt(loaded, tokens=9), 1)
    layers = [layer.rows(0, 9).numpy() for layer in traced.towers[0].present]
    found = traced.rows(Flow("self"), 0, 9)
    assert found == pytest.approx(reference(layers, 0.5), abs=1e-5)
    assert traced.rows(Flow("self"), 5, 7) == pytest.approx(found[5:7], abs=0)


def test_flow_says_where_it_is_none() -> None:
    loaded = families.build("bart")
    traced = run.trace(loaded, families.prompt(loaded, tokens=39), 1)
    assert traced.rows(Flow("decoder"), 0, 1).shape == (1, 27)
    with pytest.raises(UserError, match="same tokens"):
        traced.rows(Flow("cross"), 0, 1)
    with pytest.raises(UserError, match="between 0 and 1"):
        traced.rows(Flow("encoder", 2.0), 0, 1)
    loaded = families.build("gpt2")
    traced = run.trace(loaded, families.prompt(loaded, tokens=41), 1)
    with pytest.raises(UserError, match=r"40 tokens at most, and here are 41; rollout"):
        traced.rows(Flow("self"), 0, 1)
