"""Two sentences: what one gives the other under every reading, against matrices read by loops."""

from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.testing import assert_allclose

from attntui.core.errors import UserError
from attntui.core.protocol import (
    BETWEEN,
    Direction,
    GetMaps,
    GetTop,
    GetWindow,
    Head,
    Mean,
    Reading,
    Rollout,
    SideInfo,
    Stack,
    View,
)
from attntui.engine import hidden, run
from attntui.engine.model import Encoded
from attntui.engine.run import Run
from attntui.engine.tops import tops
from attntui.engine.windows import cell_map, maps, shares, window
from tests.engine import readings
from tests.engine.readings import READINGS
from tests.engine.test_reading import pooled

SECOND = 23
"""The token with which B begins; the words of the readings' runs begin there, too."""
ABOVE = 0.12
"""More than this few keys of these random models receive."""
PAIRS = [replace(one, between=pair) for one in READINGS for pair in BETWEEN[1:]]
CASES: list[tuple[str, View]] = [
    ("bert", Head("self", 0, 1)),
    ("gpt_oss", Mean("self", 1)),
    ("bart", Head("encoder", 1, 0)),
]


@pytest.fixture(autouse=True)
def sinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "SINK_WEIGHT", ABOVE)


@cache
def traced(name: str) -> Run:
    """A run whose tokens from SECOND on are a second sentence's, but for special ones."""
    found = readings.traced(name)
    encoded = Encoded(found.encoded.inputs, tuple(map(_paired, found.encoded.sides)))
    return run.Run(
        1, encoded, found.towers, found.trust, 0, 0, found.logits, separators=found.separators
    )


def _paired(side: SideInfo) -> SideInfo:
    tokens = tuple(
        replace(token, part=1) if at >= SECOND and token.part == 0 else token
        for at, token in enumerate(side.tokens)
    )
    words = tuple(replace(word, part=tokens[word.first].part) for word in side.words)
    return replace(side, tokens=tokens, words=words)


@cache
def expected(name: str, view: View, reading: Reading) -> tuple[np.ndarray, np.ndarray]:
    """The matrix of both sentences as it is read, and the cells of those looked at."""
    whole = replace(reading, between="all")
    weights, _, _ = readings.read(traced(name), view, whole, ABOVE)
    spans = readings.spans(traced(name).sides(view.stack)[1], reading.words)
    second = ["B" if span[0] >= SECOND else "A" for span in spans]
    source, target = reading.between.split("-")
    inside = [[q == source and k == target for k in second] for q in second]
    return weights, np.array(inside)


def test_the_words_begin_with_the_sentence() -> None:
    firsts = [span[0] for span in readings.spans(traced("bert").sides("self")[1], True)]
    assert SECOND in firsts


@pytest.mark.parametrize("reading", PAIRS, ids=str)
@pytest.mark.parametrize(("name", "view"), CASES, ids=str)
def test_windows_show_nothing_of_the_others(name: str, view: View, reading: Reading) -> None:
    weights, inside = expected(name, view, reading)
    kept = np.where(inside, weights, np.nan)
    reader = traced(name).reader(view.stack, reading)
    rows, keys = (0, len(kept)), (3, kept.shape[1])
    for steps in ((1, 1), (4, 3), (50, 50)):
        for pooling in ("max", "mean"):
            request = GetWindow(1, view, rows, keys, *steps, pooling, reading)
            found = window(reader, request)[1][0]
            assert_allclose(found, pooled(kept[:, 3:], *steps, pooling), atol=2e-6)
    assert not np.isnan(kept).all()


@pytest.mark.parametrize("reading", PAIRS, ids=str)
def test_maps_and_cells_of_every_head(reading: Reading) -> None:
    reader = traced("bert").reader("self", reading)
    found = maps(
        reader,
        traced("bert").views.layer("self", 1),
        GetMaps(1, "self", 1, 3, 5, "mean", reading),
    )
    for head, one in enumerate(found):
        weights, inside = expected("bert", Head("self", 1, head), reading)
        kept = np.where(inside, weights, np.nan)
        assert_allclose(one, pooled(kept, 3, 5, "mean"), atol=2e-6)
        for query, key in ((2, 3), (2, 14), (14, 3), (14, 15)):
            assert_allclose(cell_map(reader, query, key)[1, head], kept[query, key], atol=2e-6)


@pytest.mark.parametrize("reading", PAIRS, ids=str)
@pytest.mark.parametrize(("name", "view"), CASES, ids=str)
def test_shares_are_what_the_queries_give(name: str, view: View, reading: Reading) -> None:
    found = shares(traced(name).reader(view.stack, reading))
    for layer, row in enumerate(found):
        for head, share in enumerate(row):
            weights, inside = expected(name, Head(view.stack, layer, head), reading)
            queries = inside.any(1)
            gave = np.nansum(np.where(inside, weights, 0)[queries], axis=1)
            assert share == pytest.approx(gave.mean(), abs=2e-6)


@pytest.mark.parametrize("direction", ["attends_to", "attended_by"])
@pytest.mark.parametrize("reading", PAIRS, ids=str)
@pytest.mark.parametrize(("name", "view"), CASES, ids=str)
def test_tops_say_what_goes_elsewhere(
    name: str, view: View, reading: Reading, direction: Direction
) -> None:
    weights, inside = expected(name, view, reading)
    across, inside = (weights, inside) if direction == "attends_to" else (weights.T, inside.T)
    for positions in ((4,), (15,), (4, 15, 2)):
        request = GetTop(1, view, positions, direction, 3, reading)
        found = tops(traced(name).reader(view.stack, reading), request)
        rows = np.nan_to_num(across[list(positions)])
        total = (rows * inside[list(positions)]).sum(0)
        order = [at for at in np.argsort(-total, kind="stable") if total[at] > 0][:3]
        assert [entry.position for entry in found.entries] == order
        assert_allclose([entry.weight for entry in found.entries], total[order], atol=5e-6)
        assert found.elsewhere == pytest.approx(rows.sum() - total.sum(), abs=1e-5)
        assert found.rest == pytest.approx(total.sum() - total[order].sum(), abs=1e-5)


def test_rollout_is_kept_apart_like_any_matrix() -> None:
    reading, view = Reading(between="B-A"), Rollout("self")
    reader = traced("bert").reader("self", reading)
    found = window(reader, GetWindow(1, view, (0, 40), (0, 40), reading=reading))[1][0]
    plain = traced("bert").rows(view, 0, 40)
    assert_allclose(found[SECOND:, :SECOND], plain[SECOND:, :SECOND], atol=1e-6)
    assert np.isnan(found[:SECOND]).all() and np.isnan(found[:, SECOND:]).all()


@pytest.mark.parametrize(("name", "stack"), [("bert", "self"), ("bart", "cross")])
def test_one_sentence_crosses_nothing(name: str, stack: Stack) -> None:
    found = readings.traced(name) if stack == "self" else traced(name)
    with pytest.raises(UserError, match="A-B needs two sentences"):
        found.reader(stack, Reading(between="A-B"))
