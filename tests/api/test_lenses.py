"""The lenses of a trace, in a real engine: against autograd and transformers' own modules."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

import attntui
from tests.api.conftest import PROMPT

Loader = Callable[[str], attntui.Model]


@pytest.fixture(scope="module")
def model(tiny: Callable[[str], Path]) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny("gpt2"), attn_implementation="eager").eval()


def slopes(model: Any, ids: list[int], token: int, foil: int, at: int = -1) -> list[Any]:
    """A and ∂y/∂A of every layer, (heads, n, n)."""
    outputs = model(input_ids=torch.tensor([ids]), output_attentions=True)
    y = outputs.logits[0, at, token] - outputs.logits[0, at, foil]
    found = torch.autograd.grad(y, outputs.attentions)
    return [(a[0].detach(), s[0]) for a, s in zip(outputs.attentions, found, strict=True)]


def ids_of(trace: attntui.Trace) -> list[int]:
    return [token.id for token in trace.info.sides[-1].tokens]


def test_gradient_and_relevance_of_named_tokens(loaded: Loader, model: Any, tiny: Any) -> None:
    trace = loaded("gpt2").trace(PROMPT)
    tokenizer = AutoTokenizer.from_pretrained(tiny("gpt2"))
    token, foil = (tokenizer(text)["input_ids"] for text in (" the", " M"))
    assert len(token) == 1 and len(foil) >= 1
    layers = slopes(model, ids_of(trace), token[0], foil[0])
    joint = np.eye(len(trace.tokens))
    for at, (weights, slope) in enumerate(layers):
        products = (weights * slope).numpy()
        found = trace.gradient(at, 1, token=" the", foil=foil[0])
        assert found == pytest.approx(products[1], abs=1e-5)
        found = trace.gradient(at, token=token[0], foil=foil[0], position=-1)
        assert found == pytest.approx(products.mean(0), abs=1e-5)
        joint = joint + products.clip(0).mean(0) @ joint
    found = trace.relevance(token=" the", foil=foil[0])
    assert found == pytest.approx(joint - np.eye(len(joint)), abs=1e-5)
    assert found[-1].max() > 1e-4


def test_norm_is_the_length_of_what_the_projection_gives(loaded: Loader, model: Any) -> None:
    trace = loaded("gpt2").trace(PROMPT)
    attn, kept = model.transformer.h[0].attn, []
    handle = attn.c_attn.register_forward_hook(lambda _, __, out: kept.append(out[0].detach()))
    model(input_ids=torch.tensor([ids_of(trace)]))
    handle.remove()
    heads = model.config.n_head
    values = kept[0].chunk(3, -1)[2].unflatten(-1, (heads, -1)).transpose(0, 1)
    weight = attn.c_proj.weight.detach().unflatten(0, (heads, -1))
    vectors = torch.stack([torch.tensor(trace.attention(0, head)) for head in range(heads)])
    written = (vectors[..., None] * (values @ weight)[:, None]).numpy()
    assert trace.norm(0, 1) == pytest.approx(np.linalg.norm(written[1], axis=-1), abs=1e-5)
    assert trace.norm(0) == pytest.approx(np.linalg.norm(written.sum(0), axis=-1), abs=1e-5)


def test_direct_logits_sum_to_the_logit(loaded: Loader) -> None:
    trace = loaded("gpt2").trace(PROMPT)
    logits = trace.logits()
    found = trace.direct_logits(position=4)
    token = int(logits[4].argmax())
    assert found.target.target.token == token and found.target.target.position == 4
    assert found.logit == pytest.approx(float(logits[4, token]), abs=1e-5)
    assert found.heads.sum() + found.rest.sum() == pytest.approx(found.logit, abs=1e-4)
    off = trace.edit(ablate="1.2").direct_logits(position=4, token=token)
    assert off.heads[1, 2] == 0 and off.logit != found.logit


def test_the_logit_lens_ends_with_the_model(loaded: Loader) -> None:
    trace = loaded("gpt2").trace(PROMPT)
    logits = trace.logits()[3]
    found = trace.logit_lens(position=3, k=3)
    assert found.position == 3 and found.token == int(logits.argmax()) and found.text
    assert found.depths[-1].rank == 0 and len(found.depths[-1].entries) == 3
    assert found.depths[-1].logit == pytest.approx(float(logits.max()), abs=1e-5)
    assert len(found.depths) == len(trace.info.stacks[0].layers) + 1


def test_a_masked_place_is_the_target(loaded: Loader, tiny: Any) -> None:
    trace = loaded("bert").trace("the cat [MASK] on the mat")
    place = trace.tokens.index("[MASK]")
    aimed = trace.target()
    model = AutoModelForMaskedLM.from_pretrained(tiny("bert"), attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids_of(trace)])).logits[0, place]
    assert (aimed.target.position, aimed.target.token) == (place, int(logits.argmax()))
    with pytest.raises(attntui.UserError, match="no norm leads from the last layer"):
        trace.direct_logits()
    assert trace.relevance().shape == (len(trace.tokens),) * 2


def test_an_encoder_decoder_has_relevance_on_every_side(loaded: Loader) -> None:
    trace = loaded("t5").trace(PROMPT, decoder_prompt="the cat")
    decoder, encoder = trace.relevance().shape
    assert trace.relevance(stack="encoder").shape == (encoder, encoder)
    assert trace.relevance(stack="decoder").shape == (decoder, decoder)
    assert trace.norm(0).shape == (decoder, encoder)


def test_flow_and_readings(loaded: Loader) -> None:
    trace = loaded("gpt2").trace(PROMPT)
    assert trace.flow().sum(1) == pytest.approx(1, abs=1e-5)
    words = trace.gradient(0, words=True)
    assert words.shape == (len(trace.words()),) * 2
    assert words[0, 0] == pytest.approx(trace.gradient(0)[0, 0], abs=1e-6)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda trace: trace.gradient(0, token="When Mary"), "tokens: name one token"),
        (lambda trace: trace.gradient(0, token=10**6), "There is no output 1000000"),
        (lambda trace: trace.relevance(position=400), "There is no position 400"),
        (lambda trace: trace.relevance(position=-400), "There is no position -"),
        (lambda trace: trace.relevance(token=1.5), "token must be"),
        (lambda trace: trace.gradient(0, sinks="renormalise"), "hide only"),
        (lambda trace: trace.norm(99), "no layer 99"),
        (lambda trace: trace.flow(residual=3), "between 0 and 1"),
    ],
)
def test_what_is_not_there_is_said(loaded: Loader, ask: Any, sentence: str) -> None:
    with pytest.raises(attntui.UserError, match=sentence):
        ask(loaded("gpt2").trace(PROMPT))


def test_attention_from_a_file_has_flow_but_no_model() -> None:
    weights = np.random.default_rng(0).random((2, 3, 5, 5)).astype(np.float32)
    weights /= weights.sum(-1, keepdims=True)
    trace = attntui.given(weights, list("abcde"))
    assert trace.flow().sum(1) == pytest.approx(1, abs=1e-5)
    for ask in (
        lambda: trace.norm(0),
        lambda: trace.gradient(0),
        lambda: trace.relevance(),
        lambda: trace.direct_logits(),
        lambda: trace.logit_lens(),
    ):
        with pytest.raises(attntui.UserError, match="there is no model to ask"):
            ask()


def test_a_class_is_a_target_by_its_name(loaded: Loader) -> None:
    trace = loaded("classifier").trace("the cat sat")
    assert trace.target(token="bright").target.token == 1
    assert trace.target(token="bright", foil="dull").foil == "dull"
    with pytest.raises(attntui.UserError, match="no label of this model"):
        trace.target(token="green")
