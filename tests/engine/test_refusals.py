"""What cannot be loaded says so in one sentence, before any weight is read."""

import errno
import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    CLIPVisionConfig,
    IdeficsConfig,
    IdeficsForVisionText2Text,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedModel,
)

from attntui.core.errors import UserError
from attntui.core.protocol import Load, ModelOptions, PromptInput, Trace, Unload
from attntui.engine import (
    devices,
    failures,
    fetch,
    hub_refusals,
    loading,
    precision,
    refusals,
    weights,
)
from attntui.engine.model import Cancelled


@pytest.fixture
def folder(tiny: Callable[[str], Path], tmp_path: Path) -> Path:
    """A whole model's folder, to be damaged."""
    return Path(shutil.copytree(tiny("gpt2"), tmp_path / "model"))


def refused(model: Path | str, work: Any, **more: Any) -> str:
    """The one sentence that a load is refused with."""
    options = ModelOptions(model=str(model), **{"device": "cpu", **more})
    with pytest.raises(UserError) as caught:
        loading.load(loading.prepare(options, work), work)
    sentence = str(caught.value)
    assert "\n" not in sentence and "\x1b" not in sentence
    return sentence


def edit_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= changes
    config = {name: value for name, value in config.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))


def test_names_that_are_nothing(tmp_path: Path, work: Any) -> None:
    assert "There is no folder" in refused(tmp_path / "absent", work)
    assert "There is no folder './gpt2'" in refused("./gpt2", work)
    assert "no config.json" in refused(tmp_path, work)
    address = "https://user:secret@huggingface.co/openai/gpt2/tree/main"
    assert refused(address, work).endswith("without the hub's address: openai/gpt2.")
    assert refused("https://huggingface.co", work).endswith("hub's address, such as gpt2.")
    assert refused("https://[x", work).endswith("hub's address, such as gpt2.")
    for address in ("https://huggingface.co/gpt2/tree/main", "hf.co/gpt2"):
        assert refused(address, work).endswith("address: gpt2.")
    assert "No model is named" in refused(" ", work)
    assert refused("demo-brt", work).endswith("the bundled ones are demo and demo-bert.")
    assert "is not on this machine" in refused("someone/unknown", work, offline=True)
    assert "⟨" not in refused("someone/unknown", work, offline=True)


def test_a_folder_has_no_revisions(folder: Path, work: Any) -> None:
    assert "no revisions" in refused(folder, work, revision="v2")
    assert "no revisions" in refused("demo", work, revision="v2")


def test_hostile_names_are_made_safe(work: Any) -> None:
    assert "␛]0;title␇" in refused("/tmp/\x1b]0;title\x07", work)


def test_files_instead_of_folders(folder: Path, work: Any) -> None:
    (folder / "model.gguf").write_bytes(b"GGUF")
    assert "llama.cpp" in refused(folder / "model.gguf", work)
    assert f"name the model's folder, {folder}" in refused(folder / "model.safetensors", work)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ("model.gguf", "llama.cpp"),
        ("model.onnx", "ONNX"),
        ("tf_model.h5", "TensorFlow"),
        ("flax_model.msgpack", "Flax"),
        ("consolidated.00.pth", "Meta's or Mistral's"),
        (None, "no weights"),
    ],
)
def test_other_formats(folder: Path, work: Any, held: str | None, said: str) -> None:
    (folder / "model.safetensors").unlink()
    if held:
        (folder / held).write_bytes(b"weights")
    sentence = refused(folder, work)
    assert said in sentence and "safetensors" in sentence


def test_adapters_and_pipelines(tmp_path: Path, work: Any) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "adapter" in refused(tmp_path, work)
    (tmp_path / "adapter_config.json").rename(tmp_path / "model_index.json")
    assert "diffusers" in refused(tmp_path, work)


def test_damaged_weights(folder: Path, work: Any) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-64])
    assert "cut short" in refused(folder, work)
    path.write_bytes(b"\xff" * 1000)
    assert "damaged" in refused(folder, work)
    path.write_bytes(b"")
    assert "damaged" in refused(folder, work)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert "git lfs pull" in refused(folder, work)


def test_missing_shards(folder: Path, work: Any) -> None:
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    (folder / "model.safetensors").rename(folder / shards[0])
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": shards[0], "b": shards[1]}}))
    sentence = refused(folder, work)
    assert "1 of 2 weight files" in sentence and shards[1] in sentence
    index.write_text("{")
    assert "model.safetensors.index.json is damaged" in refused(folder, work)


def test_weights_of_another_shape(folder: Path, work: Any) -> None:
    edit_config(folder, n_embd=64)
    assert "do not fit its config.json" in refused(folder, work)


def test_configs(folder: Path, work: Any) -> None:
    edit_config(folder, model_type="gpt99")
    assert "'gpt99'" in (sentence := refused(folder, work)) and "upgrade" in sentence
    edit_config(folder, auto_map={"AutoModelForCausalLM": "code.Model"})
    assert "--trust-remote-code" in refused(folder, work)
    edit_config(folder, model_type="gpt2", auto_map=None, n_layer="many")
    assert "config.json" in refused(folder, work)
    (folder / "config.json").write_text("{")
    assert "damaged" in refused(folder, work)


@pytest.mark.parametrize(
    ("model_type", "architecture", "said"),
    [
        ("vit", "ViTForImageClassification", "images"),
        ("whisper", "WhisperForConditionalGeneration", "sound"),
        ("wav2vec2", "Wav2Vec2ForCTC", "sound"),
        ("clip", "CLIPModel", "images"),
        ("focalnet", "FocalNetModel", "images"),
        ("encodec", "EncodecModel", "sound"),
        ("zoedepth", "ZoeDepthForDepthEstimation", "images"),
        ("qwen2_5_omni", "Qwen2_5OmniForConditionalGeneration", "images and videos and sound"),
    ],
)
def test_models_that_read_no_text(
    folder: Path, work: Any, model_type: str, architecture: str, said: str
) -> None:
    (folder / "config.json").write_text(
        json.dumps({"model_type": model_type, "architectures": [architecture]})
    )
    assert said in refused(folder, work)


