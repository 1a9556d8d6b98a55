"""The logit lens against each layer's hidden state through the model's named norm and head."""

from typing import Any

import pytest
import torch

from attntui.core.errors import UserError
from attntui.core.protocol import Edits, GetLogitLens, Head, LogitLens, PromptInput
from attntui.engine import encoding, logit_lens, run
from attntui.engine.answers import answer
from attntui.engine.run import Run
from tests.engine.test_edits import both, edited

ENDS: dict[str, Any] = {
    "gpt2": lambda model, h: model.lm_head(model.transformer.ln_f(h)),
    "llama": lambda model, h: model.lm_head(model.model.norm(h)),
    "bert": lambda model, h: model.cls(h),
    "albert": lambda model, h: model.predictions(h),
    "gemma2": lambda model, h: torch.tanh(model.lm_head(model.model.norm(h)) / 30) * 30,
    "t5": lambda model, h: model.lm_head(model.decoder.final_layer_norm(h) * 32**-0.5),
    "bart": lambda model, h: model.lm_head(h) + model.final_logits_bias,
    "bloom": lambda model, h: model.lm_head(model.transformer.ln_f(h)),
}


@pytest.fixture(autouse=True)
def _bare_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """These models have no tokenizer."""
    name = lambda loaded, ids: [str(each) for each in ids]  # noqa: E731
    monkeypatch.setattr("attntui.engine.predict.named", name)
    monkeypatch.setattr(logit_lens, "named", name)


def lens(loaded: Any, base: Run, request: GetLogitLens, work: Any) -> LogitLens:
    reply, _ = answer(loaded, base, request, work)
    assert isinstance(reply, LogitLens)
    return reply


@pytest.mark.parametrize("name", ENDS)
def test_each_depth_equals_the_hidden_state_through_norm_and_head(name: str, work: Any) -> None:
    loaded, prompt, base = both(name)
    found = lens(loaded, base, GetLogitLens(1, 20, 4, token=7), work)
    with torch.no_grad():
        outputs = loaded.model(**prompt.inputs, output_hidden_states=True)
        hidden = getattr(outputs, "decoder_hidden_states", None) or outputs.hidden_states
        rows = [ENDS[name](loaded.model, each)[0, 20] for each in hidden[:-1]]
    rows.append(outputs.logits[0, 20])  # the last hidden state is often after the last norm
    assert len(found.depths) == len(rows) > 2 and found.token == 7 and found.text == "7"
    for depth, row in zip(found.depths, rows, strict=True):
        chances = row.softmax(-1)
        order = row.argsort(descending=True).tolist()
        assert [entry.id for entry in depth.entries] == order[:4]
        for entry in depth.entries:
            assert entry.probability == pytest.approx(float(chances[entry.id]), abs=1e-5)
            assert entry.logit == pytest.approx(float(row[entry.id]), abs=1e-4)
        assert depth.rank == order.index(7)
        assert depth.probability == pytest.approx(float(chances[7]), abs=1e-6)
        assert depth.logit == pytest.approx(float(row[7]), abs=1e-4)
    own = torch.stack(rows).softmax(-1)
    assert (own[0] - own[-1]).abs().max() > 1e-3


def test_without_a_token_it_is_the_one_the_model_says(work: Any) -> None:
    loaded, _, base = both("gpt2")
    assert base.logits is not None
    found = lens(loaded, base, GetLogitLens(1, 12, 1), work)
    assert found.token == int(base.logits[12].argmax())
    assert found.depths[-1].rank == 0 and found.depths[-1].entries[0].id == found.token


def test_an_edited_run_has_its_own(work: Any) -> None:
    loaded, _, base = both("llama")
    found = edited(loaded, base, Edits((Head("self", 1, 2), Head("self", 1, 0))))
    plain, other = (lens(loaded, each, GetLogitLens(1, 39, 1, 5), work) for each in (base, found))
    assert found.logits is not None
    assert other.depths[-1].logit == pytest.approx(float(found.logits[39, 5]), abs=1e-5)
    assert other.depths[:2] == plain.depths[:2] and other.depths[2:] != plain.depths[2:]


def test_a_classifier_says_classes(load: Any, work: Any) -> None:
    loaded = load("classifier")
    encoded = encoding.encode(loaded, PromptInput(text="the cat sat on the mat"))
    base = run.trace(loaded, encoded, 1)
    found = lens(loaded, base, GetLogitLens(1, 0, 3), work)
    assert found.what == "class" and base.logits is not None
    assert found.depths[-1].entries[0].logit == pytest.approx(float(base.logits.max()), abs=1e-5)


def test_the_model_is_left_as_it_was(work: Any) -> None:
    loaded, prompt, base = both("gpt2")
    lens(loaded, base, GetLogitLens(1, 12, 1), work)
    assert not any("forward" in vars(module) for module in loaded.model.modules())
    again = run.trace(loaded, prompt, 2)
    assert base.logits is not None and again.logits is not None
    assert torch.equal(again.logits, base.logits)


@pytest.mark.parametrize(
    ("predicts", "request_", "sentence"),
    [
        ("next", GetLogitLens(1, 40, 1), "There is no position 40"),
        ("next", GetLogitLens(1, 0, 1, 64), "There is no output 64"),
        (None, GetLogitLens(1, 0, 1), "no trained output head"),
    ],
)
def test_what_is_not_there_is_said(
    predicts: Any, request_: GetLogitLens, sentence: str, work: Any
) -> None:
    loaded, _, base = both("gpt2")
    loaded.predicts = predicts
    with pytest.raises(UserError, match=sentence):
        lens(loaded, base, request_, work)


def test_a_model_that_reads_more_than_its_last_layer_is_refused(work: Any) -> None:
    loaded, _, base = both("gpt2")
    base.again.logits.add_(torch.randn(64))  # type: ignore[union-attr]  # as if something was added
    with pytest.raises(UserError, match="more than its last layer's output"):
        lens(loaded, base, GetLogitLens(1, 0, 1), work)
