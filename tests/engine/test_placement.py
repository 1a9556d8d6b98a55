"""Models spread over devices, and packed: where their packages are. No GPU is needed: a CPU and a
disk are two places, and layers on disk are read for each run as those beside a GPU are."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import LlamaConfig, LlamaForCausalLM

from attntui.core.errors import UserError
from attntui.core.protocol import (
    Chosen,
    GetAttribution,
    GetEffects,
    GetLogits,
    GetWindow,
    Gradient,
    Head,
    Load,
    Mean,
    Measure,
    ModelOptions,
    Norm,
    PromptInput,
    Rollout,
    Target,
    Trace,
)
from attntui.engine import loading, placement
from attntui.engine.capture import Call
from attntui.engine.edits import Change, head_outputs
from attntui.engine.layers import RecordedLayer
from attntui.engine.masks import RuleMask
from attntui.engine.relevance import relevance
from attntui.engine.rollout import rollout
from attntui.engine.session import Session
from attntui.engine.stacks import Tower
from attntui.engine.sweep import _Gates
from attntui.engine.variants import Off, _Batch
from attntui.engine.views import Views

TEXT = "the cat sat on the mat"


def refused(work: Any, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        loading.prepare(ModelOptions(model="demo", **options), work)
    return str(caught.value)


def test_what_cannot_go_together(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "give both" in refused(work, max_memory="cpu=1GB")
    assert "auto or nothing" in refused(work, device_map="balanced")
    assert "leave out --device." in refused(work, device_map="auto", device="cpu")
    assert "leave out --device-map" in refused(work, device_map="auto", adapter="some/lora")
    assert "leave out --quantize" in refused(work, quantize="4bit", adapter="some/lora")
    monkeypatch.setattr("attntui.engine.placement.find_spec", lambda _: None)
    assert "attntui[accelerate]" in refused(work, device_map="auto")
    monkeypatch.setattr("attntui.engine.quantising.find_spec", lambda _: None)
    assert "attntui[quantize]" in refused(work, quantize="8bit")


@pytest.mark.parametrize("text", ["", "20GB", "cpu=20", "gpu=20GB", "0=-1GB", "0:20GB"])
def test_no_list_of_memory(text: str) -> None:
    with pytest.raises(UserError, match="no list such as 0=20GB,cpu=40GB"):
        placement._given(text)


def test_a_list_of_memory() -> None:
    assert placement._given("0=20GB, cuda:1=1.5gb,cpu=40MB") == {
        0: 20 * 10**9,
        1: 15 * 10**8,
        "cpu": 40 * 10**6,
    }


def test_where_layers_are_is_said_layer_by_layer() -> None:
    model = nn.Module()
    model.add_module("embed", nn.Embedding(2, 2))
    model.add_module("layers", nn.ModuleList([nn.Linear(2, 2) for _ in range(6)]))
    model.add_module("head", nn.Linear(2, 2))
    assert placement.described(model) == ""
    places: dict[str, Any] = {f"layers.{at}": at // 2 for at in range(4)}
    places |= {"layers.4": "cpu", "layers.5.weight": "cpu", "layers.5.bias": "disk"}
    model.hf_device_map = {"embed": 0, **places, "head": 1}  # type: ignore[assignment]
    said = "layers 0-1 on cuda:0, 2-3 on cuda:1, 4 on cpu, 5 on cpu+disk"
    said += "; the rest on cuda:0 and cuda:1"
    assert placement.described(model) == said
    assert placement.device_of(model, torch.device("cpu")) == torch.device("cuda", 0)
    note = placement.notes(model, torch.device("cuda", 0))
    assert note == [f"{said}: what is on cpu or disk is moved each time it runs, slowly."]


def test_what_mixes_layers_brings_them_together() -> None:
    """Tensors that have a device and no numbers: an operation on two devices at once fails, as it
    does on two GPUs. `meta` stands for the second one."""
    two = torch.device("cpu"), torch.device("meta")

    def layer(at: int) -> RecordedLayer:
        """Every second layer on the other device, its mask made where the first one is."""
        size, own = (1, 4, 12, 8), two[at % 2]
        mask = RuleMask(12, 12, two[0], plain=None, causal=True, function=lambda b, h, q, k: k <= q)
        q, k, v = (torch.randn(size, device=own) for _ in range(3))
        return RecordedLayer(Call(q, k, v, mask, 0.3, index=at))

    with FakeTensorMode(allow_non_fake_inputs=True):
        tower = Tower("self", tuple(layer(at) for at in range(3)))
        views, slopes = Views((tower,)), [torch.randn(12, 4, 8, device=two[0])] * 3
        for each, place in zip(tower.present, (*two, two[0]), strict=True):
            assert isinstance(each, RecordedLayer)
            assert {each.rows(0, 5).device, each.allowed(0, 5).device} == {place}
        assert rollout(tower, Rollout("self")).shape == (12, 12)
        assert views.rows(Mean("self"), 0, 5).shape == (5, 12)
        assert views.rows(Chosen("self", ((0, 1), (1, 1))), 0, 5).shape == (5, 12)
        assert relevance("self", {"self": tower}, slopes).shape == (12, 12)
        given, output = torch.randn(1, 12, 4, 8, device=two[0]), head_outputs(layer(1), "mean")
        assert Change((1, 2), output[[1, 2]]).ablate(given).device == two[0]
        gates, batch = _Gates([output]), _Batch([[Off(0, 1, output[1])]], 0)
        for listener in (gates, batch):
            assert listener.heard(nn.Identity(), layer(0).call, given).device == two[0]


def answers(folder: Path, work: Any, **options: Any) -> tuple[Any, dict[str, np.ndarray]]:
    session = Session()
    loaded = session.answer(Load(ModelOptions(model=str(folder), **options)), work)[0]
    info = session.answer(Trace(1, PromptInput(text=TEXT)), work)[0].info
    n = len(info.sides[0].tokens)
    target = Target(n - 1, 5)
    views = [
        Head("self", 1, 2),
        Rollout("self"),
        Norm("self", 1, 1),
        Gradient("self", 0, 1, target),
    ]
    asked: dict[str, Any] = {
        type(view).__name__: GetWindow(1, view, (0, n), (0, n)) for view in views
    }
    asked["logits"] = GetLogits(1, (0, n))
    asked["direct"] = GetAttribution(1, target)
    asked["effects"] = GetEffects(1, "self", 1, Measure("loss"))
    found = {name: session.answer(request, work)[1][0] for name, request in asked.items()}
    return loaded.model, {"trust": np.array(info.trust.exact), **found}


@pytest.mark.parametrize(("kind", "most"), [("llama", "0.16MB"), ("gpt2", "0.12MB")])
def test_layers_on_disk_give_the_same_numbers(
    kind: str, most: str, tiny: Callable[[str], Path], work: Any
) -> None:
    pytest.importorskip("accelerate")
    expected = answers(tiny(kind), work, device="cpu")[1]
    model, found = answers(tiny(kind), work, device_map="auto", max_memory=f"cpu={most}")
    assert "on disk" in model.placement and any("each time" in note for note in model.notes)
    for name, values in expected.items():
        assert np.allclose(found[name], values, atol=1e-6, equal_nan=True), name


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
def test_packed_weights(bits: Any, tiny: Callable[[str], Path], tmp_path: Path, work: Any) -> None:
    pytest.importorskip("bitsandbytes")
    folder = shutil.copytree(tiny("llama"), tmp_path / "wide")
    config = LlamaConfig.from_pretrained(folder)
    config.hidden_size = config.intermediate_size = 128  # 4 bits are packed 64 at a time
    config.head_dim = 32
    LlamaForCausalLM(config).save_pretrained(folder)
    session = Session()
    options = ModelOptions(model=str(folder), device="cpu", quantize=bits)
    model = session.answer(Load(options), work)[0].model
    assert f"packed into {bits[0]} bits" in model.notes[0]
    info = session.answer(Trace(1, PromptInput(text=TEXT)), work)[0].info
    assert info.trust.exact
    n = len(info.sides[0].tokens)
    request = GetWindow(1, Gradient("self", 0, 1, Target(n - 1, 5)), (0, n), (0, n))
    if bits == "4bit":
        with pytest.raises(UserError, match="wrong on a CPU"):
            session.answer(request, work)
    else:
        assert np.isfinite(session.answer(request, work)[1][0]).all()