def _tiny_idefics() -> PreTrainedModel:
    vision = dict(embed_dim=32, image_size=8, patch_size=4, num_hidden_layers=1)
    return IdeficsForVisionText2Text(
        IdeficsConfig(
            vocab_size=339,
            additional_vocab_size=0,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            use_resampler=False,
            vision_config={**vision, "intermediate_size": 64, "num_attention_heads": 4},
        )
    )


def _tiny_llava() -> PreTrainedModel:
    sizes = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
    return LlavaForConditionalGeneration(
        LlavaConfig(
            text_config=LlamaConfig(vocab_size=339, **sizes),
            vision_config=CLIPVisionConfig(image_size=8, patch_size=4, **sizes),
            image_token_index=3,
        )
    )


def test_models_that_read_images_too(
    tiny: Callable[[str], Path], tmp_path: Path, work: Any
) -> None:
    """Text alone is enough where the model runs on it; else one sentence says what is missing."""
    folder = Path(shutil.copytree(tiny("llama"), tmp_path / "model"))
    _tiny_idefics().save_pretrained(folder)
    assert "does not run without images" in refused(folder, work)
    _tiny_llava().save_pretrained(folder)
    options = ModelOptions(model=str(folder), device="cpu")
    _, info = loading.load(loading.prepare(options, work), work)
    assert [stack.name for stack in info.stacks] == ["self"] and info.predicts == "next"


def test_tokenizers(folder: Path, work: Any) -> None:
    (folder / "tokenizer.json").write_text("{")
    assert "tokenizer" in refused(folder, work)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "holds no tokenizer" in refused(folder, work)


def test_packages_that_are_not_here(tmp_path: Path) -> None:
    def sentence(error: Exception) -> str:
        found = refusals.of_tokenizer(error, "some/model", tmp_path)
        assert isinstance(found, UserError)
        return str(found)

    fugashi = ModuleNotFoundError("You need to install fugashi", name="fugashi")
    assert sentence(fugashi).endswith("'attntui[ja]', in a clone pip install '.[ja]'")
    text = "This tokenizer requires the SentencePiece library; run `pip install sentencepiece`."
    assert sentence(ImportError(text)).endswith("pip install sentencepiece protobuf")
    nested = ValueError("cannot instantiate")
    nested.__cause__ = ModuleNotFoundError("No module named 'tiktoken'", name="tiktoken")
    assert sentence(nested).endswith("pip install tiktoken")
    if find_spec("sentencepiece") is None:
        (tmp_path / "spiece.model").write_bytes(b"\n\x0e\n\x05<unk>")
        assert sentence(nested).endswith("pip install sentencepiece protobuf")


def test_devices_and_dtypes(folder: Path, work: Any) -> None:
    assert "unknown" in refused(folder, work, device="gpu")
    assert "not on 'meta'" in refused(folder, work, device="meta")
    assert "unknown" in refused(folder, work, dtype="int3")
    if not torch.cuda.is_available():
        assert "no CUDA device" in refused(folder, work, device="cuda:1")


def test_weights_that_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available", lambda: 10 * 10**9)
    large = weights.Weights(False, 14 * 10**9, 7 * 10**9, torch.bfloat16)
    options = ModelOptions(model="some/7b")
    with pytest.raises(UserError, match=r"needs 14\.0 GB in bfloat16 and 10\.0 GB are free"):
        precision.check_room(large, torch.bfloat16, torch.device("cpu"), options, LlamaConfig())


def test_full_disks(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="HF_HOME"):
        fetch.check_disk(10**18, tmp_path / "not" / "yet")
    error = OSError(errno.ENOSPC, "No space left on device")
    assert "disk is full" in str(hub_refusals.of_hub(error, "m", None))


def test_old_torch_reads_no_pickles(
    folder: Path, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    assert "convert" in refused(folder, work)


def test_pickles_with_code_in_them_run_nothing(folder: Path, work: Any, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    (folder / "model.safetensors").unlink()
    torch.save({"transformer.wte.weight": Evil()}, folder / "pytorch_model.bin")
    assert "convert them to safetensors" in refused(folder, work)
    assert not (tmp_path / "owned").exists()


def test_what_no_head_speaks_for(folder: Path) -> None:
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.int8)}, folder / "x")
    assert weights._header(folder / "x") == {"F32": 6, "I8": 4}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UserError("No."), "user"),
        (Cancelled(), "cancelled"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "room"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "room"),
        (MemoryError(), "room"),
        (RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors"), "fatal"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "fatal"),
        (ValueError("odd\x1b[31m\nsecond line"), "fault"),
    ],
)
def test_exceptions_become_one_reply(error: Exception, kind: str) -> None:
    reply, _ = failures.failed(error, Trace(1, PromptInput(text="x")))
    assert reply.kind == kind
    assert "\n" not in reply.message and "\x1b" not in reply.message
    assert "second line" not in reply.message


def test_out_of_memory_says_what_to_reduce_and_gives_memory_back() -> None:
    error = torch.OutOfMemoryError("CUDA out of memory")
    for request, word in ((Trace(1, PromptInput(text="x")), "shorten"), (Unload(), "shorter")):
        reply, recover = failures.failed(error, request)
        assert word in reply.message and recover
    reply, _ = failures.failed(error, Load(ModelOptions(model="m")))
    assert "--dtype bfloat16" in reply.message
