"""Captured attention equals the model's own eager attention, family by family, on the real path."""

import pytest
import torch
import transformers

from attntui.core.errors import UserError
from attntui.core.protocol import Head
from attntui.engine import devices, room, run, trust
from attntui.engine.families import can_capture
from attntui.engine.forward import held_bytes
from attntui.engine.model import Cancelled, LoadedModel
from tests.engine import families
from tests.engine.families import BERT, EAGER, FAMILIES, INTERFACE, LLAMA, MLA


def _largest_difference(loaded: LoadedModel, traced: run.Run) -> tuple[float, float]:
    """Of any weight of any layer, head and row; and of any logit; captured against eager."""
    prompt = traced.encoded
    outputs = families.eager_outputs(loaded, prompt)
    expected = families.eager_attentions(outputs)
    assert [stack.name for stack in traced.stacks] == list(expected)
    largest = 0.0
    for tower in traced.towers:
        assert len(tower.present) == len(expected[tower.name])
        for layer, eager in zip(tower.present, expected[tower.name], strict=True):
            rows = layer.rows(0, layer.queries)
            assert rows.shape == eager.shape
            largest = max(largest, float((rows - eager).abs().max()))
            last = slice(layer.info.heads - 1, layer.info.heads)
            one = layer.rows(0, layer.queries, last)
            assert torch.allclose(one, rows[last], atol=1e-6)
    if traced.logits is None:
        return largest, 0.0
    return largest, float((traced.logits - outputs.logits[0]).abs().max())


@pytest.mark.parametrize("name", FAMILIES)
def test_every_weight_equals_eager(name: str) -> None:
    loaded = families.build(name)
    assert loaded.capture == ("interface" if name in INTERFACE else "eager")
    loaded.self_check, loaded.stacks = trust.self_check(loaded, families.prompt(loaded, 12))
    traced = run.trace(loaded, families.prompt(loaded), 1)
    weights, logits = _largest_difference(loaded, traced)
    assert weights < 1e-5
    assert logits < 1e-4
    assert traced.trust.exact is (name in INTERFACE), traced.trust
    kinds = [[layer.kind for layer in stack.layers] for stack in traced.stacks]
    assert kinds == [[layer.kind for layer in stack.layers] for stack in loaded.stacks]


@pytest.mark.parametrize("name", ["mistral", "llama4", "gemma2", "gpt_oss", "t5", "modernbert"])
def test_tiles_of_rows_equal_eager(name: str) -> None:
    """More rows than one tile of the kernel holds."""
    loaded = families.build(name)
    traced = run.trace(loaded, families.prompt(loaded, 300), 1)
    weights, logits = _largest_difference(loaded, traced)
    assert weights < 1e-5
    assert logits < 1e-4


def test_half_precision_meets_its_tolerance() -> None:
    loaded = families.build("llama", torch.bfloat16)
    prompt = families.prompt(loaded)
    loaded.self_check, loaded.stacks = trust.self_check(loaded, prompt)
    traced = run.trace(loaded, prompt, 1)
    assert traced.trust.exact and traced.trust.dtype == "bfloat16", traced.trust
    assert traced.rows(Head("self", 0, 0), 0, 3).sum(-1) == pytest.approx(1, abs=1e-6)
    assert traced.logits is not None and traced.logits.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("class_name", "config_name", "options", "sentence"),
    [
        ("MambaForCausalLM", "MambaConfig", dict(hidden_size=16), "mamba: .* no attention"),
        ("RwkvForCausalLM", "RwkvConfig", dict(hidden_size=16), "no softmax attention"),
        ("LongformerForMaskedLM", "LongformerConfig", {**BERT, "attention_window": 8}, "windows"),
        ("BigBirdForMaskedLM", "BigBirdConfig", BERT, "sparse blocks"),
        ("PegasusXForConditionalGeneration", "PegasusXConfig", families.SEQ2SEQ, "blocks"),
    ],
)
def test_what_is_no_matrix_is_refused(
    class_name: str, config_name: str, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        small = {"vocab_size": 64, "num_hidden_layers": 2}
        families.load(class_name, config_name, {**small, **options})


def test_scores_are_not_taken_for_weights() -> None:
    """squeezebert returns its scores before the softmax as `attentions`."""
    groups = ("q", "k", "v", "post_attention", "intermediate", "output")
    options = {**BERT, "embedding_size": 32, **{f"{name}_groups": 1 for name in groups}}
    loaded = families.load("SqueezeBertForMaskedLM", "SqueezeBertConfig", options)
    with pytest.raises(UserError, match="no weights"):
        run.trace(loaded, families.prompt(loaded), 1)


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("LlamaForCausalLM", True),
        ("T5ForConditionalGeneration", True),
        ("BloomForCausalLM", False),
        ("MptForCausalLM", False),
        ("DeepseekV32ForCausalLM", False),
        ("DogeForCausalLM", False),
    ],
)
def test_the_gate_before_loading(class_name: str, expected: bool) -> None:
    assert can_capture(getattr(transformers, class_name)) is expected


