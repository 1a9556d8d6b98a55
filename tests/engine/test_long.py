"""A text of 1,024 tokens, read in parts, against transformers' own whole matrices.

Nothing that is read in parts may hold a whole matrix, so everything here is made of tiles; the
reference is eager attention, all of it at once.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from numpy.testing import assert_allclose

from attntui.core import costs
from attntui.core.errors import UserError
from attntui.core.protocol import (
    STATISTICS,
    GetMaps,
    GetTop,
    GetWindow,
    Head,
    Mean,
    Reading,
    Rollout,
    View,
)
from attntui.engine import rollout, run, views, windows
from attntui.engine.run import Run
from attntui.engine.tops import tops
from tests.engine import families

TOKENS, WINDOW = 1024, 100
MODELS = ["llama", "mistral", "bert", "modernbert"]
"""Full causal, a sliding window, an encoder, and an encoder with windows."""
STEPS = (48, 100)
"""Rows and keys of a cell: neither divides the text."""


class Long(NamedTuple):
    run: Run
    dense: np.ndarray
    """(layers, heads, n, n) float64, by transformers' eager attention."""


@cache
def long(name: str) -> Long:
    model, config, options = families.FAMILIES[name]
    more = {"max_position_embeddings": TOKENS, "num_hidden_layers": 2}
    windows = {"sliding_window": WINDOW, "local_attention": WINDOW}
    more |= {key: value for key, value in windows.items() if key in options}
    loaded = families.load(model, config, {**options, **more})
    prompt = families.prompt(loaded, TOKENS)
    eager = families.eager_attentions(families.eager_outputs(loaded, prompt))["self"]
    return Long(run.trace(loaded, prompt, 1), torch.stack(eager).double().numpy())


def pooled(matrix: np.ndarray, steps: tuple[int, int], pooling: str) -> np.ndarray:
    reduce = np.max if pooling == "max" else np.mean
    starts = [range(0, size, step) for size, step in zip(matrix.shape, steps, strict=True)]
    return np.array(
        [[reduce(matrix[a : a + steps[0], b : b + steps[1]]) for b in starts[1]] for a in starts[0]]
    )


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["as it is", "a few rows a tile"])
def few_rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of fewer rows than a cell has, as there are at 32,768 tokens."""
    if request.param != "as it is":
        monkeypatch.setattr("attntui.engine.layers.TILE_WEIGHTS", 7 * TOKENS)


@pytest.mark.usefixtures("few_rows")
def test_windows_are_parts_of_the_whole(model: str) -> None:
    found, dense = long(model)
    reader = found.reader("self", Reading())
    wanted: list[tuple[View, np.ndarray]] = [
        (Head("self", 1, 3), dense[1, 3]),
        (Mean("self", 0), dense[0].mean(0)),
        (Mean("self"), dense.mean((0, 1))),
    ]
    for view, whole in wanted:
        _, (part,) = windows.window(reader, GetWindow(1, view, (500, 700), (333, 999)))
        assert_allclose(part, whole[500:700, 333:999], atol=1e-5)


@pytest.mark.usefixtures("few_rows")
@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_pooled_windows_are_pools_of_the_whole(model: str, pooling: str) -> None:
    found, dense = long(model)
    reader = found.reader("self", Reading())
    request = GetWindow(1, Head("self", 1, 1), (0, TOKENS), (0, TOKENS), *STEPS, pooling)  # type: ignore[arg-type]
    _, (cells,) = windows.window(reader, request)
    assert_allclose(cells, pooled(dense[1, 1], STEPS, pooling), atol=1e-5)
    layer = found.views.layer("self", 0)
    maps = windows.maps(reader, layer, GetMaps(1, "self", 0, *STEPS, pooling))  # type: ignore[arg-type]
    for head, each in enumerate(maps):
        assert_allclose(each, pooled(dense[0, head], STEPS, pooling), atol=1e-5)


def test_a_sample_pools_the_middle_rows_of_each_cell(model: str) -> None:
    found, dense = long(model)
    request = GetWindow(1, Head("self", 0, 2), (0, TOKENS), (0, TOKENS), *STEPS, sampled=4)
    _, (cells,) = windows.window(found.reader("self", Reading()), request)
    starts = [at + (min(STEPS[0], TOKENS - at) - 4) // 2 for at in range(0, TOKENS, STEPS[0])]
    expected = [pooled(dense[0, 2, at : at + 4], (4, STEPS[1]), "max")[0] for at in starts]
    assert_allclose(cells, expected, atol=1e-5)


@pytest.mark.parametrize("residual", [0.5, 0.2])
def test_rows_of_a_rollout_need_no_matrix(
    model: str, residual: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, dense = long(model)
    monkeypatch.setattr(views, "MOST_JOINT", 512)
    monkeypatch.setattr(rollout, "fuse", None)
    joint = np.eye(TOKENS)
    for layer in dense:
        joint = ((1 - residual) * layer.mean(0) + residual * np.eye(TOKENS)) @ joint
    view = Rollout("self", residual)
    for rows in ((TOKENS - 1, TOKENS), (200, 290), (0, 1)):
        assert_allclose(found.views.rows(view, *rows), joint[slice(*rows)], atol=1e-5)


def test_a_column_of_a_long_rollout_is_refused(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = long(model)
    monkeypatch.setattr(costs, "MOST_JOINT", 512)
    request = GetTop(1, Rollout("self"), (5,), "attended_by", 4)
    with pytest.raises(UserError, match="beyond 8,192 tokens, look at rows"):
        tops(found.reader("self", Reading()), request)
    tops(found.reader("self", Reading()), replace(request, view=Mean("self")))


def test_statistics_of_tiles_are_those_of_the_whole(model: str) -> None:
    found, dense = long(model)
    scores = dict(zip(STATISTICS, found.measured("self").scores, strict=True))
    n = np.arange(TOKENS)
    ids = np.array([token.id for token in found.encoded.sides[0].tokens])
    seen = (dense > 0).any(1)
    far = np.abs(n[:, None] - n)
    logs = np.log2(np.where(dense > 0, dense, 1))
    assert_allclose(scores["entropy_bits"], -(dense * logs).sum(-1).mean(-1), rtol=1e-5)
    assert_allclose(scores["largest"], dense.max(-1).mean(-1), atol=1e-5)
    assert_allclose(scores["self"], dense[:, :, n, n].mean(-1), atol=1e-5)
    assert_allclose(scores["previous"], dense[:, :, n[1:], n[:-1]].mean(-1), atol=1e-5)
    reached = (dense * far).sum((-1, -2)) / dense.sum((-1, -2))
    assert_allclose(scores["distance"], reached, rtol=1e-5)
    same = (ids[:, None] == ids) & (n < n[:, None])
    for number, allowed in enumerate(seen):
        rows = (same & allowed).any(-1)
        weight = (dense[number] * same)[:, rows].sum(-1).mean(-1)
        assert_allclose(scores["duplicate"][number], weight, atol=1e-5)
        received = dense[number].sum(1) / allowed.sum(0)
        assert_allclose(scores["sink"][number], received[:, allowed.sum(0) >= 4].max(-1), atol=1e-5)
