"""The calibration text of every kind of model, and the statistics on it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from attntui.core.errors import UserError
from attntui.core.protocol import STATISTICS, SideInfo
from attntui.engine import calibration, decoder, patterns, pieces
from attntui.engine.calibration import calibrated, repeated
from attntui.engine.layers import DenseLayer
from attntui.engine.model import Cancelled
from attntui.engine.stacks import Tower
from attntui.engine.targets import separators, text_of

Load = Callable[[str], Any]

# Kind: side, what stands before and after, and tokens in a segment: what 64 or 32 positions hold.
TEXTS = [
    ("gpt2", "text", [], [], 32),
    ("bert", "text", ["[CLS]"], ["[SEP]"], 31),
    ("classifier", "text", ["[CLS]"], ["[SEP]"], 31),
    ("roberta", "text", ["<s>"], ["</s>"], 15),
    ("llama", "text", ["<s>"], [], 31),
    ("slow", "text", ["<s>"], [], 40),
    ("t5", "encoder", [], ["</s>"], 40),
    ("t5", "decoder", ["<pad>"], [], 40),
]


def side_of(loaded: Any, name: str) -> SideInfo:
    return next(side for side in repeated(loaded).sides if side.name == name)


@pytest.mark.parametrize(("kind", "name", "before", "after", "length"), TEXTS)
def test_ordinary_tokens_said_twice(
    kind: str, name: str, before: list[str], after: list[str], length: int, load: Load
) -> None:
    loaded = load(kind)
    side = side_of(loaded, name)
    shown = [token.text for token in side.tokens]
    start, stop = len(before), len(before) + 2 * length
    assert (shown[:start], shown[stop:]) == (before, after)
    ids = [token.id for token in side.tokens[start:stop]]
    assert ids[:length] == ids[length:] and len(set(ids)) == length
    special = pieces.special_ids(loaded.tokenizer)
    assert [token.special for token in side.tokens] == [
        token.id in special for token in side.tokens
    ]
    assert not special & set(ids)
    assert repeated(loaded).sides == repeated(loaded).sides


@pytest.mark.parametrize(("kind", "name", "before", "after", "length"), TEXTS)
def test_a_perfect_head_reads_one(
    kind: str, name: str, before: list[str], after: list[str], length: int, load: Load
) -> None:
    """Rows of the second copy count, and no others."""
    loaded = load(kind)
    side = side_of(loaded, name)
    weights = torch.zeros(2, len(side.tokens), len(side.tokens))
    weights[:, :, 0] = 1
    for row in range(len(before) + length, len(before) + 2 * length):
        weights[:, row, 0] = 0
        weights[0, row, row - length + 1] = weights[1, row, row - length] = 1
    text = text_of(side, side, separators(loaded.tokenizer))
    found = patterns.measure(Tower("self", (DenseLayer(weights),)), text)
    for head, statistic in enumerate(("induction", "duplicate")):
        at = STATISTICS.index(statistic)
        assert found.scores[at, 0, head] == 1.0 and found.eligible[at] == length


@pytest.mark.parametrize("kind", ["gpt2", "bert", "t5", "classifier"])
def test_it_is_run_once_and_every_stack_kept(
    kind: str, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(kind)
    loaded.calibrated.clear()
    runs = []
    forward = calibration.forward

    def counted(*arguments: Any) -> Any:
        runs.append(arguments)
        return forward(*arguments)

    monkeypatch.setattr(calibration, "forward", counted)
    found = {stack.name: calibrated(loaded, stack.name) for stack in loaded.stacks}
    assert len(runs) == 1
    for stack in loaded.stacks:
        assert calibrated(loaded, stack.name) is found[stack.name]
        scores = found[stack.name].scores
        assert scores.shape == (len(STATISTICS), 2, 4)
        assert np.isnan(scores[STATISTICS.index("induction")]).all() == (stack.name == "cross")
    loaded.calibrated.clear()
    again = {stack.name: calibrated(loaded, stack.name) for stack in loaded.stacks}
    for name, one in found.items():
        np.testing.assert_array_equal(again[name].scores, one.scores)


def test_a_cancelled_calibration_leaves_nothing(load: Load) -> None:
    loaded = load("gpt2")
    loaded.calibrated.clear()

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        calibrated(loaded, "self", cancel)
    assert not loaded.calibrated


def test_too_few_positions_are_named(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = calibration.positions.Limit(3, hard=True)
    monkeypatch.setattr(calibration.positions, "limit", lambda model, side: limit)
    with pytest.raises(UserError, match="too few tokens"):
        repeated(load("bert"))


def test_the_decoder_of_a_classifier_reads_what_its_encoder_reads(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As BART's does, which takes its answer from the place of the encoder's end token."""
    loaded = load("t5")
    monkeypatch.setattr(loaded, "predicts", "classes")
    read, written = ([token.id for token in side.tokens] for side in repeated(loaded).sides)
    assert written == [decoder.start_id(loaded), *read[:-1]]
