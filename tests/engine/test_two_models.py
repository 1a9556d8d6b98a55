"""Runs of two models beside each other: against both models' own eager attention."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from attntui.core.errors import UserError
from attntui.core.protocol import (
    GetCellMap,
    GetMaps,
    GetPredictions,
    GetShifts,
    GetWindow,
    Gradient,
    Head,
    Load,
    Loaded,
    Mean,
    ModelOptions,
    Predictions,
    PromptInput,
    Reading,
    Target,
    Trace,
    Traced,
)
from attntui.demo import MODELS
from attntui.engine import devices
from attntui.engine.outputs import same_outputs
from attntui.engine.session import Session
from tests.engine.tiny_models import save_tiny

TEXT = "The boy opened the door and went into the garden."
SAME = {at: at for at in range(12)}
"""Both tokenizers make the same words of it: one special token in front; BERT's one at the end."""


@pytest.fixture(scope="module")
def eager() -> dict[str, np.ndarray]:
    """(layers, heads, n, n) of both bundled models."""
    found = {}
    for name, kind in (("demo", AutoModelForCausalLM), ("demo-bert", AutoModelForMaskedLM)):
        folder = MODELS[name].folder
        net = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
        ids = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            attentions = net.eval()(ids, output_attentions=True).attentions
        found[name] = torch.stack(attentions)[:, 0].numpy()
    return found


@pytest.fixture(scope="module")
def both() -> Session:
    """`demo`'s run 1, kept, and `demo-bert`'s run 2."""
    session = Session()
    session.answer(Load(ModelOptions(model="demo")), Silent())
    session.answer(Trace(1, PromptInput(text=TEXT)), Silent())
    session.answer(Load(ModelOptions(model="demo-bert"), (1,)), Silent())
    session.answer(Trace(2, PromptInput(text=TEXT), (1,)), Silent())
    return session


class Silent:
    def check_cancel(self) -> None: ...

    def progress(self, stage: str, *_: object, **__: object) -> None: ...


def less(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(13, 13): NaN where BERT's last token is."""
    expected = np.full((13, 13), np.nan)
    expected[:12, :12] = ours[:12, :12] - theirs
    return expected


def window(view: Any, reading: Reading, size: int = 13, run: int = 2) -> GetWindow:
    return GetWindow(run, view, (0, size), (0, size), reading=reading)


def test_a_run_outlives_its_model(both: Session, eager: dict[str, np.ndarray]) -> None:
    _, (alone,) = both.answer(window(Head("self", 1, 2), Reading(), 12, 1), Silent())
    assert_allclose(alone, eager["demo"][1, 2], atol=1e-5)
    _, (difference,) = both.answer(window(Head("self", 1, 2), Reading(against=1)), Silent())
    assert_allclose(difference, less(eager["demo-bert"][1, 2], eager["demo"][1, 2]), atol=1e-5)
    _, (mean,) = both.answer(window(Mean("self", 1), Reading(against=1)), Silent())
    means = [eager[name][1].mean(0) for name in ("demo-bert", "demo")]
    assert_allclose(mean, less(means[0], means[1]), atol=1e-5)


def test_heads_that_only_one_has_are_not_compared(
    both: Session, eager: dict[str, np.ndarray]
) -> None:
    with pytest.raises(UserError) as refused:
        both.answer(window(Head("self", 1, 5), Reading(against=1)), Silent())
    assert "demo-bert has 4 layers × 6 heads and demo has 4 layers × 4 heads" in str(refused.value)
    _, (maps,) = both.answer(GetMaps(2, "self", 1, 1, 1, reading=Reading(against=1)), Silent())
    _, (cells,) = both.answer(GetCellMap(2, "self", 7, 3, Reading(against=1)), Silent())
    for head in range(4):
        expected = less(eager["demo-bert"][1, head], eager["demo"][1, head])
        assert_allclose(maps[head], expected, atol=1e-5)
        assert cells[1, head] == pytest.approx(expected[7, 3], abs=1e-5)
    assert np.isnan(maps[4:]).all() and np.isnan(cells[:, 4:]).all()


def test_how_far_each_head_is_from_that_of_the_other_model(
    both: Session, eager: dict[str, np.ndarray]
) -> None:
    _, (shifts,) = both.answer(GetShifts(2, "self", 1), Silent())
    assert np.isnan(shifts[:, 4:]).all()
    p = np.concatenate([eager["demo-bert"][:, :4, :12, :12], np.zeros((4, 4, 12, 1))], -1)
    p[..., 12] = 1 - p.sum(-1)
    q = np.concatenate([eager["demo"], np.zeros((4, 4, 12, 1))], -1)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(one > 0, one * np.log2(one / middle), 0) for one in (p, q)]
    expected = (terms[0] + terms[1]).sum(-1).mean(-1) / 2
    assert_allclose(shifts[:, :4], expected, atol=1e-5)


