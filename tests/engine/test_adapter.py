"""A PEFT adapter merged into the weights: against peft's own model with eager attention."""

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose
from transformers import AutoModelForCausalLM, AutoTokenizer

from attntui.core.errors import UserError
from attntui.core.protocol import GetShifts, Head, Load, ModelOptions, PromptInput, Trace, Traced
from attntui.engine import adapter
from attntui.engine.session import Session

TEXT = "The quick brown fox jumps over the lazy dog."
needs_peft = pytest.mark.skipif(find_spec("peft") is None, reason="needs peft: pip install peft")


def options(model: Path, folder: Path | str, **more: Any) -> ModelOptions:
    return ModelOptions(model=str(model), adapter=str(folder), device="cpu", **more)


@pytest.fixture
def lora(tiny: Callable[[str], Path], tmp_path: Path) -> Path:
    """A LoRA of every attention projection, strong enough to be seen."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(tiny("llama"), dtype=torch.float32)
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    net = get_peft_model(base, LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM"))
    for name, parameter in net.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    net.save_pretrained(tmp_path / "lora")
    return tmp_path / "lora"


@needs_peft
def test_attention_and_logits_are_those_of_peft(
    lora: Path, tiny: Callable[[str], Path], work: Any
) -> None:
    from peft import PeftModel

    folder, session = tiny("llama"), Session()
    session.answer(Load(ModelOptions(model=str(folder), device="cpu")), work)
    session.answer(Trace(1, PromptInput(text=TEXT)), work)
    session.answer(Load(options(folder, lora), (1,)), work)
    traced, _ = session.answer(Trace(2, PromptInput(text=TEXT), (1,)), work)
    assert isinstance(traced, Traced) and traced.info.trust.exact
    assert traced.info.model is not None and traced.info.model.name == f"{folder} + {lora}"
    base = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    ids = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        outputs = PeftModel.from_pretrained(base, lora).eval()(ids, output_attentions=True)
    held = session._runs[2]
    for layer, attention in enumerate(outputs.attentions):
        for head in range(attention.shape[1]):
            rows = held.rows(Head("self", layer, head), 0, attention.shape[2])
            assert_allclose(rows, attention[0, head], atol=1e-5)
    assert held.logits is not None
    assert_allclose(held.logits, outputs.logits[0], atol=1e-4)
    _, (shifts,) = session.answer(GetShifts(2, "self", 1), work)
    assert (shifts > 0.01).any()


@needs_peft
def test_one_of_another_model_is_refused(
    lora: Path, tiny: Callable[[str], Path], tmp_path: Path, work: Any
) -> None:
    with pytest.raises(UserError, match=r"does not fit .*gpt2; it was made for .*llama"):
        Session().answer(Load(options(tiny("gpt2"), lora)), work)
    shallow = tmp_path / "shallow"
    shutil.copytree(tiny("llama"), shallow)
    net = AutoModelForCausalLM.from_pretrained(shallow)
    net.model.layers = net.model.layers[:1]
    net.config.num_hidden_layers = 1
    net.save_pretrained(shallow)
    with pytest.raises(UserError, match=r"does not fit .*shallow"):
        Session().answer(Load(options(shallow, lora)), work)
    (lora / adapter.WEIGHTS).write_bytes(b"no safetensors")
    with pytest.raises(UserError, match="damaged"):
        Session().answer(Load(options(tiny("llama"), lora)), work)


@needs_peft
def test_a_prefix_is_no_part_of_the_weights(
    tiny: Callable[[str], Path], tmp_path: Path, work: Any
) -> None:
    from peft import PromptTuningConfig, get_peft_model

    base = AutoModelForCausalLM.from_pretrained(tiny("llama"))
    get_peft_model(
        base, PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
    ).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="cannot be merged into the weights"):
        Session().answer(Load(options(tiny("llama"), tmp_path)), work)


def test_what_cannot_be_read_is_refused_in_a_sentence(
    tiny: Callable[[str], Path], tmp_path: Path, work: Any, monkeypatch: Any
) -> None:
    model = tiny("llama")

    def refusal(folder: Path | str, **more: Any) -> str:
        with pytest.raises(UserError) as refused:
            Session().answer(Load(options(model, folder, **more)), work)
        return str(refused.value)

    monkeypatch.setattr(adapter, "find_spec", lambda name: None)
    assert refusal(tmp_path) == (
        "An adapter needs a package that is not here: pip install 'attntui[peft]', in a clone pip"
        " install '.[peft]'"
    )
    monkeypatch.setattr(adapter, "find_spec", lambda name: name)
    assert "There is no folder './none'" in refusal("./none")
    assert "it holds no adapter_config.json" in refusal(tmp_path)
    (tmp_path / adapter.CONFIG).write_text(json.dumps(["no config"]))
    assert "holds no weights" in refusal(tmp_path)
    (tmp_path / adapter.PICKLE).write_bytes(b"")
    assert "are a pickle" in refusal(tmp_path)
    assert "adapter_config.json of" in refusal(tmp_path, trust_remote_code=True)
