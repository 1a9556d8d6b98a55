"""Logits computed where somebody looks equal those that the model gives all at once."""

import pytest
import torch

from attntui.core.protocol import Measure
from attntui.engine import late_logits, measures, run
from attntui.engine.late_logits import LateLogits
from attntui.engine.model import LoadedModel
from attntui.engine.steps import Steps
from tests.engine import families

DENSE: set[str] = set()
PLACES = (0, 7, 26)


@pytest.fixture(autouse=True)
def no_prompt_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_logits, "LARGE", 0)
    monkeypatch.setattr(late_logits, "ROWS", 7)


def built(name: str) -> LoadedModel:
    loaded = families.build(name)
    loaded.model.eval()
    return loaded


@pytest.mark.parametrize("name", [*families.INTERFACE])
def test_every_row_of_every_family(name: str) -> None:
    loaded = built(name)
    prompt = families.prompt(loaded)
    traced = run.trace(loaded, prompt, 1)
    if traced.logits is None or loaded.predicts is None:
        return
    expected = families.eager_outputs(loaded, prompt).logits[0]
    assert isinstance(traced.logits, LateLogits) is (name not in DENSE)
    assert tuple(traced.logits.shape) == tuple(expected.shape)
    torch.testing.assert_close(traced.logits[:], expected, atol=1e-4, rtol=0)
    for place in PLACES:
        torch.testing.assert_close(traced.logits[place], expected[place], atol=1e-4, rtol=0)
    torch.testing.assert_close(traced.logits[[3, 1]], expected[[3, 1]], atol=1e-4, rtol=0)
    again = loaded.model(**prompt.inputs).logits[0]
    torch.testing.assert_close(again, expected, atol=1e-4, rtol=0)  # the model is as it was


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_what_is_made_of_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = built(name)
    prompt = families.prompt(loaded)
    late = run.trace(loaded, prompt, 1)
    monkeypatch.setattr(late_logits, "LARGE", 2**40)
    dense = run.trace(loaded, prompt, 2)
    assert isinstance(late.logits, LateLogits) and isinstance(dense.logits, torch.Tensor)
    for measure in (
        Measure("loss"),
        Measure("logprob", 5, 3),
        Measure("logit_difference", 5, 3, 4),
    ):
        found, expected = (measures.base_value(each, measure) for each in (late, dense))
        assert found == pytest.approx(expected, abs=1e-5)
    monkeypatch.setattr(late_logits, "LARGE", 0)
    for base in (late, dense):
        kept = len(prompt.sides[-1].tokens)
        assert base.again is not None
        steps = Steps(base, base.again, kept)
        assert steps.agree()
        for token in (5, 9, 3):
            steps.add(token)
        ids = torch.cat([prompt.inputs["input_ids"], torch.tensor([[5, 9, 3]])], 1)
        longer = steps.run(3, families.encoded(text=ids))
        assert isinstance(longer.logits, LateLogits) is (base is late)
        whole = families.eager_outputs(loaded, longer.encoded).logits[0]
        torch.testing.assert_close(longer.logits[:], whole, atol=1e-4, rtol=0)


def test_a_short_prompt_has_them_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_logits, "LARGE", 2**20)
    loaded = built("gpt2")
    assert isinstance(run.trace(loaded, families.prompt(loaded), 1).logits, torch.Tensor)


def test_a_head_that_looks_at_other_rows_is_asked_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = built("llama")
    plain = type(loaded.model).forward

    def mixes(self: torch.nn.Module, *given: object, **named: object) -> object:
        outputs = plain(self, *given, **named)
        outputs.logits = outputs.logits.cumsum(1)
        return outputs

    monkeypatch.setattr(type(loaded.model), "forward", mixes)
    assert isinstance(run.trace(loaded, families.prompt(loaded), 1).logits, torch.Tensor)
    assert loaded.late_head is None
