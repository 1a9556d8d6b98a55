"""A query's scores taken apart: against q · k from forward hooks, and against eager attention."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from attntui.core.errors import UserError
from attntui.core.protocol import GetScores, Scores, Stack
from attntui.engine import run
from attntui.engine.capture import Call
from attntui.engine.layers import RecordedLayer
from attntui.engine.masks import TensorMask
from attntui.engine.scores import take_apart
from tests.engine import families

QUERY = 21
Vectors = tuple[torch.Tensor, torch.Tensor]
"""q (heads, queries, size) and k (key heads, keys, size)."""


def ask(held: run.Run, request: GetScores) -> tuple[Scores, list[np.ndarray]]:
    return take_apart(held.views.layer(request.stack, request.layer), request)


def parts(held: run.Run, stack: Stack, layer: int, head: int) -> tuple[Scores, dict[str, Any]]:
    """One query's scores over all keys, its arrays by name."""
    keys = next(tower.shape[1] for tower in held.towers if tower.name == stack)
    found, arrays = ask(held, GetScores(1, stack, layer, head, QUERY, (0, keys)))
    assert all(array.dtype == np.float32 for array in arrays)
    return found, dict(zip(("query", "keys", "scores", "weights"), arrays, strict=True))


@contextmanager
def hooked(model: torch.nn.Module, *names: str) -> Iterator[dict[str, torch.Tensor]]:
    """The outputs (positions, size) of modules in the forward passes inside, by name."""
    found: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda module, arguments, output: found.__setitem__(name, output[0])

    handles = [model.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    yield found
    for handle in handles:
        handle.remove()


def heads(flat: torch.Tensor, size: int = 8) -> torch.Tensor:
    """(positions, heads x size) as (heads, positions, size)."""
    return flat.reshape(len(flat), -1, size).transpose(0, 1)


def by_hooks(loaded: Any, prompt: Any, *names: str) -> list[torch.Tensor]:
    with hooked(loaded.model, *names) as found, torch.no_grad():
        loaded.model(**prompt.inputs)
    return [found[name] for name in names]


def gpt2(loaded: Any, prompt: Any) -> Vectors:
    (joined,) = by_hooks(loaded, prompt, "transformer.h.1.attn.c_attn")
    query, key, _ = joined.split(32, dim=1)
    return heads(query), heads(key)


def bert(loaded: Any, prompt: Any) -> Vectors:
    where = "bert.encoder.layer.1.attention.self"
    query, key = by_hooks(loaded, prompt, f"{where}.query", f"{where}.key")
    return heads(query), heads(key)


def llama(loaded: Any, prompt: Any) -> Vectors:
    where = "model.layers.1.self_attn"
    query, key = by_hooks(loaded, prompt, f"{where}.q_proj", f"{where}.k_proj")
    positions = torch.arange(len(query))[None]
    cosines, sines = loaded.model.model.rotary_emb(query, positions)
    turned = apply_rotary_pos_emb(heads(query)[None], heads(key)[None], cosines, sines)
    return turned[0][0], turned[1][0]


def t5(where: str) -> Callable[[Any, Any], Vectors]:
    def vectors(loaded: Any, prompt: Any) -> Vectors:
        query, key = by_hooks(loaded, prompt, f"{where}.q", f"{where}.k")
        return heads(query), heads(key)

    return vectors


HOOKS: dict[str, tuple[str, Stack, Callable[[Any, Any], Vectors], float]] = {
    "gpt2": ("gpt2", "self", gpt2, 8**-0.5),
    "gpt2, scaled by layer": ("gpt2_scaled", "self", gpt2, 8**-0.5 / 2),
    "bert": ("bert", "self", bert, 8**-0.5),
    "llama, rotary, two heads a key": ("llama", "self", llama, 8**-0.5),
    "t5 encoder": ("t5", "encoder", t5("encoder.block.1.layer.0.SelfAttention"), 1.0),
    "t5 decoder": ("t5", "decoder", t5("decoder.block.1.layer.0.SelfAttention"), 1.0),
    "t5 cross": ("t5", "cross", t5("decoder.block.1.layer.1.EncDecAttention"), 1.0),
}


def position_bias(loaded: Any, stack: Stack, queries: int, keys: int) -> torch.Tensor:
    """(heads, queries, keys): T5's own, which the first layer of a tower computes; 0 elsewhere."""
    if loaded.model.config.model_type != "t5" or stack == "cross":
        return torch.zeros(4, queries, keys)
    tower = getattr(loaded.model, stack)
    bias: torch.Tensor = tower.block[0].layer[0].SelfAttention.compute_bias(queries, keys)
    return bias[0]


@pytest.mark.parametrize("name", HOOKS)
def test_they_are_those_of_the_models_own_projections(name: str) -> None:
    family, stack, vectors, scaling = HOOKS[name]
    loaded = families.build(family)
    prompt = families.prompt(loaded)
    held = run.trace(loaded, prompt, 1)
    query, key = vectors(loaded, prompt)
    bias = position_bias(loaded, stack, query.shape[1], key.shape[1])
    causal = next(tower.causal for tower in held.towers if tower.name == stack)
    for head in range(len(query)):
        found, arrays = parts(held, stack, 1, head)
        own_key = key[head * len(key) // len(query)]
        assert found == Scores(1, pytest.approx(scaling), None, bool(bias.any()))
        assert np.abs(arrays["query"] - query[head, QUERY].numpy()).max() < 1e-6
        assert np.abs(arrays["keys"] - own_key.numpy()).max() < 1e-6
        expected = scaling * (own_key @ query[head, QUERY]) + bias[head, QUERY]
        seen = QUERY + 1 if causal else len(own_key)
        assert np.abs(arrays["scores"] - expected.numpy())[:seen].max() < 1e-5
        assert (arrays["scores"][seen:] == -np.inf).all()


FAMILIES = [
    "gpt2",
    "bert",
    "albert",
    "modernbert",
    "llama",
    "mistral",
    "llama4",
    "gemma2",
    "gpt_oss",
    "deepseek_v3",
    "gpt_bigcode",
    "t5",
    "bart",
]


def learned_sink(loaded: Any, layer: int, head: int) -> list[float]:
    """The score of gpt-oss's own sink, which shares the softmax with the keys."""
    if loaded.model.config.model_type != "gpt_oss":
        return []
    return [float(loaded.model.model.layers[layer].self_attn.sinks[head])]


@pytest.mark.parametrize("name", FAMILIES)
def test_their_softmax_is_eager_attention(name: str) -> None:
    """And they follow the definition in `Scores`: cap(scaling x q · k) + bias + mask."""
    loaded = families.build(name)
    prompt = families.prompt(loaded)
    held = run.trace(loaded, prompt, 1)
    expected = families.eager_attentions(families.eager_outputs(loaded, prompt))
    for stack, layers in expected.items():
        for number, eager in enumerate(layers):
            for head in range(len(eager)):
                found, arrays = parts(held, stack, number, head)
                sink = learned_sink(loaded, number, head)
                powers = np.exp(np.append(arrays["scores"], sink).astype(np.float64))
                row = eager[head, QUERY].numpy()
                assert np.abs((powers / powers.sum())[: len(row)] - row).max() < 1e-5
                assert np.abs(arrays["weights"] - row).max() < 1e-5
                products = found.scaling * (arrays["keys"] @ arrays["query"])
                if found.softcap:
                    products = found.softcap * np.tanh(products / found.softcap)
                visible = np.isfinite(arrays["scores"])
                assert (row[~visible] == 0).all()
                added = np.abs(arrays["scores"] - products)[visible].max()
                assert added > 1e-3 if found.has_bias else added < 1e-5
                assert found.has_bias is (name == "t5" and stack != "cross")
                assert (found.softcap is not None) is (name == "gemma2")


def test_a_range_of_keys_is_cut_from_the_whole_row() -> None:
    loaded = families.build("gpt_oss")
    held = run.trace(loaded, families.prompt(loaded), 1)
    _, whole = parts(held, "self", 1, 2)
    _, (query, keys, scores, weights) = ask(held, GetScores(1, "self", 1, 2, QUERY, (5, 12)))
    assert (query == whole["query"]).all() and keys.shape == (7, 8)
    for name, part in (("keys", keys), ("scores", scores), ("weights", weights)):
        assert (part == whole[name][5:12]).all()


def test_a_mask_that_adds_is_a_bias() -> None:
    mask = torch.zeros(1, 1, 3, 3)
    mask[0, 0, 1] = torch.tensor([0.5, 0.0, torch.finfo(torch.float32).min])
    query, key, value = torch.randn(3, 1, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    layer = RecordedLayer(Call(query, key, value, TensorMask(mask), 1.0))
    plain, _ = take_apart(layer, GetScores(1, "self", 0, 1, 0, (0, 3)))
    assert not plain.has_bias
    found, parts = take_apart(layer, GetScores(1, "self", 0, 1, 1, (0, 3)))
    assert found.has_bias
    expected = key[0, 1] @ query[0, 1, 1] + torch.tensor([0.5, 0.0, -torch.inf])
    np.testing.assert_allclose(parts[2], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (GetScores(1, "self", 3, 0, 0, (0, 1)), "no layer 3"),
        (GetScores(1, "cross", 0, 0, 0, (0, 1)), "no cross attention"),
        (GetScores(1, "self", 0, 4, 0, (0, 1)), "no head 4: heads are 0 to 3"),
        (GetScores(1, "self", 0, -1, 0, (0, 1)), "no head -1"),
        (GetScores(1, "self", 0, 0, 40, (0, 1)), "no query 40: queries are 0 to 39"),
        (GetScores(1, "self", 0, 0, 0, (30, 41)), "keys 30 to 41 are not within the 40"),
        (GetScores(1, "self", 0, 0, 0, (3, 2)), "keys 3 to 2"),
    ],
)
def test_what_does_not_exist_is_named(request_: GetScores, sentence: str) -> None:
    loaded = families.build("llama")
    held = run.trace(loaded, families.prompt(loaded), 1)
    with pytest.raises(UserError, match=sentence):
        ask(held, request_)


@pytest.mark.parametrize("name", ["bloom", "deberta_v2"])
def test_where_only_weights_are_known_it_says_so(name: str) -> None:
    loaded = families.build(name)
    held = run.trace(loaded, families.prompt(loaded), 1)
    with pytest.raises(UserError, match=r"only the weights are known.*such as gpt2"):
        ask(held, GetScores(1, "self", 0, 0, 0, (0, 1)))
