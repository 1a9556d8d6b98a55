"""Head statistics against planted matrices and a reference of loops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from attntui.core.protocol import SIDES, STATISTICS, SideInfo, Stack, Token
from attntui.engine import layers, run
from attntui.engine.capture import Call
from attntui.engine.layers import DenseLayer, RecordedLayer
from attntui.engine.masks import TensorMask
from attntui.engine.model import Cancelled, Encoded
from attntui.engine.patterns import Measured, measure
from attntui.engine.stacks import Tower
from attntui.engine.targets import Text
from tests.engine import families

Score = tuple[float, int]


def reference(
    weights: np.ndarray, seen: np.ndarray, text: Text, share: np.ndarray | None = None
) -> dict[str, Score]:
    """The scores of one head (n, m), each with how many rows count; `share` is a learned sink's."""
    queries, keys = weights.shape
    rows = [i for i in range(queries) if seen[i].any()]
    ids = None if text.ids is None else text.ids.tolist()

    def bits(i: int) -> float:
        outcomes = [*weights[i], *([] if share is None else [share[i]])]
        return -sum(each * math.log2(each) for each in outcomes if each > 0)

    found: dict[str, list[float]] = {name: [] for name in STATISTICS}
    for i in rows:
        found["entropy_bits"].append(bits(i))
        found["largest"].append(max(weights[i]))
        wanted = {
            "first": [0] if i else [],
            "separator": [j for j in range(keys) if text.separator[j]],
            "punctuation": [j for j in range(keys) if text.punctuation[j]],
        }
        if ids is not None:
            wanted["self"] = [i]
            wanted["previous"] = [i - 1] if i else []
            wanted["duplicate"] = [j for j in range(i) if ids[j] == ids[i]]
            wanted["induction"] = [j for j in range(1, i + 1) if ids[j - 1] == ids[i]]
        for name, some in wanted.items():
            if any(seen[i, j] for j in some):
                found[name].append(sum(weights[i, j] for j in some))
    scores = {name: (float(np.mean(each)), len(each)) for name, each in found.items() if each}
    received = [
        np.mean([weights[i, j] for i in range(queries) if seen[i, j]])
        for j in range(keys)
        if seen[:, j].sum() >= 4
    ]
    if received:
        scores["sink"] = float(max(received)), len(rows)
    if ids is not None and rows:
        apart = sum(weights[i, j] * abs(i - j) for i in rows for j in range(keys))
        scores["distance"] = apart / weights.sum(), len(rows)
    return {name: scores.get(name, (math.nan, 0)) for name in STATISTICS}


def text(
    ids: list[int], separator: tuple[int, ...] = (), punctuation: tuple[int, ...] = ()
) -> Text:
    marks = [
        torch.tensor([at in some for at in range(len(ids))]) for some in (separator, punctuation)
    ]
    return Text(torch.tensor(ids), *marks)


def measured(weights: np.ndarray, read: Text, stack: Stack = "self") -> Measured:
    """The statistics of one layer of planted heads (heads, n, n), before a layer without any."""
    tower = Tower(stack, (DenseLayer(torch.tensor(weights, dtype=torch.float32)), None))
    return measure(tower, read)


def scores(found: Measured, name: str) -> np.ndarray:
    """A statistic's scores in the first layer."""
    return np.asarray(found.scores[STATISTICS.index(name), 0])  # type: ignore[arg-type]


