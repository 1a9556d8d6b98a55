"""One run less another: against two matrices read by loops, with a token out, in, or replaced."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from numpy.testing import assert_allclose

from attntui.core.errors import UserError
from attntui.core.protocol import (
    Edits,
    GetCellMap,
    GetMaps,
    GetPredictions,
    GetShifts,
    GetTop,
    GetWindow,
    Gradient,
    Head,
    LessWeights,
    Mean,
    Reading,
    SideInfo,
    Stack,
    Target,
    Token,
    View,
)
from attntui.engine import run
from attntui.engine.answers import answer
from attntui.engine.edits import changes
from attntui.engine.model import Encoded
from attntui.engine.run import Run
from tests.engine import families, readings

ABOVE = 0.3
KINDS: list[tuple[str, Stack]] = [("gpt2", "self"), ("bert", "self"), ("t5", "cross")]


def edited(base: Run, name: str, stack: Stack) -> Run:
    """The same prompt with a head off in the first layer, which changes all the layers after."""
    loaded = families.build(name)
    return run.trace(
        loaded,
        base.encoded,
        2,
        changes=changes(base, Edits((Head(stack, 0, 1), Head(stack, 0, 2)))),
    )


def asked(found: Run, other: Run, request: Any, work: Any, alone: bool = False) -> Any:
    reply, arrays = answer(None, found, request, work, None if alone else other)
    return arrays[0] if arrays else reply


@pytest.mark.parametrize(("name", "stack"), KINDS, ids=str)
@pytest.mark.parametrize("reading", readings.READINGS, ids=str)
def test_a_window_is_the_difference_of_both(
    name: str, stack: Stack, reading: Reading, work: Any
) -> None:
    base = readings.traced(name)
    found = edited(base, name, stack)
    against = Reading(reading.words, reading.sinks, against=1)
    for view in (Head(stack, 1, 1), Mean(stack)):
        ours, theirs = (readings.read(each, view, reading, ABOVE)[0] for each in (found, base))
        rows, keys = ours.shape
        request = GetWindow(2, view, (0, rows), (0, keys), reading=against)
        difference = asked(found, base, request, work)
        expected = np.where(np.isnan(ours), np.nan, ours - np.nan_to_num(theirs))
        assert np.nanmax(np.abs(expected)) > 1e-3
        assert_allclose(difference, expected, atol=2e-6)
        pooled = asked(found, base, replace(request, row_step=3, key_step=4), work)
        for at in np.ndindex(pooled.shape):
            cell = expected[at[0] * 3 : at[0] * 3 + 3, at[1] * 4 : at[1] * 4 + 4].ravel()
            cell = cell[~np.isnan(cell)]
            if not len(cell):
                assert np.isnan(pooled[at])
                continue
            assert abs(pooled[at]) == pytest.approx(np.abs(cell).max(), abs=2e-6)
            assert np.isclose(cell, pooled[at], atol=2e-6).any()
        for direction, line in (("attends_to", expected[5]), ("attended_by", expected[:, 5])):
            top = asked(found, base, GetTop(2, view, (5,), direction, 3, against), work)  # type: ignore[arg-type]
            order = np.argsort(-np.abs(np.nan_to_num(line)), kind="stable")[:3]
            assert_allclose([each.weight for each in top.entries], line[order], atol=2e-6)
            assert top.rest == 0


def test_every_head_at_once(work: Any) -> None:
    base = readings.traced("gpt2")
    found = edited(base, "gpt2", "self")
    reading = Reading(against=1)
    whole = asked(found, base, GetMaps(2, "self", 1, 1, 1, reading=reading), work)
    cells = asked(found, base, GetCellMap(2, "self", 9, 4, reading), work)
    for head in range(len(whole)):
        view = Head("self", 1, head)
        expected = readings.matrix(found, view)[0] - readings.matrix(base, view)[0]
        assert_allclose(whole[head], expected, atol=2e-6)
        assert cells[1, head] == pytest.approx(expected[9, 4], abs=2e-6)


def texts_of(loaded: Any, ids: list[int]) -> Run:
    """A run over given ids; a token's text is its id."""
    tokens = tuple(Token(each, str(each)) for each in ids)
    inputs = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids)).long()}
    return run.trace(loaded, Encoded(inputs, (SideInfo("text", tokens),)), 1)


