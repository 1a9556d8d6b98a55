"""`attntui compare`: the heads that moved, against eager models and a formula of our own."""

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from attntui.cli.compare import NOTHING, Order, compare
from attntui.cli.run import run
from attntui.core.edit_names import heads_of
from attntui.core.errors import UserError
from attntui.core.protocol import Edits, ModelOptions, PromptInput
from attntui.demo import MODELS
from tests.cli.conftest import PROMPT
from tests.cli.engine_here import EngineHere

TEXT = "The boy opened the door and went into the garden."
DEMO = ModelOptions(model="demo")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("attntui.cli.compare.Engine", EngineHere)
    monkeypatch.chdir(tmp_path)


def order(
    model: ModelOptions, other: ModelOptions | None = None, ablate: str = "", text: str = TEXT
) -> Order:
    edits = Edits(heads_of(ablate)) if ablate else Edits()
    return Order(model, other, edits, PromptInput(text=text), None, None, 3, "out.csv", False)


def eager(
    name: str, off: tuple[int, int] | None = None, text: str = TEXT
) -> tuple[np.ndarray, torch.Tensor]:
    """(layers, heads, n, n), and the logits at the last token."""
    folder = MODELS[name].folder
    kind = AutoModelForCausalLM if name == "demo" else AutoModelForMaskedLM
    net = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    if off is not None:
        size = net.config.hidden_size // net.config.num_attention_heads
        part = slice(off[1] * size, (off[1] + 1) * size)
        net.model.layers[off[0]].self_attn.o_proj.weight.data[:, part] = 0
    ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        outputs = net(ids, output_attentions=True)
    return torch.stack(outputs.attentions)[:, 0].double().numpy(), outputs.logits[0, -1].double()


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """(layers, heads): mean Jensen-Shannon divergence in bits, what is left as one outcome more."""
    p, q = (np.concatenate([each, 1 - each.sum(-1, keepdims=True)], -1) for each in (p, q))
    p, q = p.clip(0), q.clip(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(one > 0, one * np.log2(2 * one / (p + q)), 0) for one in (p, q)]
    found: np.ndarray = (terms[0] + terms[1]).sum(-1).mean(-1) / 2
    return found


def rows() -> dict[tuple[int, int], tuple[float, int]]:
    with Path("out.csv").open(newline="") as file:
        first, *rest = csv.reader(file)
    assert first == ["layer", "head", "divergence", "n"]
    return {(int(row[0]), int(row[1])): (float(row[2]), int(row[3])) for row in rest}


def test_without_and_with_an_edit(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(order(DEMO, ablate="0.2")) == 0
    (before, logits), (after, others) = eager("demo"), eager("demo", (0, 2))
    expected = divergence(after, before)
    found = rows()
    assert len(found) == 16 and {count for _, count in found.values()} == {before.shape[-1]}
    for head, (value, _) in found.items():
        assert value == pytest.approx(expected[head], abs=1e-5)
    printed = capsys.readouterr().out
    most = divmod(int(expected.argmax()), 4)
    assert f"{most[0]}.{most[1]}   {expected.max():.3f} ████████████████████\n" in printed
    assert "after:  demo, head 0.2 off\n" in printed and "and 13 more" in printed
    p, q = logits.softmax(-1), others.softmax(-1)
    assert f"{float((p * (p / q).log()).sum()):.3f} nats" in printed
    best = int(torch.maximum(p, q).argmax())
    assert f"{float(p[best]):.3f} → {float(q[best]):.3f}\n" in printed


def test_two_models_of_other_shapes_and_vocabularies(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(order(DEMO, ModelOptions(model="demo-bert"))) == 0
    before, after = eager("demo")[0], eager("demo-bert")[0]
    expected = divergence(after[:, :4, :12, :12], before)
    found = rows()
    assert set(found) == {(layer, head) for layer in range(4) for head in range(4)}
    for head, (value, count) in found.items():
        assert value == pytest.approx(expected[head], abs=1e-5) and count == 12
    printed = capsys.readouterr().out
    assert "tokens: 12 and 13, 12 queries beside each other" in printed
    assert "demo has 4 layers × 4 and demo-bert has 4 layers × 6 heads" in printed
    assert "demo-bert and demo have other outputs" in printed and "KL" not in printed
    assert 'demo, next token at 11 ".": ' in printed
    assert 'demo-bert, token in this place at 11 ".": ' in printed


@pytest.mark.skipif(find_spec("peft") is None, reason="needs peft")
def test_a_base_and_its_adapter(gpt2: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    base = AutoModelForCausalLM.from_pretrained(gpt2, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(gpt2)
    ids = torch.tensor([tokenizer(PROMPT)["input_ids"]])
    with torch.no_grad():
        before = torch.stack(base(ids, output_attentions=True).attentions)[:, 0].double().numpy()
    net = get_peft_model(base, LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True))
    torch.manual_seed(3)
    for name, parameter in net.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    net.save_pretrained("lora")
    assert isinstance(net, PeftModel)
    with torch.no_grad():
        after = torch.stack(net(ids, output_attentions=True).attentions)[:, 0].double().numpy()
    assert compare(order(ModelOptions(model=str(gpt2), adapter="lora"), text=PROMPT)) == 0
    expected = divergence(after, before)
    assert expected.max() > 0.01
    for head, (value, _) in rows().items():
        assert value == pytest.approx(expected[head], abs=1e-5)
    assert f"after:  {gpt2} + lora\n" in capsys.readouterr().out


def test_what_is_nothing_to_compare() -> None:
    with pytest.raises(UserError, match=NOTHING):
        compare(order(DEMO))
    with pytest.raises(UserError, match="one thing at a time"):
        compare(order(DEMO, DEMO, "0.2"))
    Path("out.csv").write_text("")
    with pytest.raises(UserError, match="use --force"):
        compare(order(DEMO, ablate="0.2"))


def test_as_a_command(
    gpt2: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ["-m", str(gpt2), "-p", PROMPT]
    assert run(["compare", *common, "--compare", str(gpt2), "--top", "1"]) == 0
    printed = capsys.readouterr().out
    assert "0.0   0.000\n" in printed and "KL(before ‖ after) 0.000 nats" in printed
    monkeypatch.setattr("attntui.cli.tracing.Engine", EngineHere)
    assert run(["show", *common, "--adapter", "./none"]) == 2
    refusal = capsys.readouterr().err
    assert "package that is not here" in refusal or "no folder './none'" in refusal
    assert refusal.count("\n") == 1
