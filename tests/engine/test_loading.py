"""From a folder to a model: its class, dtype, notes, and what it can predict."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CONFIG_MAPPING

from attntui.core.protocol import ModelInfo, ModelOptions, PromptInput
from attntui.demo import MODELS
from attntui.engine import architecture, devices, encoding, loading
from attntui.engine.hub import Source
from attntui.engine.model import Cancelled, LoadedModel


@pytest.fixture
def copy(tiny: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a tiny model's folder, to be changed."""
    return lambda kind: Path(shutil.copytree(tiny(kind), tmp_path / kind))


def load(model: Path | str, work: Any, **more: Any) -> tuple[LoadedModel, ModelInfo]:
    options = ModelOptions(model=str(model), **{"device": "cpu", **more})
    return loading.load(loading.prepare(options, work), work)


def edit_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text()) | changes
    config = {name: value for name, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))


def edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("kind", ["gpt2", "bert", "classifier", "llama", "t5", "roberta"])
def test_a_folder_becomes_a_checked_model(
    tiny: Callable[[str], Path], work: Any, kind: str
) -> None:
    loaded, info = load(tiny(kind), work)
    assert info.capture == loaded.capture == "interface"
    assert info.self_check is not None and info.self_check <= 1e-5
    assert info.predicts == {"bert": "masked", "roberta": "masked", "classifier": "classes"}.get(
        kind, "next"
    )
    assert (info.device, info.dtype, info.notes) == ("cpu", "float32", ())
    assert info.parameters == sum(each.numel() for each in loaded.model.parameters())
    assert info.mask_token == {"bert": "[MASK]", "roberta": "<mask>"}.get(kind)
    names = [stack.name for stack in info.stacks]
    assert names == (["encoder", "decoder", "cross"] if kind == "t5" else ["self"])
    assert not loaded.model.training
    assert not any(each.requires_grad for each in loaded.model.parameters())
    stages = {stage for stage, *_ in work.stages}
    assert {"loading weights", "checking attention"} <= stages
    last = [each for each in work.stages if each[0] == "loading weights"][-1]
    assert 0 < last[1] < last[2]


@pytest.mark.parametrize(
    ("model_type", "name", "expected", "predicts"),
    [
        ("bert", "BertForMaskedLM", "BertForMaskedLM", "masked"),
        ("bert", "BertForPreTraining", "BertForMaskedLM", "masked"),
        ("bert", "BertModel", "BertModel", None),
        ("bert", None, "BertForMaskedLM", "masked"),
        ("bert", "BertForTokenClassification", "BertForTokenClassification", "classes"),
        ("bert", "BertForQuestionAnswering", "BertModel", None),
        ("gpt2", "GPT2DoubleHeadsModel", "GPT2LMHeadModel", "next"),
        ("gpt2", None, "GPT2LMHeadModel", "next"),
        ("xlm", "XLMWithLMHeadModel", "XLMWithLMHeadModel", "masked"),
        ("t5", "T5WithLMHeadModel", "T5ForConditionalGeneration", "next"),
        ("t5", "T5EncoderModel", "T5EncoderModel", None),
        ("bart", "BartForConditionalGeneration", "BartForConditionalGeneration", "next"),
        ("gemma3", "Gemma3ForConditionalGeneration", "Gemma3ForConditionalGeneration", "next"),
        ("llava", "LlavaForConditionalGeneration", "LlavaForConditionalGeneration", "next"),
    ],
)
def test_the_class_is_the_one_that_the_weights_are_for(
    model_type: str, name: str | None, expected: str, predicts: str | None
) -> None:
    config = CONFIG_MAPPING[model_type]()
    config.architectures = [name] if name else None
    chosen = architecture.choose(config, Source("m", Path(), "m"))
    assert (chosen.model_class.__name__, chosen.predicts) == (expected, predicts)


