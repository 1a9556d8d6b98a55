"""Layers, masks, stacks and views: every way of asking gives the same numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, masking_utils

from attntui.core.errors import UserError
from attntui.core.protocol import (
    Head,
    Mean,
    Reading,
    Rollout,
    View,
)
from attntui.engine import run, views
from attntui.engine.capture import Call
from attntui.engine.kernels import attend, reference
from attntui.engine.layers import DenseLayer, RecordedLayer
from attntui.engine.masks import RuleMask, TensorMask, allowed, lazy_mask
from attntui.engine.run import Run
from attntui.engine.stacks import Tower
from attntui.engine.windows import cell_map
from tests.engine import families


def call(mask: RuleMask | TensorMask, queries: int = 9, keys: int = 9, **extra: object) -> Call:
    """Six query heads over two key heads, values of another size."""
    generator = torch.Generator().manual_seed(3)
    query, key, value = (
        torch.randn(1, heads, length, size, generator=generator)
        for heads, length, size in ((6, queries, 8), (2, keys, 8), (2, keys, 5))
    )
    return Call(query, key, value, mask, scaling=0.6, **extra)  # type: ignore[arg-type]


def full(queries: int = 9, keys: int = 9) -> RuleMask:
    return RuleMask(queries, keys, torch.device("cpu"), plain="full")


def by_hand(one: Call) -> torch.Tensor:
    """(heads, queries, keys), from the definition, in float64."""
    key = one.key[0].repeat_interleave(3, 0).double()
    scores = one.query[0].double() @ key.transpose(1, 2) * one.scaling
    if one.softcap:
        scores = one.softcap * torch.tanh(scores / one.softcap)
    if one.bias is not None:
        scores = scores + one.bias[0].double()
    mask = allowed(one.mask.rows(0, one.query.shape[2]))
    powers = scores.exp() * mask
    sinks = 0 if one.sinks is None else one.sinks.double().exp()[:, None, None]
    return powers / (powers.sum(-1, keepdim=True) + sinks)


CAUSAL = RuleMask(9, 9, torch.device("cpu"), plain="causal", causal=True)
BIAS = torch.randn(1, 6, 9, 9, generator=torch.Generator().manual_seed(4))
CALLS = {
    "causal": call(CAUSAL),
    "full, other keys": call(full(9, 4), keys=4),
    "soft cap": call(CAUSAL, softcap=0.7),
    "sinks": call(CAUSAL, sinks=torch.linspace(-1, 2, 6)),
    "bias": call(CAUSAL, bias=BIAS),
    "all": call(CAUSAL, softcap=0.7, sinks=torch.linspace(-1, 2, 6), bias=BIAS),
    "bool tensor": call(TensorMask(torch.eye(9, dtype=torch.bool).logical_not()[None, None])),
    "additive tensor": call(
        TensorMask((torch.eye(9) * torch.finfo(torch.float32).min)[None, None])
    ),
    "mask of one row": call(TensorMask(torch.arange(9).lt(5)[None, None, None])),
}


@pytest.mark.parametrize("name", CALLS)
def test_rows_and_kernels_follow_the_definition(name: str) -> None:
    one = CALLS[name]
    layer, expected = RecordedLayer(one), by_hand(one).float()
    assert torch.allclose(layer.rows(0, 9), expected, atol=1e-6)
    for heads in (slice(0, 3), slice(4, 5), slice(2, 5)):
        assert torch.allclose(layer.rows(2, 7, heads), expected[heads, 2:7], atol=1e-6)
    assert (layer.allowed(0, 9) == (expected > 0).any(0)).all()
    sinks = layer.sinks(0, 9)
    assert (sinks is None) is (one.sinks is None)
    if sinks is not None:
        assert torch.allclose(sinks, 1 - expected.sum(-1), atol=1e-6)
    output = (expected @ one.value[0].repeat_interleave(3, 0)).transpose(0, 1)[None]
    assert torch.allclose(attend(one), output, atol=1e-5)
    assert torch.allclose(reference(one), output, atol=1e-5)


def test_a_row_that_may_see_nothing_is_blank() -> None:
    mask = torch.ones(1, 1, 9, 9, dtype=torch.bool)
    mask[0, 0, 4] = False
    assert not RecordedLayer(call(TensorMask(mask))).rows(4, 5).any()


BUILDERS = {
    "causal": masking_utils.create_causal_mask,
    "bidirectional": masking_utils.create_bidirectional_mask,
    "sliding": masking_utils.create_sliding_window_causal_mask,
    "local": masking_utils.create_bidirectional_sliding_window_mask,
    "chunked": masking_utils.create_chunked_causal_mask,
}


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(sorted(BUILDERS)),
    st.integers(1, 20),
    st.integers(2, 24),
    st.integers(0, 3),
    st.data(),
)
def test_masks_equal_those_of_transformers(
    name: str, size: int, local: int, padding: int, data: st.DataObject
) -> None:
    """The rule evaluated by rows equals transformers' own n x n mask, padding included."""
    padding = min(padding, size - 1)
    given_mask = None
    if padding:
        given_mask = torch.ones(1, size, dtype=torch.long)
        given_mask[0, :padding] = 0
    masks = {}
    for implementation in ("attntui", "eager"):
        config = LlamaConfig(attn_implementation=implementation)
        config.sliding_window = config.attention_chunk_size = local
        arguments = {
            "config": config,
            "inputs_embeds": torch.zeros(1, size, 4),
            "attention_mask": given_mask,
            "past_key_values": None,
        }
        masks[implementation] = BUILDERS[name](**arguments)
    ours, theirs = masks["attntui"], masks["eager"]
    assert isinstance(ours, RuleMask)
    expected = torch.ones(size, size, dtype=torch.bool) if theirs is None else theirs[0, 0] == 0
    start = data.draw(st.integers(0, size - 1))
    assert (ours.rows(0, size)[0] == expected).all()
    assert (ours.rows(start, size)[0] == expected[start:]).all()
    if ours.plain is None and not padding:
        assert local < size
    kinds = {"sliding": "sliding", "local": "sliding", "chunked": "chunked"}
    if not padding:
        assert ours.kind == kinds.get(name, "full")
    if size > 1:
        assert ours.causal is (name not in ("bidirectional", "local"))


