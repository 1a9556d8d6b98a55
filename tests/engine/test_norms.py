"""Value-weighted norms against Kobayashi's direct sum, from eager attention and named modules."""

from typing import Any

import pytest
from torch import Tensor, nn

from attntui.core.errors import UserError
from attntui.core.protocol import Edits, Head, Norm, Stack
from attntui.engine import norms
from tests.engine import families
from tests.engine.test_edits import both, edited, projection

VALUES: dict[tuple[str, Stack], str] = {
    ("gpt2", "self"): "transformer.h.{}.attn.c_attn",
    ("llama", "self"): "model.layers.{}.self_attn.v_proj",
    ("gemma2", "self"): "model.layers.{}.self_attn.v_proj",
    ("gpt_oss", "self"): "model.layers.{}.self_attn.v_proj",
    ("bert", "self"): "bert.encoder.layer.{}.attention.self.value",
    ("t5", "encoder"): "encoder.block.{}.layer.0.SelfAttention.v",
    ("t5", "cross"): "decoder.block.{}.layer.1.EncDecAttention.v",
    ("bart", "cross"): "model.decoder.layers.{}.encoder_attn.v_proj",
}


def direct(loaded: Any, prompt: Any, case: tuple[str, Stack], layer: int) -> Tensor:
    """(heads, queries, keys, model size): A_h[i, j] · v_j W_O^h."""
    seen: list[Tensor] = []
    module = loaded.model.get_submodule(VALUES[case].format(layer))
    handle = module.register_forward_hook(lambda _, __, output: seen.append(output[0].double()))
    outputs = families.eager_outputs(loaded, prompt)
    handle.remove()
    attention = families.eager_attentions(outputs)[case[1]][layer].double()
    weight = projection(loaded.model, case, layer).weight.double()
    weight = (weight if case[0] == "gpt2" else weight.T).unflatten(0, (len(attention), -1))
    value = seen[0][:, -32:] if case[0] == "gpt2" else seen[0]
    value = value.unflatten(-1, (-1, weight.shape[1])).transpose(0, 1)
    value = value.repeat_interleave(len(attention) // len(value), dim=0)
    return attention[..., None] * (value @ weight)[:, None]


@pytest.mark.parametrize("case", VALUES, ids=str)
def test_norms_equal_the_direct_sum(
    case: tuple[str, Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(norms, "KEYS", 16)  # more than one tile
    name, stack = case
    loaded, prompt, base = both(name)
    for layer in (0, 1):
        vectors = direct(loaded, prompt, case, layer)
        queries = vectors.shape[1]
        found = base.rows(Norm(stack, layer), 0, queries)
        assert found == pytest.approx(vectors.sum(0).norm(dim=-1).numpy(), abs=3e-5)
        assert abs(found - vectors.norm(dim=-1).sum(0).numpy()).max() > 1e-2  # not a sum of norms
        for head in (0, 3):
            found = base.rows(Norm(stack, layer, head), 5, queries - 2)
            expected = vectors[head, 5:-2].norm(dim=-1).numpy()
            assert found == pytest.approx(expected, abs=3e-5)
            assert expected.max() > 1e-2


def test_heads_that_cancel_leave_nothing() -> None:
    """The root of what float32 leaves of two large numbers is 3e-4 of them."""
    loaded, _, base = both("gpt2")
    call: Any = base.views.layer("self", 0).call  # type: ignore[attr-defined]
    weight = loaded.model.transformer.h[0].attn.c_proj.weight
    for head, share in ((1, 0.3), (2, 0.7)):
        for tensor in (call.query, call.key, call.value):
            tensor[0, head] = tensor[0, 0]
        weight[8 * head : 8 * head + 8] = -share * weight[:8]
    weight[24:] = 0
    assert base.rows(Norm("self", 0, 0), 0, 40).max() > 0.1
    assert base.rows(Norm("self", 0), 0, 40).max() < 1e-6


def test_one_module_that_is_every_layer_is_found_for_each() -> None:
    loaded, _, base = both("albert")
    base.rows(Norm("self", 1), 0, 1)
    assert loaded.projections is not None and len(loaded.projections) == 2
    assert isinstance(loaded.projections[1], nn.Linear)


@pytest.mark.parametrize("name", sorted({*families.INTERFACE} - {"qwen3_next"}))
def test_every_family_has_its_output_projection(name: str) -> None:
    loaded, _, base = both(name)
    tower = base.towers[-1]
    layer = next(at for at, each in enumerate(tower.layers) if each is not None)
    found = base.rows(Norm(tower.name, layer), 0, 3)
    assert found.max() > 0
    calls = [each.call.index for tower in base.towers for each in tower.present]  # type: ignore[attr-defined]
    assert sorted(loaded.projections or ()) == sorted(calls)


@pytest.mark.parametrize(
    ("name", "view", "sentence"),
    [
        ("qwen3_next", Norm("self", 1), "output projection was not found"),
        ("bloom", Norm("self", 1), "its own eager code"),
        ("gpt2", Norm("self", 1, 4), "there is no head 4"),
        ("gpt2", Norm("self", 7), "there is no layer 7"),
    ],
)
def test_where_there_is_no_norm_it_says_why(name: str, view: Norm, sentence: str) -> None:
    _, _, base = both(name)
    with pytest.raises(UserError, match=sentence):
        base.rows(view, 0, 1)


def test_an_edited_run_has_its_own_norms() -> None:
    loaded, prompt, base = both("llama")
    found = edited(loaded, base, Edits((Head("self", 0, 1),)))
    weight = projection(loaded.model, ("llama", "self"), 0).weight
    weight[:, 8:16] = 0
    expected = direct(loaded, prompt, ("llama", "self"), 1).sum(0).norm(dim=-1).numpy()
    assert found.rows(Norm("self", 1), 0, 40) == pytest.approx(expected, abs=3e-5)
    assert abs(base.rows(Norm("self", 1), 0, 40) - expected).max() > 1e-3
