"""Rollout against ten lines of numpy."""

from itertools import product

import numpy as np
import pytest
import torch

from attntui.core.errors import UserError
from attntui.core.protocol import HeadFusion, Rollout
from attntui.engine import run
from attntui.engine.layers import DenseLayer
from attntui.engine.rollout import rollout
from attntui.engine.stacks import Tower
from tests.engine import families

FUSE = {"mean": np.mean, "max": np.max, "min": np.min}


def reference(layers: list[np.ndarray], view: Rollout, allowed: np.ndarray) -> np.ndarray:
    """`layers`: (heads, n, n) each; `allowed`: (n, n) bool."""
    joint = np.eye(len(allowed))
    for layer in layers[view.start_layer :]:
        fused = FUSE[view.head_fusion](layer, axis=0).astype(np.float64)
        if view.discard_ratio:
            small = fused < np.quantile(fused[allowed], view.discard_ratio)
            small[np.arange(len(fused)), fused.argmax(1)] = False
            fused[small] = 0
        fused /= fused.sum(1, keepdims=True)
        joint = ((1 - view.residual) * fused + view.residual * np.eye(len(fused))) @ joint
    return joint


def planted(causal: bool, size: int = 23) -> list[np.ndarray]:
    """Four layers of three random heads."""
    scores = np.random.default_rng(0).normal(0, 3, (4, 3, size, size)).astype(np.float32)
    weights = np.exp(scores) * (np.tri(size, dtype=np.float32) if causal else 1)
    return list((weights / weights.sum(-1, keepdims=True)).astype(np.float32))


OPTIONS = list(product((0.5, 0.0), (0, 2), (0.0, 0.3, 0.7, 0.9), ("mean", "max", "min")))


@pytest.mark.parametrize(("residual", "start", "ratio", "fusion"), OPTIONS)
@pytest.mark.parametrize("causal", [True, False])
def test_equals_numpy(
    residual: float, start: int, ratio: float, fusion: HeadFusion, causal: bool
) -> None:
    layers = planted(causal)
    tower = Tower("self", tuple(DenseLayer(torch.from_numpy(layer)) for layer in layers))
    view = Rollout("self", residual, start, fusion, ratio)
    allowed = np.tri(len(layers[0][0]), dtype=bool) if causal else np.ones_like(layers[0][0], bool)
    assert rollout(tower, view).numpy() == pytest.approx(reference(layers, view, allowed), abs=1e-6)


@pytest.mark.parametrize("name", ["llama", "bert", "gpt_oss", "mistral", "jamba"])
def test_equals_numpy_on_models(name: str) -> None:
    """Sinks' shares are taken out; hidden keys do not count for the quantile; gaps are skipped."""
    loaded = families.build(name)
    traced = run.trace(loaded, families.prompt(loaded), 1)
    tower = traced.towers[0]
    layers = [layer.rows(0, families.TOKENS).numpy() for layer in tower.present]
    for ratio in (0.0, 0.4):
        view = Rollout("self", 0.5, 0, "mean", ratio)
        # Every layer of these models hides the same keys, but for gpt_oss, whose windows differ.
        if ratio and name == "gpt_oss":
            continue
        expected = reference(layers, view, layers[0].max(0) > 0)
        found = traced.rows(view, 0, families.TOKENS)
        assert found == pytest.approx(expected, abs=1e-5)
        assert found.sum(1) == pytest.approx(1, abs=1e-5)


def test_without_residual_a_causal_model_drifts_to_the_first_token() -> None:
    tower = Tower("self", tuple(DenseLayer(torch.from_numpy(one)) for one in planted(True) * 6))
    assert rollout(tower, Rollout("self", residual=0.0))[:, 0].min() > 0.9


def test_encoder_and_decoder_but_not_cross() -> None:
    loaded = families.build("bart")
    traced = run.trace(loaded, families.prompt(loaded), 1)
    assert traced.rows(Rollout("encoder"), 0, 40).shape == (40, 40)
    assert traced.rows(Rollout("decoder"), 0, 27).shape == (27, 27)
    with pytest.raises(UserError, match="same tokens"):
        traced.rows(Rollout("cross"), 0, 1)


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        (Rollout("self", residual=1.5), "between 0 and 1"),
        (Rollout("self", start_layer=4), "0 to 3"),
        (Rollout("self", start_layer=-1), "0 to 3"),
        (Rollout("self", discard_ratio=1.0), "below 1"),
    ],
)
def test_options_out_of_range_are_named(view: Rollout, sentence: str) -> None:
    tower = Tower("self", tuple(DenseLayer(torch.from_numpy(layer)) for layer in planted(True)))
    with pytest.raises(UserError, match=sentence):
        rollout(tower, view)
