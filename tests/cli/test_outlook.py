"""`attntui show --predict`: against the probabilities of transformers' own model."""

import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from attntui.cli.run import run
from attntui.demo import MODELS
from tests.cli.conftest import PROMPT
from tests.cli.engine_here import EngineHere


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attntui.cli.tracing.Engine", EngineHere)


def test_what_comes_and_what_was_expected(capsys: pytest.CaptureFixture[str]) -> None:
    at, folder = 18, MODELS["demo"].folder
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(MODELS["demo"].prompt, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        chances = model(ids).logits[0].softmax(-1)
    for words in ([], ["--words"]):
        query = ["--query", str(at)] if not words else ["--query", "13"]
        assert run(["show", "--device", "cpu", "--top", "0", "--predict", "3", *query, *words]) == 0
        lines = capsys.readouterr().out.splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("next token, at 18"))
        values, likeliest = chances[at].topk(3)
        for line, value, token in zip(lines[start + 1 :], values, likeliest, strict=False):
            shown = re.fullmatch(r"\d  (.+?)  ?(\d\.\d{3}).*", line)
            assert shown is not None and float(shown[2]) == pytest.approx(float(value), abs=6e-4)
            text = tokenizer.decode([token]).replace(" ", "·").replace("\n", "⏎")
            assert shown[1].strip() == text
        before = chances[at - 1]
        rank = 1 + int((before > before[ids[0, at]]).sum())
        expected = f"expected with {float(before[ids[0, at]]):.3f}, number {rank:,}"
        assert lines[start + 4].endswith(expected)


def test_an_encoder_predicts_nothing(bart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["-m", str(bart), "--device", "cpu", "-p", PROMPT, "--attention", "encoder"]
    assert run(["show", *where, "--predict", "1"]) == 2
    assert "leave out --predict" in capsys.readouterr().err