def test_a_rule_is_cropped_only_to_what_it_is() -> None:
    mask = lazy_mask(1, 5, 5)
    assert mask[:, :, :, :5] is mask and mask[:, :, -0:, :] is mask
    for index in ((slice(None), 0), (slice(None), slice(None), slice(2, None))):
        with pytest.raises(TypeError):
            mask[index]


@pytest.fixture(scope="module")
def gpt_oss() -> Run:
    loaded = families.build("gpt_oss")
    return run.trace(loaded, families.prompt(loaded), 1)


@pytest.fixture(scope="module")
def bart() -> Run:
    loaded = families.build("bart")
    return run.trace(loaded, families.prompt(loaded), 1)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("albert", [["full", "full"]]),
        ("jamba", [["none", "full", "none", "full"]]),
        ("recurrent_gemma", [["none", "none", "sliding"]]),
        ("qwen3_next", [["none", "full", "none"]]),
        ("llama4", [["chunked", "chunked", "chunked", "full"]]),
        ("modernbert", [["full", "sliding", "full"]]),
        ("marian", [["full"] * 2, ["full"] * 3, ["full"] * 3]),
    ],
)
def test_layers_are_found_and_named(name: str, kinds: list[list[str]]) -> None:
    loaded = families.build(name)
    traced = run.trace(loaded, families.prompt(loaded), 1)
    assert [[layer.kind for layer in stack.layers] for stack in traced.stacks] == kinds
    for stack in traced.stacks:
        assert all((layer.heads == 0) is (layer.kind == "none") for layer in stack.layers)


def test_sides_of_an_encoder_decoder(bart: Run) -> None:
    found = [(stack.name, stack.queries, stack.keys, stack.causal) for stack in bart.stacks]
    assert found == [
        ("encoder", "encoder", "encoder", False),
        ("decoder", "decoder", "decoder", True),
        ("cross", "decoder", "encoder", False),
    ]
    assert bart.rows(Head("cross", 2, 3), 0, 27).shape == (27, 40)


