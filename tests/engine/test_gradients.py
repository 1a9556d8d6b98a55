"""Attention x gradient, and relevance, against autograd on transformers' eager attentions."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import (
    Cut,
    Edits,
    GetEffects,
    GetTop,
    GetWindow,
    Gradient,
    Head,
    Measure,
    PromptInput,
    Relevance,
    Stack,
    Target,
    Top,
)
from attntui.engine import capture, devices, encoding, lenses, run, views
from attntui.engine.answers import answer
from attntui.engine.room import SPARE
from attntui.engine.sweep import effects
from tests.engine.test_edits import both, cut_before_softmax, edited, projection

TARGET = Target(17, 5)
FAMILIES = ["gpt2", "llama", "bert", "t5", "bart", "gemma2", "gpt_oss", "gpt_neox", "mistral"]
Attentions = dict[str, list[tuple[Tensor, Tensor]]]


def weights_and_slopes(loaded: Any, prompt: Any, target: Target) -> Attentions:
    """Each stack's layers as (A, ∂y/∂A), (heads, queries, keys), by autograd."""
    for parameter in loaded.model.parameters():
        parameter.requires_grad_()
    loaded.model.set_attn_implementation("eager")
    with torch.enable_grad():
        outputs = loaded.model(**prompt.inputs, output_attentions=True)
        row = outputs.logits[0, target.position]
        y = row[target.token] - (0 if target.foil is None else row[target.foil])
        flat = [each for layers in raw(outputs).values() for each in layers]
        slopes = iter(torch.autograd.grad(y, flat, allow_unused=True))
    loaded.model.set_attn_implementation(capture.NAME)
    loaded.model.requires_grad_(False)
    return {
        stack: [
            (each[0].detach(), (each if (s := next(slopes)) is None else s)[0].detach())
            for each in layers
        ]
        for stack, layers in raw(outputs).items()
    }


def raw(outputs: Any) -> dict[str, list[Tensor]]:
    names = {"self": "", "encoder": "encoder_", "decoder": "decoder_", "cross": "cross_"}
    return {
        stack: list(found)
        for stack, name in names.items()
        if (found := getattr(outputs, f"{name}attentions", None))
    }


