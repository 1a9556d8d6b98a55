"""The effect of every head: exact ones against one edited run each, estimates against autograd."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attntui.core.errors import UserError
from attntui.core.protocol import AblateWith, Edits, GetEffects, Head, Measure, Stack
from attntui.engine import run, variants
from attntui.engine.edits import changes
from attntui.engine.run import Run
from attntui.engine.sweep import effects
from tests.engine.test_edits import both, projection

MEASURES = [
    Measure("loss"),
    Measure("logprob", 30, 5),
    Measure("logit_difference", 25, 5, 7),
    Measure("divergence", 26),
]
STACKS: list[tuple[str, Stack]] = [
    ("gpt2", "self"),
    ("llama", "self"),
    ("gemma2", "self"),
    ("gpt_oss", "self"),
    ("gpt_neox", "self"),
    ("t5", "encoder"),
    ("t5", "decoder"),
    ("t5", "cross"),
    ("bart", "encoder"),
    ("bart", "cross"),
]


def measured(found: Run, plain: Run, measure: Measure) -> float:
    """A measure of a run, from its logits, by plain loops."""
    assert found.logits is not None and plain.logits is not None
    chances = found.logits.double().log_softmax(-1)
    if measure.kind == "loss":
        ids = [token.id for token in found.encoded.sides[-1].tokens]
        return -float(np.mean([chances[at, ids[at + 1]] for at in range(len(ids) - 1)]))
    if measure.kind == "logit_difference":
        row = found.logits[measure.position].double()
        return float(row[measure.token] - row[measure.foil])
    if measure.kind == "logprob":
        return float(chances[measure.position, measure.token])
    before = plain.logits.double().log_softmax(-1)[measure.position]
    after = chances[measure.position]
    return sum(float(p.exp() * (p - q)) for p, q in zip(before, after, strict=True))


def one_by_one(
    loaded: Any, base: Run, stack: Stack, layer: int, measure: Measure, ablate_with: AblateWith
) -> list[float]:
    before = measured(base, base, measure)
    found = []
    for head in range(base.views.layer(stack, layer).info.heads):
        change = changes(base, Edits((Head(stack, layer, head),), ablate_with))
        edited = run.trace(loaded, base.encoded, 2, changes=change)
        found.append(measured(edited, base, measure) - before)
    return found


@pytest.mark.parametrize("ablate_with", ["zero", "mean"])
@pytest.mark.parametrize(("name", "stack"), STACKS)
def test_a_sweep_equals_one_run_for_each_head(
    name: str, stack: Stack, ablate_with: AblateWith, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants, "TOKENS", 100)  # two or three variants to a forward
    loaded, _, base = both(name)
    layers = range(len(base.views.tower(stack).layers))
    for measure in MEASURES:
        if measure.position >= len(base.encoded.sides[-1].tokens):
            measure = Measure(measure.kind, 11, measure.token, measure.foil)
        for layer in layers:
            request = GetEffects(1, stack, layer, measure, ablate_with)
            found, value = effects(loaded, base, request, work)
            expected = one_by_one(loaded, base, stack, layer, measure, ablate_with)
            np.testing.assert_allclose(found, expected, atol=2e-5)
            assert np.abs(found).max() > 1e-4
            assert value[0] == pytest.approx(measured(base, base, measure), abs=1e-5)


def test_one_module_that_is_every_layer_is_swept_layer_by_layer(work: Any) -> None:
    loaded, _, base = both("albert")
    loaded.predicts = "masked"
    measure = Measure("logprob", 12, 5)
    for layer in range(len(base.views.tower("self").layers)):
        found, _ = effects(loaded, base, GetEffects(1, "self", layer, measure), work)
        expected = one_by_one(loaded, base, "self", layer, measure, "zero")
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("ablate_with", ["zero", "mean"])
@pytest.mark.parametrize(
    ("name", "stack"), [("gpt2", "self"), ("llama", "self"), ("t5", "decoder"), ("t5", "cross")]
)
def test_the_estimate_is_the_slope_of_a_gate_on_each_head(
    name: str, stack: Stack, ablate_with: AblateWith, work: Any
) -> None:
    loaded, prompt, base = both(name)
    measure = Measure("logprob", 11, 5)
    request = GetEffects(1, stack, 0, measure, ablate_with, estimate=True)
    found, _ = effects(loaded, base, request, work)
    gates = []

    def gated(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        heads = arguments[0].unflatten(-1, (4, -1))
        off = heads.detach().mean(1, keepdim=True) if ablate_with == "mean" else 0 * heads.detach()
        gates.append(torch.ones(4, 1, requires_grad=True))
        return ((off + gates[-1] * (heads - off)).flatten(-2), *arguments[1:])

    layers = range(len(base.views.tower(stack).layers))
    modules = [projection(loaded.model, (name, stack), layer) for layer in layers]
    handles = [module.register_forward_pre_hook(gated) for module in modules]
    loaded.model.set_attn_implementation("eager")
    with torch.enable_grad():
        row = loaded.model(**prompt.inputs).logits[0, measure.position].log_softmax(-1)
        slopes = torch.autograd.grad(row[measure.token], gates)
    for handle in handles:
        handle.remove()
    expected = -torch.stack(slopes)[..., 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found).max() > 1e-4


def test_a_model_is_left_as_it_was(work: Any) -> None:
    loaded, prompt, base = both("llama")
    effects(loaded, base, GetEffects(1, "self", 1, Measure("loss")), work)
    assert not any("forward" in vars(module) for module in loaded.model.modules())
    again = run.trace(loaded, prompt, 2)
    assert base.logits is not None and again.logits is not None
    assert torch.equal(again.logits, base.logits)


@pytest.mark.parametrize(
    ("name", "predicts", "request_", "sentence"),
    [
        ("bert", "masked", GetEffects(1, "self", 0, Measure("loss")), "Only a model that predicts"),
        ("gpt2", "next", GetEffects(1, "self", 9, Measure("loss")), "there is no layer 9"),
        ("gpt2", "next", GetEffects(1, "self", 0, Measure("logprob", 40)), "no position 40"),
        ("gpt2", "next", GetEffects(1, "self", 0, Measure("logprob", 1, 999)), "no output 999"),
        ("gpt2", None, GetEffects(1, "self", 0, Measure("loss")), "no trained output head"),
        ("bloom", "next", GetEffects(1, "self", 0, Measure("loss")), "its own eager code"),
        (
            "gpt2",
            "next",
            GetEffects(1, "self", 0, Measure("divergence"), estimate=True),
            "its gradient says nothing",
        ),
    ],
)
def test_what_cannot_be_measured_is_said(
    name: str, predicts: Any, request_: GetEffects, sentence: str, work: Any
) -> None:
    loaded, _, base = both(name)
    loaded.predicts = predicts
    with pytest.raises(UserError, match=sentence):
        effects(loaded, base, request_, work)
