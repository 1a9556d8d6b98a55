"""distance, attribution and logit-lens, against transformers' own eager model."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from attntui.cli.options import StartChoice
from attntui.cli.run import run
from attntui.cli.screen import _start
from attntui.core.errors import UserError
from tests.cli.conftest import PROMPT
from tests.cli.engine_here import EngineHere

GIVEN = ("-p", PROMPT, "--device", "cpu")
HOME, AND = 9, 6
"""Their token ids in the tiny vocabulary."""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("attntui.cli.tracing.Engine", EngineHere)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(gpt2: Path) -> GPT2LMHeadModel:
    found = GPT2LMHeadModel.from_pretrained(gpt2, attn_implementation="eager")
    return found.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def ids(gpt2: Path) -> torch.Tensor:
    return AutoTokenizer.from_pretrained(gpt2)(PROMPT, return_tensors="pt")["input_ids"]


def read(file: str) -> list[dict[str, str]]:
    with Path(file).open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_distances_in_a_longer_prompt_too(
    gpt2: Path, model: GPT2LMHeadModel, ids: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--beyond", "3", "--lengthen", "2,1,8", "--csv", "d.csv"]
    assert run(["distance", "-m", str(gpt2), *GIVEN, *options]) == 0
    output, errors = capsys.readouterr()
    assert "left out: 8 times this text is 72 tokens" in errors and "at most 32" in errors
    rows = read("d.csv")
    assert len(rows) == 2 * 3 * 4
    with torch.no_grad():
        both = [model(ids.repeat(1, times), output_attentions=True) for times in (1, 2)]
    for row in rows:
        times, layer, head = (int(row[name]) for name in ("times", "layer", "head"))
        weights = both[times - 1].attentions[layer][0, head].numpy().astype(float)
        assert int(row["tokens"]) == len(weights) == times * 9
        far = share = 0.0
        for i, j in np.ndindex(*weights.shape):
            far += weights[i, j] * abs(i - j)
            share += weights[i, j] * (abs(i - j) > 3)
        assert float(row["distance"]) == pytest.approx(far / weights.sum(), rel=1e-4)
        assert float(row["beyond"]) == pytest.approx(share / weights.sum(), abs=1e-5)
    line = next(line for line in output.splitlines() if line.startswith("    2"))
    figures = [float(row["distance"]) for row in rows[8:12]]
    assert line.split() == ["2", f"{np.mean(figures):.2f}", *(f"{each:.2f}" for each in figures)]


def test_the_parts_of_a_logit(
    gpt2: Path, model: GPT2LMHeadModel, ids: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--target", "4:home", "--foil", "and", "--csv", "a.csv", "--top", "3"]
    assert run(["attribution", "-m", str(gpt2), *GIVEN, *options]) == 0
    kept: dict[torch.nn.Module, torch.Tensor] = {}
    blocks, norm = model.transformer.h, model.transformer.ln_f
    for module in [norm, *(block.attn.c_proj for block in blocks)]:
        module.register_forward_pre_hook(
            lambda module, given: kept.update({module: given[0][0, 4].detach()})
        )
    with torch.no_grad():
        row = model(ids).logits[0, 4]
    reader = model.lm_head.weight[HOME] - model.lm_head.weight[AND]
    stream = kept[norm]
    scale = (stream.var(correction=0) + norm.eps).sqrt()
    values = {(each["layer"], each["head"]): float(each["contribution"]) for each in read("a.csv")}
    parts = []
    for layer, block in enumerate(blocks):
        for head in range(4):
            some = slice(8 * head, 8 * head + 8)
            wrote = kept[block.attn.c_proj][some] @ block.attn.c_proj.weight[some]
            expected = ((wrote - wrote.mean()) / scale * norm.weight) @ reader
            assert values[str(layer), str(head)] == pytest.approx(float(expected), abs=1e-4)
            parts.append((abs(float(expected)), f"{layer}.{head}"))
    logit = values.pop(("", "logit"))
    assert logit == pytest.approx(float(row[HOME] - row[AND]), abs=1e-4)
    assert sum(values.values()) == pytest.approx(logit, abs=1e-4)
    assert len(values) == 12 + 1 + 3 + 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f'logit of "home" less "and" at 4: {logit:+.4f}'
    named = [line.split()[-1] for line in lines if "  head " in line and "layer" not in line]
    assert named == [name for _, name in sorted(parts, reverse=True)[:3]]


def test_what_the_model_would_say_after_each_layer(
    gpt2: Path, model: GPT2LMHeadModel, ids: torch.Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--target", "4:home", "--foil", "#6", "--csv", "l.csv", "--top", "2"]
    assert run(["logit-lens", "-m", str(gpt2), *GIVEN, *options]) == 0
    with torch.no_grad():
        outputs = model(ids, output_hidden_states=True)
        early = [model.transformer.ln_f(each[0, 4]) for each in outputs.hidden_states[:-1]]
        logits = [model.lm_head(each) for each in early] + [outputs.logits[0, 4]]
    names, rows = ["embedding", "0", "1", "2"], read("l.csv")
    words = AutoTokenizer.from_pretrained(gpt2).convert_ids_to_tokens(range(11))
    for name, row, found in zip(names, rows, logits, strict=True):
        order = found.argsort(descending=True).tolist()
        shares = found.softmax(0)
        assert row["layer"] == name
        assert int(row["rank"]) == order.index(HOME) + 1
        assert int(row["foil_rank"]) == order.index(AND) + 1
        assert float(row["p"]) == pytest.approx(float(shares[HOME]), abs=1e-5)
        gap = float(found[HOME] - found[AND])
        assert float(row["logit_difference"]) == pytest.approx(gap, abs=1e-4)
        assert [row["token_1"], row["token_2"]] == [words[at] for at in order[:2]]
        assert float(row["p_2"]) == pytest.approx(float(shares[order[1]]), abs=1e-5)
    assert 'rank and p of "home", and less "and"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["distance", "--lengthen", "1,x"], "is no list of numbers such as 1,2,4"),
        (["distance", "--lengthen", "9"], "reads at most 32"),
        (["attribution", "--target", "x:home"], "is no target such as 12:"),
        (["logit-lens", "--target", "99"], "There is no position 99: 0 to 8"),
    ],
)
def test_what_does_not_fit_is_said(
    gpt2: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([options[0], "-m", str(gpt2), *GIVEN, *options[1:]]) == 2
    assert sentence in capsys.readouterr().err


def test_maps_are_read_before_the_screen_opens(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("layer,head,statistic,mean,std,n\n0,0,self,0.5,0,1\n")
    bad.write_bytes(b"\xff\xfe")
    found = _start(StartChoice(map=[str(good)] * 2))["tables"]
    assert [each.name for each in found] == ["mean self"] * 2
    for file, sentence in ((bad, "is not valid UTF-8"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(UserError, match=rf"The map .* {sentence}"):
            _start(StartChoice(map=[str(good), str(file)]))