@pytest.mark.parametrize("target", [TARGET, Target(20, 9, 3)], ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_equal_autograd_on_eager_attention(name: str, target: Target) -> None:
    loaded, prompt, base = both(name)
    largest = 0.0
    for stack, layers in weights_and_slopes(loaded, prompt, target).items():
        for at, (weights, slopes) in enumerate(layers):
            expected, queries = weights * slopes, weights.shape[1]
            found = base.rows(Gradient(stack, at, None, target), 0, queries)  # type: ignore[arg-type]
            assert found == pytest.approx(expected.mean(0).numpy(), abs=1e-5)
            found = base.rows(Gradient(stack, at, 3, target), 4, queries - 1)  # type: ignore[arg-type]
            assert found == pytest.approx(expected[3, 4:-1].numpy(), abs=1e-5)
            largest = max(largest, float(expected.abs().max()))
            assert expected.min() < 0  # signs are kept
    assert largest > 1e-2


def test_gradients_of_an_edited_run_are_its_own() -> None:
    loaded, prompt, base = both("llama")
    edits = Edits((Head("self", 1, 2),), cuts=(Cut("self", 9, 4, 0, 2),))
    found = edited(loaded, base, edits)
    projection(loaded.model, ("llama", "self"), 1).weight[:, 16:24] = 0
    with cut_before_softmax({layer: [(slice(None), 9, 4)] for layer in range(3)}):
        layers = weights_and_slopes(loaded, prompt, TARGET)["self"]
    for at, (weights, slopes) in enumerate(layers):
        expected = (weights * slopes).mean(0).numpy()
        assert found.rows(Gradient("self", at, None, TARGET), 0, 40) == pytest.approx(
            expected, abs=1e-5
        )
    assert not found.rows(Gradient("self", 1, 2, TARGET), 0, 40).any()


def chefer(layers: Attentions) -> dict[str, Tensor]:
    """Rules 5 to 10 of the paper, as loops over layers, in float64."""

    def mean(pair: tuple[Tensor, Tensor]) -> Tensor:
        return (pair[0].double() * pair[1].double()).clamp(min=0).mean(0)

    def normalised(r: Tensor) -> Tensor:
        rest = r - torch.eye(len(r))
        sums = rest.sum(1, keepdim=True)
        return torch.where(sums > 0, rest / sums, rest) + torch.eye(len(r))

    def climb(pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
        r = torch.eye(pairs[0][0].shape[1], dtype=torch.float64)
        for pair in pairs:
            r = r + mean(pair) @ r
        return r

    if "self" in layers:
        r = climb(layers["self"])
        return {"self": r - torch.eye(len(r))}
    r_ee = climb(layers["encoder"])
    r_dd = torch.eye(layers["decoder"][0][0].shape[1], dtype=torch.float64)
    r_de = torch.zeros(len(r_dd), len(r_ee), dtype=torch.float64)
    for own, cross in zip(layers["decoder"], layers["cross"], strict=True):
        r_de = r_de + mean(own) @ r_de
        r_dd = r_dd + mean(own) @ r_dd
        r_de = r_de + normalised(r_dd).T @ mean(cross) @ normalised(r_ee)
    eye = torch.eye
    return {"encoder": r_ee - eye(len(r_ee)), "decoder": r_dd - eye(len(r_dd)), "cross": r_de}


@pytest.mark.parametrize("name", FAMILIES)
def test_relevance_equals_chefers_rules(name: str) -> None:
    loaded, prompt, base = both(name)
    expected = chefer(weights_and_slopes(loaded, prompt, TARGET))
    for stack, matrix in expected.items():
        found = base.rows(Relevance(stack, TARGET), 0, len(matrix))  # type: ignore[arg-type]
        assert found == pytest.approx(matrix.numpy(), abs=1e-5)
    top = max(expected.values(), key=len) if "cross" not in expected else expected["cross"]
    assert top[TARGET.position].max() > 1e-3
    if base.towers[0].causal:
        assert not base.rows(Relevance("self", TARGET), 0, 40)[18:].any()


@pytest.mark.parametrize("name", FAMILIES)
def test_relevance_in_a_long_text_needs_no_matrix(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, prompt, base = both(name)
    target = Target(17, 6)  # nothing of another is kept
    monkeypatch.setattr(views, "MOST_JOINT", 8)
    monkeypatch.setattr(lenses, "relevance", None)
    for stack, matrix in chefer(weights_and_slopes(loaded, prompt, target)).items():
        view = Relevance(stack, target)  # type: ignore[arg-type]
        if stack in {"decoder", "cross"}:
            with pytest.raises(UserError, match=r"between two texts .* for 8 tokens at most"):
                base.rows(view, 0, 1)
            continue
        for rows in ((12, 18), (0, 1), (30, len(matrix))):
            found = base.rows(view, *rows)
            assert found == pytest.approx(matrix[slice(*rows)].numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "view", "sentence"),
    [
        ("bloom", Gradient("self", 0, None, TARGET), "its own eager code"),
        ("bloom", Relevance("self", TARGET), "its own eager code"),
        ("gpt2", Gradient("self", 0, None, Target(40, 0)), "There is no position 40: 0 to 39"),
        ("gpt2", Gradient("self", 0, None, Target(0, 0, 64)), "There is no output 64: .* 0 to 63"),
        ("gpt2", Gradient("self", 0, 4, TARGET), "there is no head 4"),
        ("splinter", Relevance("self", TARGET), "has no trained output head"),
    ],
)
def test_where_there_is_no_gradient_it_says_why(name: str, view: Any, sentence: str) -> None:
    _, _, base = both(name)
    with pytest.raises(UserError, match=sentence):
        base.rows(view, 0, 1)


@pytest.mark.parametrize("kind", ["gradient", "estimate"])
def test_a_graph_without_room_is_given_up(
    kind: str, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, _, base = both("gpt2")

    def ask() -> Any:
        if kind == "gradient":
            return base.rows(Gradient("self", 0, None, Target(17, 7)), 0, 1)
        request = GetEffects(1, "self", 0, Measure("logprob", 17, 7), estimate=True)
        return effects(loaded, base, request, work)

    with monkeypatch.context() as patch:
        patch.setattr(devices, "free", lambda _: SPARE + 2**15)
        with pytest.raises(
            UserError, match="of 40 tokens, which is more than the 134 MB that are free on cpu"
        ):
            ask()
    with monkeypatch.context() as patch:  # it had been free, and not given back
        given_back: list[bool] = []
        patch.setattr(devices, "release", lambda: given_back.append(True))
        patch.setattr(devices, "free", lambda _: 2**40 if given_back else SPARE)
        ask()
        assert len(given_back) == 1
    ask()


def test_a_classifier_has_classes_for_targets(load: Any) -> None:
    """One logit a class, and no position."""

    loaded = load("classifier")
    encoded = encoding.encode(loaded, PromptInput(text="the cat sat on the mat"))
    base = run.trace(loaded, encoded, 1)
    stack: Stack = base.towers[0].name
    queries = base.towers[0].shape[0]
    found = base.rows(Relevance(stack, Target(0, 1)), 0, queries)
    loaded.model.set_attn_implementation("eager")
    loaded.model.requires_grad_(True)
    with torch.enable_grad():
        outputs = loaded.model(**encoded.inputs, output_attentions=True)
        slopes = torch.autograd.grad(outputs.logits[0, 1], outputs.attentions)
    pairs = [(a[0].detach(), s[0]) for a, s in zip(outputs.attentions, slopes, strict=True)]
    loaded.model.set_attn_implementation(capture.NAME)
    loaded.model.requires_grad_(False)
    assert found == pytest.approx(chefer({"self": pairs})["self"].numpy(), abs=1e-5)


def test_windows_and_lists_keep_what_is_far_below_zero(work: Any) -> None:
    """A pooled cell is the number furthest from 0, with its sign, and so is a list's first."""
    loaded, _, base = both("gpt2")
    view = Gradient("self", 0, 1, TARGET)
    whole = base.rows(view, 0, 40)
    request = GetWindow(1, view, (0, 40), (0, 40), 8, 8)
    _, (found,) = answer(loaded, base, request, work)
    for i in range(5):
        for j in range(5):
            cell = whole[8 * i : 8 * i + 8, 8 * j : 8 * j + 8].ravel()
            assert found[i, j] == cell[np.abs(cell).argmax()]
    assert (found < 0).any() and (found > 0).any()
    reply, _ = answer(loaded, base, GetTop(1, view, (17,), "attends_to", 40), work)
    assert isinstance(reply, Top)
    order = [entry.position for entry in reply.entries]
    assert order == sorted(range(18), key=lambda at: -abs(whole[17, at]))
    assert [entry.weight for entry in reply.entries] == pytest.approx(whole[17, order])
    few, _ = answer(loaded, base, GetTop(1, view, (17,), "attends_to", 2), work)
    assert isinstance(few, Top)
    assert few.rest == pytest.approx(whole[17, order[2:]].sum(), abs=1e-6)