@pytest.mark.parametrize(
    ("others", "pairs"),
    [
        ([5, 6, 7, 9, 10], {0: 0, 1: 1, 2: 2, 4: 3, 5: 4}),  # 8 was put in
        ([5, 6, 7, 8, 20, 9, 10], {0: 0, 1: 1, 2: 2, 3: 3, 4: 5, 5: 6}),  # 20 was left out
        ([5, 6, 30, 8, 9, 10], {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 5}),  # 30 was replaced
        ([40, 41], {4: 0, 5: 1}),
    ],
)
def test_other_texts_are_laid_token_beside_token(
    others: list[int], pairs: dict[int, int], work: Any
) -> None:
    loaded = families.build("gpt2")
    found, base = texts_of(loaded, [5, 6, 7, 8, 9, 10]), texts_of(loaded, others)
    view: View = Head("self", 1, 2)
    ours, theirs = readings.matrix(found, view)[0], readings.matrix(base, view)[0]
    expected = np.full_like(ours, np.nan)
    for query, place in pairs.items():
        for key, other in pairs.items():
            expected[query, key] = ours[query, key] - theirs[place, other]
    request = GetWindow(1, view, (0, 6), (0, 6), reading=Reading(against=9))
    assert_allclose(asked(found, base, request, work), expected, atol=2e-6)
    shift = asked(found, base, GetShifts(1, "self", 9), work)[1, 2]
    keys = [*pairs], [*pairs.values()]
    divergences = []
    for query, place in pairs.items():
        p, q = ours[query][keys[0]], theirs[place][keys[1]]
        p, q = (np.append(each, max(0, 1 - each.sum())) for each in (p, q))
        middle = (p + q) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = [np.nansum(each * np.log2(each / middle)) / 2 for each in (p, q)]
        divergences.append(sum(parts))
    assert shift == pytest.approx(np.mean(divergences), abs=1e-5)


def test_a_logit_is_explained_beside_the_same_token(work: Any) -> None:
    loaded = families.build("gpt2")
    found, base = texts_of(loaded, [5, 6, 7, 8, 9, 10]), texts_of(loaded, [5, 6, 8, 9, 10])

    def lens(position: int, less: bool) -> View:
        gradient = Gradient("self", 0, 1, Target(position, 11))
        return LessWeights(gradient) if less else gradient

    for less in (False, True):
        ours = asked(found, found, GetWindow(1, lens(5, less), (5, 6), (0, 6)), work, alone=True)
        theirs = asked(base, base, GetWindow(1, lens(4, less), (4, 5), (0, 5)), work, alone=True)
        request = GetWindow(1, lens(5, less), (5, 6), (0, 6), reading=Reading(against=9))
        expected = np.insert(ours[0, [0, 1, 3, 4, 5]] - theirs[0], 2, np.nan)
        assert np.abs(theirs).max() > 1e-6
        assert_allclose(asked(found, base, request, work)[0], expected, atol=1e-7)
    request = GetWindow(1, lens(2, False), (0, 6), (0, 6), reading=Reading(against=9))
    with pytest.raises(UserError, match="has no counterpart in the other run"):
        asked(found, base, request, work)


def test_nothing_changed_is_nothing_everywhere(work: Any) -> None:
    base = readings.traced("llama")
    again = readings.traced("llama")
    request = GetWindow(2, Mean("self"), (0, 20), (0, 20), reading=Reading(against=1))
    assert not asked(again, base, request, work).any()
    assert not np.nan_to_num(asked(again, base, GetShifts(2, "self", 1), work)).any()


def test_predictions_tell_which_token_theirs_are_of(load: Callable[[str], Any], work: Any) -> None:
    """Where it is another: 2 here replaces 2 there."""
    loaded = load("gpt2")
    found, base = texts_of(loaded, [5, 6, 7, 8]), texts_of(loaded, [5, 6, 9, 8])
    told = [
        answer(loaded, found, GetPredictions(1, at, 5, against=9), work, base)[0].beside  # type: ignore[union-attr]
        for at in range(4)
    ]
    assert told == [None, None, (2, base.encoded.sides[0].tokens[2].text), None]


def test_predictions_stand_beside_those_before(load: Callable[[str], Any], work: Any) -> None:
    loaded = load("gpt2")
    found, base = texts_of(loaded, [5, 6, 7, 8]), texts_of(loaded, [5, 6, 8])
    request = GetPredictions(1, 3, 5, against=9)
    reply, _ = answer(loaded, found, request, work, base)
    assert found.logits is not None and base.logits is not None
    after, before = found.logits[3].double(), base.logits[2].double()
    p, q = before.softmax(-1), after.softmax(-1)
    assert reply.divergence == pytest.approx(float((p * (p / q).log()).sum()), rel=1e-4)  # type: ignore[union-attr]
    likeliest = torch.maximum(p, q).topk(5).indices.tolist()
    assert [each.id for each in reply.entries] == likeliest  # type: ignore[union-attr]
    for each in reply.entries:  # type: ignore[union-attr]
        shown = each.probability, each.logit, each.probability_before, each.logit_before
        exact = q[each.id], after[each.id], p[each.id], before[each.id]
        assert_allclose(shown, [float(value) for value in exact], atol=1e-5)


def test_another_kind_of_attention_is_refused(work: Any) -> None:
    request = GetShifts(1, "self", 2)
    with pytest.raises(UserError, match="no self attention, only encoder, decoder, cross"):
        asked(readings.traced("gpt2"), readings.traced("t5"), request, work)
