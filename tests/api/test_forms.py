"""Every form in which others hold attention, built by hand and by transformers itself."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from attntui.api import forms
from attntui.core.axes import Layers
from attntui.core.errors import UserError
from tests.api.conftest import PROMPT

A = torch.softmax(torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(0)) * 3, -1)


class Cache:
    """As TransformerLens's ActivationCache: names, and shorthands that are no names."""

    def __init__(self, held: dict[str, torch.Tensor]) -> None:
        self._held = held

    def __getitem__(self, name: Any) -> torch.Tensor:
        if isinstance(name, tuple):
            return self._held[f"blocks.{name[1]}.attn.hook_{name[0]}"]
        return self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def keys(self) -> Any:
        return self._held.keys()


def cache(batched: bool, layers: tuple[int, ...] = (0, 1, 2)) -> Cache:
    held: dict[str, torch.Tensor] = {"hook_embed": torch.zeros(5, 8)}
    for layer in layers:
        pattern = A[layer][None] if batched else A[layer]
        held[f"blocks.{layer}.attn.hook_attn_scores"] = pattern.log()
        held[f"blocks.{layer}.attn.hook_pattern"] = pattern
    return Cache(held)


def read(attention: object) -> Layers:
    ((name, found),) = forms.by_name(attention).items()
    assert name == "attention"
    return forms.layers(found, name)


@pytest.mark.parametrize(
    "attention",
    [
        tuple(layer[None] for layer in A),  # transformers, and bertviz
        [layer[None].numpy() for layer in A],
        {"logits": torch.zeros(1, 5, 9), "attentions": tuple(layer[None] for layer in A)},
        OrderedDict(attentions=list(A), cross_attentions=(A[0],)),
        torch.stack([layer[None] for layer in A]),
        A,
        A.numpy(),
        A.numpy().astype(np.float64),
        A.tolist(),
        [layer.numpy() for layer in A],
        cache(batched=True),
        cache(batched=False),
        [cache(batched=True)["pattern", layer] for layer in range(3)],
        A.clone().requires_grad_(),
    ],
)
def test_every_form_is_the_same_attention(attention: object) -> None:
    for found, expected in zip(read(attention), A.numpy(), strict=True):
        assert found is not None and found.dtype == np.float32
        assert found == pytest.approx(expected, abs=1e-6)


def test_half_precision_becomes_single() -> None:
    found = read(tuple(layer[None].bfloat16() for layer in A))
    assert np.array_equal(np.stack(found), A.bfloat16().float().numpy())  # type: ignore[arg-type]


def test_one_layer_and_one_head() -> None:
    assert np.array_equal(read(A[1])[0], A[1].numpy())  # type: ignore[arg-type]
    assert np.array_equal(read(A[1, 0])[0], A[1, :1].numpy())  # type: ignore[arg-type]
    assert np.array_equal(read(A[1, 0].tolist())[0], A[1, :1].numpy())  # type: ignore[arg-type]


def test_layers_that_are_left_out_keep_their_places() -> None:
    found = read(cache(batched=True, layers=(0, 2)))
    assert [layer is None for layer in found] == [False, True, False]
    found = read((None, A[1][None], None))  # jamba: layers without attention
    assert [layer is None for layer in found] == [True, False, True]


def test_an_encoder_decoders_outputs() -> None:
    own, across = tuple(A[:, None]), tuple(A[:2, None, :, :4])
    names = {"encoder_attentions": own, "decoder_attentions": own, "cross_attentions": across}
    assert list(forms.by_name({**names, "logits": A})) == [
        "encoder_attention",
        "decoder_attention",
        "cross_attention",
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("encoder.0.attn", "decoder.0.attn", "decoder.0.cross_attn"),
        ("encoder_blocks.0.attn", "decoder_blocks.0.self_attn", "decoder_blocks.0.cross_attn"),
    ],
)
def test_an_encoder_decoders_caches(names: tuple[str, ...]) -> None:
    held = {f"{name}.hook_pattern": A[at] for at, name in enumerate(names)}
    found = forms.by_name(Cache(held))
    expected = dict(
        zip(["encoder_attention", "decoder_attention", "cross_attention"], A, strict=True)
    )
    assert list(found) == list(expected)
    for name, layers in found.items():
        assert np.array_equal(forms.layers(layers, name)[0], expected[name])  # type: ignore[arg-type]


def test_transformers_own_outputs(eager: Callable[..., Any]) -> None:
    outputs, _ = eager("gpt2", PROMPT)
    for attention in (outputs, outputs.attentions):
        for found, expected in zip(read(attention), outputs.attentions, strict=True):
            assert np.array_equal(found, expected[0].numpy())  # type: ignore[arg-type]


STEPS = tuple(tuple(layer[None] for layer in A) for _ in range(2))


@pytest.mark.parametrize(
    ("attention", "sentence"),
    [
        ((), 'holds no layer: .* attn_implementation="eager"'),
        ({"attentions": ()}, "holds no layer"),
        ((None, None), "holds no layer"),
        ({"logits": A, "attentions": None}, "must hold attentions.*this holds logits, attentions"),
        (Cache({"hook_embed": A}), "must hold attentions.*this holds hook_embed"),
        ({}, "this holds nothing"),
        (STEPS, "a list of layers for each step, as generate returns it"),
        (tuple(torch.stack([layer, layer]) for layer in A), "layer 0 of attention holds 2 texts"),
        (torch.zeros(5), "attention has 1 axes"),
        ([[0.5, 0.5], [1.0]], "lists of unequal length"),
        ("attention", "holds no real numbers"),
        (object(), "holds no real numbers"),
    ],
)
def test_other_forms_are_refused_in_words(attention: object, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read(attention)


@pytest.mark.parametrize("tokens", [["a", "b"], ("a", "b"), np.array(["a", "b"]), iter("ab")])
def test_tokens_are_any_list_of_texts(tokens: object) -> None:
    assert forms.texts(tokens, "tokens") == ["a", "b"]


@pytest.mark.parametrize(
    ("tokens", "kind"),
    [
        ("a text", "str"),
        (7, "int"),
        ([1, 2], "int"),
        (torch.tensor([1, 2]), "Tensor"),
        (["a", None], "NoneType"),
        ([["a", "b"]], "list"),
    ],
)
def test_what_are_no_tokens_is_said(tokens: object, kind: str) -> None:
    with pytest.raises(UserError, match=rf"tokens must be a list of texts.*and not {kind}\."):
        forms.texts(tokens, "tokens")