def test_other_outputs_stand_alone(both: Session) -> None:
    reply, _ = both.answer(GetPredictions(2, 5, 3, against=1), Silent())
    alone, _ = both.answer(GetPredictions(2, 5, 3), Silent())
    assert isinstance(reply, Predictions) and isinstance(alone, Predictions)
    assert reply.entries == alone.entries and reply.divergence is None
    assert reply.apart == "demo-bert and demo have other outputs, so each stands alone."
    theirs, _ = both.answer(GetPredictions(1, 5, 3), Silent())
    assert isinstance(theirs, Predictions) and theirs.what == "next token"
    with pytest.raises(UserError, match="demo has other outputs than demo-bert"):
        aimed = Gradient("self", 1, 2, Target(5, 100))
        both.answer(window(aimed, Reading(against=1)), Silent())


def test_what_stands_in_a_place_is_not_what_comes_next(load: Callable[[str], Any]) -> None:
    loaded = load("gpt2")
    again = replace(loaded, outputs=None)
    assert same_outputs(loaded, again)
    assert not same_outputs(loaded, replace(again, predicts="masked"))
    labels = [replace(each, predicts="classes", outputs=None) for each in (loaded, load("bert"))]
    assert same_outputs(*labels)
    assert not same_outputs(loaded, load("bert"))


def test_two_views_of_one_run_and_of_two(both: Session, eager: dict[str, np.ndarray]) -> None:
    ours, theirs = eager["demo-bert"], eager["demo"]
    for other, taken in ((2, ours[3, 1]), (1, theirs[3, 1])):
        reading = Reading(against=other, against_view=Head("self", 3, 1))
        _, (found,) = both.answer(window(Mean("self", 2), reading), Silent())
        mean = ours[2].mean(0)
        expected = mean - taken if other == 2 else less(mean, taken)
        assert_allclose(found, expected, atol=1e-5)


def test_two_checkpoints_predict_beside_each_other(
    tmp_path: Path, tiny: Callable[[str], Path]
) -> None:
    """A model and one whose last norm is twice as strong: the same vocabulary, other logits."""
    base, tuned = tiny("gpt2"), tmp_path / "tuned"
    save_tiny("gpt2", tuned)
    net = AutoModelForCausalLM.from_pretrained(tuned)
    net.transformer.ln_f.weight.data *= 2
    net.save_pretrained(tuned)
    session, text = Session(), PromptInput(text="The quick brown fox")
    session.answer(Load(ModelOptions(model=str(base))), Silent())
    session.answer(Trace(1, text), Silent())
    session.answer(Load(ModelOptions(model=str(tuned)), (1,)), Silent())
    traced, _ = session.answer(Trace(2, text, (1,)), Silent())
    assert isinstance(traced, Traced) and traced.info.model is not None
    assert traced.info.model.name == str(tuned)
    reply, _ = session.answer(GetPredictions(2, 2, 3, against=1), Silent())
    assert isinstance(reply, Predictions)
    logits = []
    for folder in (base, tuned):
        other = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        ids = AutoTokenizer.from_pretrained(folder)(text.text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits.append(other(ids).logits[0, 2].double().log_softmax(-1))
    before, after = logits
    divergence = float((before.exp() * (before - after)).sum())
    assert divergence > 1e-3
    assert reply.divergence == pytest.approx(divergence, rel=1e-3)
    assert reply.entries[0].probability_before == pytest.approx(
        float(before.exp()[reply.entries[0].id]), abs=1e-5
    )


def test_what_cannot_be_loaded_leaves_both(both: Session, monkeypatch: Any) -> None:
    """Too large beside the pinned run's model; the one before is still there to be asked."""
    monkeypatch.setattr(devices, "free", lambda device: 1000)
    options = ModelOptions(model="demo")
    with pytest.raises(UserError, match=r"beside the pinned run's model, which takes [0-9]+ MB"):
        both.answer(Load(options, (1, 2)), Silent())
    monkeypatch.undo()
    reply, _ = both.answer(GetPredictions(2, 5, 3), Silent())
    assert isinstance(reply, Predictions) and len(reply.entries) == 3
    reply, _ = both.answer(Load(options), Silent())
    assert isinstance(reply, Loaded)
    with pytest.raises(UserError, match="no longer held"):
        both.answer(GetPredictions(1, 5, 3), Silent())