def test_equal_lengths_do_not_confuse_self_and_cross() -> None:
    loaded = families.build("bart")
    traced = run.trace(loaded, families.prompt(loaded, 20, 20), 1)
    decoder, cross = (traced.rows(Head(name, 0, 0), 0, 1) for name in ("decoder", "cross"))
    assert decoder[0, 1:].max() == 0 < cross[0, 1:].min()


@pytest.mark.parametrize("tokens", [1, 2])
@pytest.mark.parametrize("name", ["gpt2", "mistral", "bert", "t5", "llama4", "bloom"])
def test_very_short_prompts(name: str, tokens: int) -> None:
    loaded = families.build(name)
    traced = run.trace(loaded, families.prompt(loaded, tokens, tokens), 1)
    for stack, tower in zip(traced.stacks, traced.towers, strict=True):
        rows = traced.rows(Mean(stack.name), 0, tower.shape[0])
        assert rows.sum(1) == pytest.approx(1, abs=1e-5)


def test_what_eager_weights_let_be_seen() -> None:
    """Every key, or those up to the query; a weight of 0 may be one that was rounded."""
    weights = torch.zeros(2, 5, 5)
    weights[..., 0] = 1
    assert (DenseLayer(weights).allowed(1, 4) == torch.ones(5, 5).tril()[1:4]).all()
    weights[0, 0, 3] = 0.5
    assert DenseLayer(weights).allowed(1, 4).all()


def test_cell_maps_leave_gaps_where_there_is_no_attention() -> None:
    loaded = families.build("jamba")
    traced = run.trace(loaded, families.prompt(loaded), 1)
    found = cell_map(traced.reader("self", Reading()), 20, 4)
    assert found.shape == (4, 4) and np.isnan(found[[0, 2]]).all()
    assert found[1, 2] == pytest.approx(traced.rows(Head("self", 1, 2), 20, 21)[0, 4])


def test_kept_means_are_bounded(gpt_oss: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "KEPT_BYTES", 40 * 40 * 4)
    monkeypatch.setattr(views, "BLOCK", 16)
    looked = views.Views(gpt_oss.towers)
    for view in (Mean("self"), Mean("self", 0), Rollout("self")):
        whole = looked.rows(view, 0, 40)
        assert torch.equal(looked.rows(view, 13, 21), whole[13:21])
        assert sum(kept.nbytes for kept in looked._kept.values()) <= 40 * 40 * 4


def test_heads_of_several_widths_make_a_ragged_map() -> None:
    wide, narrow = (torch.full((heads, 2, 2), 0.5) for heads in (3, 1))
    tower = Tower("self", (DenseLayer(wide), DenseLayer(narrow)))
    assert tower.heads == 3 and tower.shape == (2, 2)


BAD: list[tuple[str, View, int, str]] = [
    ("layer", Head("self", 9, 0), 0, "no layer 9: layers are 0 to 2"),
    ("head", Head("self", 0, 4), 0, "no head 4: heads are 0 to 3"),
    ("negative head", Head("self", 0, -1), 0, "no head -1"),
    ("mean", Mean("self", 3), 0, "no layer 3"),
    ("stack", Head("encoder", 0, 0), 0, "no encoder attention here, only self"),
    ("row", Head("self", 0, 0), 40, "rows 40 to 41 are not within the 40"),
]


@pytest.mark.parametrize(
    ("view", "row", "sentence"), [bad[1:] for bad in BAD], ids=[b[0] for b in BAD]
)
def test_what_does_not_exist_is_named(gpt_oss: Run, view: View, row: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        gpt_oss.rows(view, row, row + 1)


def test_a_layer_without_attention_says_so() -> None:
    loaded = families.build("jamba")
    traced = run.trace(loaded, families.prompt(loaded), 1)
    with pytest.raises(UserError, match="layer 0 has no attention"):
        traced.rows(Head("self", 0, 0), 0, 1)