def test_half_precision_runs_in_float32_on_a_cpu_with_room(
    copy: Callable[[str], Path], work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy("gpt2")
    edit_config(folder, dtype="bfloat16")
    edit_weights(folder, lambda each: each.update({n: t.bfloat16() for n, t in each.items()}))
    loaded, info = load(folder, work)
    assert (loaded.dtype, loaded.model.dtype, info.dtype) == (*[torch.float32] * 2, "float32")
    assert info.notes == ("The weights are bfloat16; on this CPU they run in float32.",)
    _, info = load(folder, work, dtype="bfloat16")
    assert (info.dtype, info.notes) == ("bfloat16", ())
    size = (folder / "model.safetensors").stat().st_size
    monkeypatch.setattr(devices, "available", lambda: size * 3)
    _, info = load(folder, work)
    assert info.dtype == "bfloat16"


def test_a_pickle_is_read_where_there_are_no_safetensors(
    copy: Callable[[str], Path], work: Any
) -> None:
    folder = copy("gpt2")
    weights = load_file(folder / "model.safetensors")
    torch.save({name: tensor + 0 for name, tensor in weights.items()}, folder / "pytorch_model.bin")
    safe, info = load(folder, work)
    assert info.notes == ()
    (folder / "model.safetensors").unlink()
    pickled, info = load(folder, work)
    assert "pickle" in info.notes[0]
    for name, parameter in safe.model.named_parameters():
        assert torch.equal(parameter, pickled.model.get_parameter(name))


def test_shards(copy: Callable[[str], Path], work: Any, load: Any) -> None:
    folder = copy("gpt2")
    load("gpt2").model.save_pretrained(folder / "sharded", max_shard_size="20KB")
    (folder / "model.safetensors").unlink()
    for path in (folder / "sharded").glob("model*"):
        path.rename(folder / path.name)
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    options = ModelOptions(model=str(folder), device="cpu")
    _, info = loading.load(loading.prepare(options, work), work)
    assert info.notes == ()


def test_a_head_that_was_never_trained_predicts_nothing(
    copy: Callable[[str], Path], work: Any
) -> None:
    def drop_head(weights: dict[str, torch.Tensor]) -> None:
        for name in [name for name in weights if name.startswith(("cls.", "classifier."))]:
            del weights[name]

    for kind in ("bert", "classifier"):
        folder = copy(kind)
        edit_weights(folder, drop_head)
        _, info = load(folder, work)
        assert info.predicts is None and info.mask_token is None
        assert info.notes == (
            "The checkpoint has no trained output head: no predictions are shown.",
        )


def test_a_body_with_random_weights_says_so(copy: Callable[[str], Path], work: Any) -> None:
    folder = copy("gpt2")
    edit_weights(folder, lambda each: each.pop("transformer.h.1.attn.c_attn.weight"))
    _, info = load(folder, work)
    assert "so random" in info.notes[0] and "h.1.attn.c_attn.weight" in info.notes[0]
    assert info.predicts == "next"


def test_weights_that_are_not_numbers_say_so(copy: Callable[[str], Path], work: Any) -> None:
    folder = copy("gpt2")

    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights["transformer.h.0.mlp.c_fc.weight"][0, 0] = float("nan")

    edit_weights(folder, spoil)
    _, info = load(folder, work)
    assert any("NaN" in note and "h.0.mlp" in note for note in info.notes)


def test_a_model_that_reads_both_ways_predicts_no_next_token(
    copy: Callable[[str], Path], work: Any
) -> None:
    folder = copy("bert")
    edit_config(folder, architectures=["BertLMHeadModel"])
    _, info = load(folder, work)
    assert info.predicts is None and "both ways" in info.notes[-1]


def test_own_code_runs_only_when_trusted(
    copy: Callable[[str], Path], work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy("gpt2")
    modules = str(tmp_path / "modules")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", modules)
    (folder / "code.py").write_text(
        "from transformers import GPT2Config, GPT2LMHeadModel\n"
        "class OwnConfig(GPT2Config):\n    model_type = 'own'\n"
        "class OwnModel(GPT2LMHeadModel):\n    config_class = OwnConfig\n"
    )
    maps = {"AutoConfig": "code.OwnConfig", "AutoModelForCausalLM": "code.OwnModel"}
    edit_config(folder, model_type="own", architectures=["OwnModel"], auto_map=maps)
    with pytest.raises(Exception, match="--trust-remote-code"):
        load(folder, work)
    _, info = load(folder, work, trust_remote_code=True)
    assert (info.architecture, info.predicts) == ("OwnModel", "next")


def test_loading_can_be_cancelled(tiny: Callable[[str], Path], work: Any) -> None:
    def cancel() -> None:
        if any(stage == "loading weights" for stage, *_ in work.stages):
            raise Cancelled

    work.check_cancel = cancel
    with pytest.raises(Cancelled):
        load(tiny("gpt2"), work)


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name].folder.exists()])
def test_the_bundled_models_load_like_any_other(work: Any, name: str) -> None:
    if not (MODELS[name].folder / "model.safetensors").exists():
        pytest.skip("its weights are not trained yet")
    loaded, info = load(name, work)
    assert (info.name, info.revision) == (name, None)
    assert info.predicts == ("next" if name == "demo" else "masked")
    encoded = encoding.encode(loaded, PromptInput(text=MODELS[name].prompt or "Once upon a time"))
    assert encoded.inputs["input_ids"].shape[1] > 3