def check(found: Measured, layer: int, heads: np.ndarray, expected: list[dict[str, Score]]) -> None:
    for at, name in enumerate(STATISTICS):
        wanted = [each[name][0] for each in expected]
        assert_allclose(found.scores[at, layer, : len(heads)], wanted, atol=2e-5, err_msg=name)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=12),
    st.integers(0, 1000),
    st.booleans(),
    st.integers(20, 2000),
)
def test_equal_loops(ids: list[int], seed: int, causal: bool, tile: int) -> None:
    generator = np.random.default_rng(seed)
    size = len(ids)
    seen = np.tri(size, dtype=bool) if causal else np.ones((size, size), bool)
    weights = generator.random((2, size, size)) * seen
    weights /= weights.sum(-1, keepdims=True)
    read = Text(torch.tensor(ids), *torch.tensor(generator.random((2, size)) > 0.7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "TILE_WEIGHTS", tile)
        found = measured(weights, read)
    expected = [reference(head, seen, read) for head in weights]
    check(found, 0, weights, expected)
    assert found.eligible == tuple(rows for _, rows in expected[0].values())
    assert np.isnan(found.scores[:, 1]).all()  # the layer without attention


def planted(ids: list[int], target: dict[int, int]) -> np.ndarray:
    """(n, n): each query looks at its target, or else at the first token, and nowhere else."""
    weights = np.zeros((len(ids), len(ids)))
    for i in range(len(ids)):
        weights[i, target.get(i, 0)] = 1
    return weights


def test_planted_heads_score_exactly_one() -> None:
    """Repeated tokens of which each second copy looks back, among rows that cannot."""
    ids = [99, *range(30), *range(30)]
    later = range(31, 61)
    heads = {
        "previous": planted(ids, {i: i - 1 for i in range(1, 61)}),
        "induction": planted(ids, {i: i - 29 for i in later}),
        "duplicate": planted(ids, {i: i - 30 for i in later}),
        "self": np.eye(61),
        "first": planted(ids, {}),
        "separator": planted(ids, dict.fromkeys(range(20, 61), 20)),
        "punctuation": planted(ids, dict.fromkeys(range(7, 61), 7)),
    }
    found = measured(np.stack(list(heads.values())), text(ids, separator=(20,), punctuation=(7,)))
    rows = dict(zip(STATISTICS, found.eligible, strict=True))
    for head, name in enumerate(heads):
        assert scores(found, name)[head] == 1.0, name
        assert (np.delete(scores(found, name), head) < 1).all(), name
    assert rows == {
        **dict.fromkeys(("entropy_bits", "sink", "self", "distance", "largest"), 61),
        **dict.fromkeys(("previous", "first"), 60),
        **dict.fromkeys(("induction", "duplicate"), 30),
        "separator": 41,
        "punctuation": 54,
    }
    assert scores(found, "distance")[0] == pytest.approx(60 / 61)
    assert (scores(found, "largest") == 1).all() and (scores(found, "entropy_bits") == 0).all()


def test_sink_is_the_best_received_key_that_four_queries_see() -> None:
    weights = np.eye(6) / 2
    weights[:, 2] += 0.5  # and the last key has 1.0 of the one query that sees it
    found = measured(np.tril(weights)[None], text(list(range(6))))
    assert scores(found, "sink") == pytest.approx([(1 + 3 * 0.5) / 4])
    assert found.received[:3] == pytest.approx([0.5 / 6, 0.5 / 5, 2.5 / 4])
    assert np.isnan(found.received[3:]).all()
    assert np.isnan(scores(measured(np.tril(np.ones((1, 3, 3))), text([1, 2, 3])), "sink")).all()


def test_entropy_of_an_even_spread() -> None:
    found = measured(np.full((1, 8, 8), 1 / 8), text(list(range(8))))
    assert scores(found, "entropy_bits") == pytest.approx([3])


def test_the_diagonal_counts_where_a_token_is_doubled() -> None:
    """ "A A": the key after the earlier A is the second A itself."""
    assert scores(measured(np.eye(2)[None], text([5, 5])), "induction") == 1


def test_a_row_that_sees_nothing_does_not_count() -> None:
    mask = torch.ones(1, 1, 5, 5, dtype=torch.bool)
    mask[0, 0, 2] = False
    query, key = torch.zeros(2, 1, 3, 5, 8)
    layer = RecordedLayer(Call(query, key, key, TensorMask(mask), scaling=1.0))
    found = measure(Tower("self", (layer,)), text([1] * 5))
    assert found.eligible == (4, 4, 4, 3, 3, 3, 3, 0, 0, 4, 4)
    assert scores(found, "largest") == pytest.approx([1 / 5] * 3)
    assert scores(found, "sink") == pytest.approx([1 / 5] * 3)


def test_a_broken_head_has_no_number() -> None:
    weights = np.stack([np.eye(3), np.full((3, 3), np.nan)])
    found = measured(weights, text([1, 1, 1]))
    assert not np.isnan(found.scores[:, 0, 0][[0, 2, 3, 4, 5, 6]]).any()
    assert np.isnan(found.scores[:, 0, 1]).all()


FAMILIES = ["gpt2", "bert", "mistral", "gpt_oss", "llama4", "jamba", "bart", "bloom", "modernbert"]


def marked(prompt: Encoded) -> Encoded:
    """A prompt of which some tokens are punctuation."""
    sides = tuple(
        SideInfo(
            side.name,
            tuple(Token(one.id, "," if one.id % 9 == 4 else "a") for one in side.tokens),
        )
        for side in prompt.sides
    )
    return Encoded(prompt.inputs, sides)


@pytest.mark.parametrize("name", FAMILIES)
def test_equal_loops_on_models(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows, chunks, learned sinks, gaps and cross-attention, put together from small tiles."""
    monkeypatch.setattr(layers, "TILE_WEIGHTS", 12 * 40 * 7)
    loaded = families.build(name)
    traced = run.trace(loaded, marked(families.prompt(loaded)), 1)
    separator = traced.encoded.sides[0].tokens[10].id
    traced.separators = frozenset({separator})
    by_name = {side.name: side.tokens for side in traced.encoded.sides}
    for tower in traced.towers:
        queries, keys = (by_name[side] for side in SIDES[tower.name])
        read = Text(
            None if tower.name == "cross" else torch.tensor([token.id for token in keys]),
            torch.tensor([at > 0 and token.id == separator for at, token in enumerate(keys)]),
            torch.tensor([token.id % 9 == 4 for token in keys]),
        )
        found = traced.measured(tower.name)
        counts = []
        for number, layer in enumerate(tower.layers):
            if layer is None:
                assert np.isnan(found.scores[:, number]).all()
                continue
            heads = layer.rows(0, len(queries)).numpy()
            seen = heads.max(0) > 0
            sinks = layer.sinks(0, len(queries))
            shares = [None] * len(heads) if sinks is None else list(sinks.numpy())
            expected = [
                reference(head, seen, read, share)
                for head, share in zip(heads, shares, strict=True)
            ]
            check(found, number, heads, expected)
            counts.append([rows for _, rows in expected[0].values()])
        assert found.eligible == tuple(np.max(counts, 0))
        if tower.name == "cross":
            gone = {name for name, rows in zip(STATISTICS, found.eligible, strict=True) if not rows}
            assert gone == {"self", "previous", "duplicate", "induction", "distance"}


def test_progress_cancel_and_once() -> None:
    loaded = families.build("llama")
    traced = run.trace(loaded, families.prompt(loaded), 1)
    seen: list[tuple[str, int, int]] = []

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        traced.measured("self", check_cancel=cancel)
    found = traced.measured("self", progress=lambda *report: seen.append(report))
    assert seen == [("statistics", layer, 3) for layer in range(3)]
    assert traced.measured("self", check_cancel=cancel) is found
