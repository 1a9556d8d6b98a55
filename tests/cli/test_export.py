"""`attntui export` with the real engine: the numbers are transformers' own eager attention."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BartForConditionalGeneration, GPT2LMHeadModel

PROMPT = "When Mary and John went home , John went"
QUIET = ["--device", "cpu", "--offline"]


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture
def everything(attntui, gpt2: Path, tmp_path: Path) -> dict[str, np.ndarray]:
    """All that an .npz can hold."""
    path = tmp_path / "all.npz"
    options = ["--mean", "--rollout", "--residual", "0.4", "--start-layer", "1", "--logits"]
    done = attntui("export", "-m", str(gpt2), "-p", PROMPT, "-o", str(path), *options, *QUIET)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert [entry.name for entry in tmp_path.iterdir() if "all" in entry.name] == ["all.npz"]
    return read(path)


def eager(gpt2: Path) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Attention (layers, heads, n, n), logits (n, vocabulary) and token ids, from transformers."""
    model = GPT2LMHeadModel.from_pretrained(gpt2, attn_implementation="eager").eval()
    tokens = AutoTokenizer.from_pretrained(gpt2)(PROMPT, return_tensors="pt")
    with torch.no_grad():
        output = model(tokens["input_ids"], output_attentions=True)
    attention = torch.cat(output.attentions).numpy()
    return attention, output.logits[0].numpy(), tokens["input_ids"][0].tolist()


def reference_rollout(attention: np.ndarray, residual: float, start: int) -> np.ndarray:
    """Abnar & Zuidema: the newer layer multiplies from the left."""
    result = np.eye(attention.shape[-1])
    for layer in attention[start:]:
        result = ((1 - residual) * layer.mean(0) + residual * np.eye(len(result))) @ result
    return result


def test_an_npz_holds_what_transformers_computes(
    everything: dict[str, np.ndarray], gpt2: Path
) -> None:
    attention, logits, ids = eager(gpt2)
    assert everything["attention"].dtype == np.float32
    np.testing.assert_allclose(everything["attention"], attention, atol=1e-5)
    np.testing.assert_allclose(everything["mean"], attention.mean(1), atol=1e-5)
    np.testing.assert_allclose(everything["logits"], logits, atol=1e-4)
    rollout = reference_rollout(attention, 0.4, 1)
    np.testing.assert_allclose(everything["rollout"], rollout, atol=1e-5)
    assert everything["token_ids"].tolist() == ids
    assert everything["token_ids"].dtype == np.int64
    assert everything["tokens"].tolist() == PROMPT.split()
    assert everything["layers"].tolist() == [0, 1, 2]
    assert everything["heads"].tolist() == [0, 1, 2, 3]
    assert "key_tokens" not in everything
    meta = json.loads(str(everything["meta"]))
    assert meta["architecture"] == "GPT2LMHeadModel"
    assert (meta["dtype"], meta["attention"]) == ("float32", "self")
    assert meta["rollout"] == {
        "residual": 0.4,
        "start_layer": 1,
        "head_fusion": "mean",
        "discard_ratio": 0.0,
    }
    assert meta["prompt"]["text"] == PROMPT


def test_csv_and_json_on_standard_output_agree(attntui, gpt2: Path) -> None:
    attention, _, _ = eager(gpt2)
    chosen = attention[[0, 2]][:, [1, 3]]
    options = ["--layers", "0,2", "--heads", "1,3", "-m", str(gpt2), "--prompt-file", "-", *QUIET]
    as_json = attntui("export", "-o", "-", "--format", "json", *options, stdin=PROMPT + "\n")
    assert as_json.returncode == 0, as_json.stderr
    found = json.loads(as_json.stdout)
    np.testing.assert_allclose(np.array(found["attention"]), chosen, atol=1e-5)
    assert (found["layers"], found["heads"]) == ([0, 2], [1, 3])
    assert found["tokens"] == PROMPT.split()

    as_csv = attntui("export", "-o", "-", "--format", "csv", *options, stdin=PROMPT + "\n")
    assert as_csv.returncode == 0, as_csv.stderr
    lines = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    weights = np.array([float(line["weight"]) for line in lines], np.float32).reshape(chosen.shape)
    np.testing.assert_array_equal(weights, np.array(found["attention"], np.float32))
    assert [lines[0][name] for name in ("layer", "head", "query", "key")] == ["0", "1", "0", "0"]
    assert [lines[-1][name] for name in ("layer", "head", "query", "key")] == ["2", "3", "8", "8"]


def test_cross_attention_has_the_encoder_s_tokens_as_keys(
    attntui, bart: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cross.npz"
    prompts = ["-p", "When Mary went home", "--decoder-prompt", "John went"]
    options = ["-m", str(bart), "--attention", "cross", *prompts, *QUIET]
    done = attntui("export", "-o", str(path), *options)
    assert done.returncode == 0, done.stderr
    found = read(path)
    assert found["key_tokens"].tolist() == ["<s>", "When", "Mary", "went", "home", "</s>"]
    assert found["tokens"].tolist() == ["</s>", "John", "went"]
    model = BartForConditionalGeneration.from_pretrained(bart, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(bart)
    with torch.no_grad():
        output = model(
            input_ids=tokenizer("When Mary went home", return_tensors="pt")["input_ids"],
            decoder_input_ids=torch.tensor([found["token_ids"].tolist()]),
            output_attentions=True,
        )
    expected = torch.cat(output.cross_attentions).numpy()
    np.testing.assert_allclose(found["attention"], expected, atol=1e-5)


def test_a_prompt_too_long_and_a_hostile_model_name_end_with_a_sentence(
    attntui, gpt2: Path, tmp_path: Path
) -> None:
    long = attntui("export", "-m", str(gpt2), "-p", "Mary " * 33, "-o", "a.npz", *QUIET)
    assert long.returncode == 2
    assert long.stderr.splitlines()[-1].startswith("attntui: The prompt is 33 tokens")
    hostile = "\x1b]52;c;cm0gLXJm\x07[red]\u202e"
    unknown = attntui("export", "-m", hostile, "-p", "Mary", "-o", "a.npz", *QUIET)
    assert unknown.returncode == 2
    assert unknown.stderr.splitlines()[-1].startswith("attntui: ")
    for raw in ("\x1b", "\x07", "\u202e"):
        assert raw not in unknown.stdout + unknown.stderr
    assert not list(tmp_path.glob("*.npz")) and not list(tmp_path.glob(".attntui*"))
