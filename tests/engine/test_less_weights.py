"""A lens less the weights that it is of, both as shares of their rows, against loops."""

from typing import Any

import numpy as np
import pytest
import torch

from attntui.core.errors import UserError
from attntui.core.protocol import (
    GetTop,
    GetWindow,
    Gradient,
    LessWeights,
    Norm,
    Reading,
    Rollout,
    Target,
    Top,
)
from attntui.engine import run
from attntui.engine.answers import answer
from tests.engine import families

TARGET = Target(9, 5)


def less(lens: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The definition, cell by cell."""
    found = np.zeros(weights.shape)
    for i, row in enumerate(lens):
        mine, theirs = sum(abs(each) for each in row), sum(weights[i])
        for j, value in enumerate(row):
            found[i, j] = (value / mine if mine else 0.0) - weights[i, j] / theirs
    return found


@pytest.mark.parametrize("name", ["gpt2", "gpt_oss"])
def test_gradients_less_the_eager_weights(name: str, work: Any) -> None:
    loaded = families.build(name)
    prompt = families.prompt(loaded, 12)
    base = run.trace(loaded, prompt, 1)
    reference = families.eager_outputs(loaded, prompt)
    weights = torch.stack(families.eager_attentions(reference)["self"]).numpy()

    def window(view: Any) -> np.ndarray:
        rows = GetWindow(1, view, (0, 12), (0, 12))
        return answer(loaded, base, rows, work)[1][0].astype(float)

    for head, own in ((1, weights[1, 1]), (None, weights[1].mean(0))):
        for lens in (Gradient("self", 1, head, TARGET), Norm("self", 1, head)):
            raw = window(lens)
            np.testing.assert_allclose(window(LessWeights(lens)), less(raw, own), atol=1e-5)
    rollout = np.eye(12)
    for layer in weights.mean(1):
        rollout = (0.5 * layer / layer.sum(-1, keepdims=True) + 0.5 * np.eye(12)) @ rollout
    found = window(LessWeights(Rollout("self")))
    np.testing.assert_allclose(found, less(rollout, weights.mean((0, 1))), atol=1e-5)
    assert np.abs(found).max() > 1e-2


def test_it_is_read_as_a_difference(work: Any) -> None:
    loaded = families.build("gpt2")
    base = run.trace(loaded, families.prompt(loaded, 12), 1)
    view = LessWeights(Norm("self", 1, 0))
    cells = answer(loaded, base, GetWindow(1, view, (0, 12), (0, 12)), work)[1][0]
    pooled = answer(loaded, base, GetWindow(1, view, (0, 12), (0, 12), 4, 4), work)[1][0]
    block = cells[8:12, :4]
    assert pooled[2, 0] == block.ravel()[np.abs(block).argmax()]
    top, _ = answer(loaded, base, GetTop(1, view, (11,), "attends_to", 3), work)
    assert isinstance(top, Top)
    assert [each.position for each in top.entries] == np.abs(cells[11]).argsort()[::-1][:3].tolist()
    with pytest.raises(UserError, match="these numbers have signs"):
        scaled = Reading(sinks="renormalise")
        answer(loaded, base, GetWindow(1, view, (0, 12), (0, 12), reading=scaled), work)