def test_keys_selected_by_an_index_are_read_eagerly() -> None:
    selection = {"index_topk": 8, "index_n_heads": 2, "index_head_dim": 8, "num_key_value_heads": 4}
    options = {**LLAMA, **MLA, **selection}
    loaded = families.load("DeepseekV32ForCausalLM", "DeepseekV32Config", options)
    assert loaded.capture == "eager"
    traced = run.trace(loaded, families.prompt(loaded), 1)
    assert (traced.rows(Head("self", 0, 0), 39, 40) > 0).sum() == 8


def test_a_model_that_indexes_its_mask_falls_back_to_eager() -> None:
    options = {**families.SEQ2SEQ, "num_experts": 4, "encoder_sparse_step": 2}
    loaded = families.load("NllbMoeForConditionalGeneration", "NllbMoeConfig", options)
    prompt = families.prompt(loaded)
    assert trust.self_check(loaded, prompt)[0] is None
    assert loaded.capture == "eager" and "mask" in loaded.notes[0]
    assert not run.trace(loaded, prompt, 1).trust.exact


def test_an_encoder_alone_is_no_encoder_decoder() -> None:
    """UMT5's keeps the config of the whole family."""
    loaded = families.load("UMT5EncoderModel", "UMT5Config", families.INTERFACE["t5"][2])
    assert loaded.model.config.is_encoder_decoder
    prompt = families.encoded(text=torch.arange(3, 20)[None])
    loaded.self_check, loaded.stacks = trust.self_check(loaded, prompt)
    traced = run.trace(loaded, prompt, 1)
    assert [stack.name for stack in traced.stacks] == ["self"] and traced.trust.exact


def test_a_decoder_alone_with_more_layers_than_its_encoder() -> None:
    """BART's makes a cache for as many layers as the encoder it does not have."""
    loaded = families.load("BartForCausalLM", "BartConfig", families.SEQ2SEQ)
    prompt = families.prompt(loaded)
    loaded.self_check, loaded.stacks = trust.self_check(loaded, prompt)
    traced = run.trace(loaded, prompt, 1)
    assert len(traced.stacks[0].layers) == 3 and traced.trust.exact


@pytest.mark.parametrize(("name", "heads"), [("gpt2", 0), ("bloom", 8), ("t5", 0)])
def test_a_prompt_too_large_for_the_memory_is_refused(
    name: str, heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its logits, q, k and v, and where the model returns whole matrices, those of all heads."""
    loaded = families.build(name)
    prompt = families.prompt(loaded)
    _, loaded.stacks = trust.self_check(loaded, families.prompt(loaded, 12))
    needed = 4 * (len(prompt.sides[-1].tokens) * families.VOCABULARY + heads * families.TOKENS**2)
    assert loaded.footprint is not None
    need = room.need(loaded, loaded.footprint, prompt)
    whole = need.work + need.outputs + sum(need.layers.values())
    assert whole - need.work >= needed
    monkeypatch.setattr(devices, "free", lambda device: whole + room.SPARE)
    run.trace(loaded, prompt, 1)
    monkeypatch.setattr(devices, "free", lambda device: whole + room.SPARE - 1)
    with pytest.raises(UserError, match=r"tokens needs .* are free .*: .*shorten it"):
        run.trace(loaded, prompt, 1)


def test_memory_grows_with_the_tokens_and_not_with_their_square() -> None:
    for name in ("gpt2", "gpt_neox", "mistral", "deepseek_v3", "gpt_oss"):
        loaded = families.build(name)
        sizes = []
        for tokens in (500, 1000):
            traced = run.trace(loaded, families.prompt(loaded, tokens), 1)
            recorded = [layer.call for layer in traced.towers[0].present]  # type: ignore[attr-defined]
            bare = sum(
                tensor.numel() * 4
                for call in recorded
                for tensor in (call.query, call.key, call.value)
            )
            assert traced.recorded_bytes == held_bytes(traced.towers) <= 1.1 * bare
            sizes.append(traced.recorded_bytes)
        assert sizes[1] < 2.05 * sizes[0]


def test_a_forward_can_be_given_up_at_any_layer() -> None:
    loaded = families.build("llama")
    seen: list[tuple[str, int, int]] = []

    def stop_at_the_second() -> None:
        if len(seen) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        run.trace(
            loaded,
            families.prompt(loaded),
            1,
            check_cancel=stop_at_the_second,
            progress=lambda *report: seen.append(report),
        )
    assert seen == [("forward", 0, 3), ("forward", 1, 3)]
    assert run.trace(loaded, families.prompt(loaded), 1).stacks[0].causal


def test_a_registered_function_without_recording_changes_nothing() -> None:
    loaded = families.build("gemma2")
    prompt = families.prompt(loaded)
    with torch.no_grad():
        logits = loaded.model(**prompt.inputs).logits
    assert torch.allclose(logits, families.eager_outputs(loaded, prompt).logits, atol=1e-5)


def test_eager_families_are_labelled() -> None:
    for name in list(EAGER)[:2]:
        loaded = families.build(name)
        traced = run.trace(loaded, families.prompt(loaded), 1)
        assert not traced.trust.exact and "eager" in traced.trust.why
        assert traced.trust.output_error is None and traced.trust.row_sum_error < 1e-6
