"""Windows, maps, cells and tops under every reading, against matrices read by loops."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from attntui.core.errors import UserError
from attntui.core.protocol import (
    Chosen,
    Direction,
    GetMaps,
    GetTop,
    GetWindow,
    Head,
    Hidden,
    Mean,
    Pooling,
    Reading,
    Rollout,
    Stack,
    View,
)
from attntui.engine import hidden, layers, run
from attntui.engine.reading import Reader
from attntui.engine.run import Run
from attntui.engine.tops import tops
from attntui.engine.windows import cell_map, maps, window
from tests.engine import families, readings
from tests.engine.readings import READINGS

ABOVE: dict[tuple[str, Stack], float] = {
    ("gpt_oss", "self"): 0.12,
    ("bert", "self"): 0.035,
    ("bart", "encoder"): 0.04,
    ("bart", "decoder"): 0.09,
    ("bart", "cross"): 0.033,
}
"""Random models have no real sinks: some keys, but not many, receive more than this."""
VIEWS: dict[str, list[View]] = {
    "gpt_oss": [
        Head("self", 1, 3),
        Mean("self", 2),
        Mean("self"),
        Chosen("self", ((0, 1), (2, 3), (1, 0))),
    ],
    "bert": [Head("self", 0, 1), Mean("self")],
    "bart": [Head("cross", 2, 0), Mean("decoder"), Chosen("encoder", ((1, 1),))],
}
CASES = [(name, view) for name, views in VIEWS.items() for view in views]

traced = cache(readings.traced)


def reader_of(name: str, stack: Stack, reading: Reading) -> Reader:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hidden, "SINK_WEIGHT", ABOVE[name, stack])
        return traced(name).reader(stack, reading)


@cache
def expected(name: str, view: View, reading: Reading) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return readings.read(traced(name), view, reading, ABOVE[name, view.stack])


def look(name: str, view: View, reading: Reading, **more: object) -> dict[str, np.ndarray]:
    """A window over everything, or the part that is asked for."""
    reader = reader_of(name, view.stack, reading)
    queries, keys = reader.shape
    asked = {"rows": (0, queries), "keys": (0, keys), "reading": reading, **more}
    names, arrays = window(reader, GetWindow(1, view, **asked))  # type: ignore[arg-type]
    return dict(zip(names, arrays, strict=True))


@pytest.mark.parametrize("reading", READINGS, ids=str)
@pytest.mark.parametrize(("name", "view"), CASES, ids=str)
def test_everything_equals_loops(name: str, view: View, reading: Reading) -> None:
    weights, sink, hides = expected(name, view, reading)
    found = look(name, view, reading)
    assert_allclose(found["weights"], weights, atol=1e-6)
    assert ("sink" in found) is (name == "gpt_oss")
    assert ("hidden" in found) is (reading.sinks != "show")
    if "sink" in found:
        assert_allclose(found["sink"], sink, atol=2e-6)
    if "hidden" in found:
        assert_allclose(found["hidden"], hides, atol=1e-6)
        assert np.isnan(found["weights"]).any() and not np.isnan(found["weights"]).all()
    sums = np.nansum(found["weights"], axis=1) + found.get("sink", 0)
    if reading.sinks == "hide":
        sums += found["hidden"]
    # A causal model's first rows may have nothing left.
    assert_allclose(sums[hides < 1 - 1e-6], 1, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(CASES),
    st.sampled_from(READINGS),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.sampled_from(["max", "mean"]),
    st.sampled_from([1, 200, 2**24]),
)
def test_windows_equal_pooling_by_loops(
    case: tuple[str, View],
    reading: Reading,
    ends: list[float],
    steps: tuple[int, int],
    pooling: Pooling,
    tile: int,
) -> None:
    weights, sink, hides = expected(*case, reading)
    (start, stop), (first, last) = (
        sorted(int(end * size) for end in pair)
        for pair, size in zip((ends[:2], ends[2:]), weights.shape, strict=True)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "TILE_WEIGHTS", tile)
        found = look(
            *case,
            reading,
            rows=(start, stop),
            keys=(first, last),
            row_step=steps[0],
            key_step=steps[1],
            pooling=pooling,
        )
    part = weights[start:stop, first:last]
    assert found["weights"].dtype == np.float32
    assert_allclose(found["weights"], pooled(part, *steps, pooling), atol=2e-6)
    for name, whole in (("sink", sink), ("hidden", hides)):
        if name in found:
            shares = pooled(whole[start:stop, None], steps[0], 1, pooling)
            assert_allclose(found[name], shares[:, 0], atol=2e-6)


def pooled(weights: np.ndarray, row_step: int, key_step: int, pooling: Pooling) -> np.ndarray:
    """In cells, by loops; what hides (NaN) does not count, and a cell of such alone is NaN."""
    rows, keys = (
        range(0, size, step) for size, step in zip(weights.shape, (row_step, key_step), strict=True)
    )
    found = np.full((len(rows), len(keys)), np.nan)
    for y, row in enumerate(rows):
        for x, key in enumerate(keys):
            part = weights[row : row + row_step, key : key + key_step]
            some = part[~np.isnan(part)]
            if some.size:
                found[y, x] = some.max() if pooling == "max" else some.mean()
    return found


@pytest.mark.parametrize("reading", READINGS, ids=str)
@pytest.mark.parametrize("stack", ["encoder", "decoder", "cross"])
def test_maps_are_pooled_windows_of_every_head(
    stack: Stack, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "TILE_WEIGHTS", 4 * 40 * 9)
    for pooling in ("max", "mean"):
        request = GetMaps(1, stack, 1, 3, 5, pooling, reading)
        reader = reader_of("bart", stack, reading)
        found = maps(reader, traced("bart").views.layer(stack, 1), request)
        assert found.dtype == np.float32
        for head, one in enumerate(found):
            weights = expected("bart", Head(stack, 1, head), reading)[0]
            assert_allclose(one, pooled(weights, 3, 5, pooling), atol=2e-6)


@pytest.mark.parametrize("reading", READINGS, ids=str)
@pytest.mark.parametrize("name", ["gpt_oss", "bert"])
def test_cell_maps_hold_one_cell_of_every_head(name: str, reading: Reading) -> None:
    reader = reader_of(name, "self", reading)
    for query, key in ((8, 0), (9, 3), (11, 6)):
        found = cell_map(reader, query, key)
        for layer, row in enumerate(found):
            cells = [
                expected(name, Head("self", layer, head), reading)[0][query, key]
                for head in range(len(row))
            ]
            assert_allclose(row, cells, atol=2e-6)


@pytest.mark.parametrize("direction", ["attends_to", "attended_by"])
@pytest.mark.parametrize("reading", READINGS, ids=str)
@pytest.mark.parametrize(("name", "view"), CASES, ids=str)
def test_tops_sum_over_positions(
    name: str, view: View, reading: Reading, direction: Direction
) -> None:
    weights, sink, hides = expected(name, view, reading)
    plain = expected(name, view, Reading(reading.words))[0]
    across = weights if direction == "attends_to" else weights.T
    shown = [at for at in range(len(across)) if not np.isnan(across[at]).all()]
    gone = [at for at in range(len(across)) if at not in shown]
    for positions in ((shown[5],), (shown[-1], shown[2], shown[4]), (shown[3], *gone[:1])):
        request = GetTop(1, view, positions, direction, 4, reading)
        found = tops(reader_of(name, view.stack, reading), request)
        total = np.nansum([across[at] for at in positions], axis=0)
        order = [at for at in np.argsort(-total, kind="stable") if total[at] > 0][:4]
        assert [entry.position for entry in found.entries] == order
        assert_allclose([entry.weight for entry in found.entries], total[order], atol=5e-6)
        assert found.rest == pytest.approx(total.sum() - total[order].sum(), abs=1e-5)
        if direction == "attends_to":
            assert found.sink == pytest.approx(sum(sink[at] for at in positions), abs=1e-5)
            assert found.hidden == pytest.approx(sum(hides[at] for at in positions), abs=1e-5)
        else:
            lost = sum(plain[:, at].sum() for at in positions if at in gone)
            assert found.sink == 0 and found.hidden == pytest.approx(lost, abs=1e-5)


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize(
    ("name", "stack"), [("gpt_oss", "self"), ("bert", "self"), ("bart", "cross")]
)
def test_what_hides_is_told(name: str, stack: Stack, words: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hidden, "SINK_WEIGHT", ABOVE[name, stack])
        found = traced(name).hidden(stack, words)
    keys = traced(name).sides(stack)[1]
    holding = readings.spans(keys, words)
    special = [
        at for at, span in enumerate(holding) if any(keys.tokens[one].part < 0 for one in span)
    ]
    assert list(found.special) == special
    assert found.sinks and not set(found.sinks) & set(special)
    assert {*found.special, *found.sinks} == readings.hiding(
        traced(name), stack, words, ABOVE[name, stack]
    )


def test_a_side_without_words_has_each_token_for_one() -> None:
    loaded = families.build("gpt2")
    plain = run.trace(loaded, families.prompt(loaded), 1)
    reader = plain.reader("self", Reading(words=True))
    assert reader.shape == (40, 40)


def test_rollout_is_read_like_any_matrix() -> None:
    view, reading = Rollout("self"), Reading(words=True, sinks="renormalise")
    found = look("bert", view, reading)["weights"]
    plain = traced("bert").rows(view, 0, 40)
    keys = readings.spans(traced("bert").sides("self")[1], True)
    merged = np.stack([plain[:, list(span)].sum(1) for span in keys], axis=1)
    merged = np.stack([merged[list(span)].mean(0) for span in keys])
    shown = ~np.isnan(found[0])
    assert_allclose(
        found[:, shown], merged[:, shown] / merged[:, shown].sum(1, keepdims=True), atol=1e-6
    )


def test_a_broken_weight_is_seen_from_afar() -> None:
    """Pooling never covers a NaN that is not one of those that hide."""
    loaded = families.build("gpt2")
    loaded.model.transformer.h[1].attn.c_attn.weight[0, 0] = np.nan
    broken = run.trace(loaded, families.prompt(loaded), 1)
    reader = broken.reader("self", Reading(sinks="hide"))
    request = GetWindow(1, Head("self", 1, 0), (0, 40), (0, 40), 40, 40)
    assert np.isnan(window(reader, request)[1][0]).all()


def wrong(run_: Run) -> list[tuple[Callable[[], object], str]]:
    view = Head("self", 0, 0)
    reader = run_.reader("self", Reading())
    words = run_.reader("self", Reading(words=True))
    return [
        (lambda: tops(reader, GetTop(1, view, (40,), "attends_to", 3)), "no query 40"),
        (lambda: tops(reader, GetTop(1, view, (3, -1), "attended_by", 3)), "no key -1"),
        (lambda: tops(words, GetTop(1, view, (words.shape[0],), "attends_to", 3)), "no query"),
        (lambda: tops(reader, GetTop(1, view, (), "attends_to", 3)), "at least one position"),
        (lambda: tops(reader, GetTop(1, view, (1,), "attends_to", -1)), "0 or more"),
        (lambda: cell_map(reader, 0, -1), "no cell 0, -1"),
        (lambda: window(reader, GetWindow(1, view, (0, 41), (0, 1))), "outside the 40 x 40"),
        (lambda: window(words, GetWindow(1, view, (0, 40), (0, 1))), "outside the"),
        (lambda: window(reader, GetWindow(1, view, (0, 1), (0, 1), row_step=0)), "1 or more"),
        (
            lambda: maps(reader, run_.views.layer("self", 0), GetMaps(1, "self", 0, 1, 0)),
            "1 or more",
        ),
        (lambda: window(reader, GetWindow(1, Chosen("self", ()), (0, 1), (0, 1))), "at least one"),
        (lambda: run_.reader("cross", Reading()), "no cross attention"),
    ]


def test_what_does_not_exist_is_named() -> None:
    for ask, sentence in wrong(traced("gpt_oss")):
        with pytest.raises(UserError, match=sentence):
            ask()


def test_nothing_hides_where_nothing_is_special() -> None:
    """Then nothing is lost, and the answer says so."""
    loaded = families.build("bert")
    plain = run.trace(loaded, families.prompt(loaded), 1)
    assert plain.hidden("self") == Hidden(1, (), ())
    reader = plain.reader("self", Reading(sinks="hide"))
    request = GetWindow(1, Head("self", 0, 0), (0, 40), (0, 40))
    names, (weights, hides) = window(reader, request)
    assert names == ("weights", "hidden") and not hides.any()
    assert_allclose(weights.sum(1), 1, atol=1e-5)
