"""`--lens` in show and export, with the real engine: against autograd on eager attention."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from tests.cli.conftest import PROMPT, Command
from tests.cli.test_show import table

GIVEN = ("-p", PROMPT, "--device", "cpu", "--offline")


@pytest.fixture(scope="module")
def products(gpt2: Path) -> Any:
    """Gives A · ∂y/∂A (layers, heads, n, n), y a logit at a position less another."""
    model = GPT2LMHeadModel.from_pretrained(gpt2, attn_implementation="eager").eval()
    inputs = AutoTokenizer.from_pretrained(gpt2)(PROMPT, return_tensors="pt")

    def found(position: int, token: int, foil: int) -> np.ndarray:
        outputs = model(**inputs, output_attentions=True)
        y = outputs.logits[0, position, token] - outputs.logits[0, position, foil]
        slopes = torch.autograd.grad(y, outputs.attentions)
        pairs = zip(outputs.attentions, slopes, strict=True)
        return np.stack([(a * s)[0].detach().numpy() for a, s in pairs])

    return found


def test_gradients_of_chosen_heads(
    attntui: Command, gpt2: Path, tmp_path: Path, products: Any
) -> None:
    output = tmp_path / "gradient.npz"
    options = ["--lens", "gradient", "--target", "4:home", "--foil", "#6", "--layers", "1-2"]
    done = attntui("export", "-m", str(gpt2), *GIVEN, *options, "--heads", "0,3", "-o", str(output))
    assert done.returncode == 0, done.stderr
    with np.load(output) as file:
        expected = products(4, 9, 6)[1:][:, [0, 3]]
        np.testing.assert_allclose(file["gradient"], expected, atol=1e-5)
        assert np.abs(expected).max() > 1e-2 and file["attention"].shape == expected.shape
        meta = json.loads(str(file["meta"]))
    assert meta["lens"] == "gradient"
    assert meta["target"] == {"position": 4, "token": 9, "foil": 6}


def test_relevance_in_a_table(attntui: Command, gpt2: Path, tmp_path: Path, products: Any) -> None:
    options = ["--lens", "relevance", "--target", "-1:home", "--foil", "Mary"]
    output = tmp_path / "relevance.csv"
    done = attntui("export", "-m", str(gpt2), *GIVEN, *options, "-o", str(output))
    assert done.returncode == 0, done.stderr
    joint = np.eye(len(PROMPT.split()))
    for layer in products(-1, 9, 5):
        joint = joint + layer.clip(0).mean(0) @ joint
    rows = [row for row in csv.DictReader(output.open()) if row["head"] == "relevance"]
    found = {(int(row["query"]), int(row["key"])): float(row["weight"]) for row in rows}
    for (query, key), value in found.items():
        assert value == pytest.approx(joint[query, key] - (query == key), abs=1e-5)
    assert len(found) == joint.size


def test_show_prints_shares_of_the_largest(attntui: Command, gpt2: Path, products: Any) -> None:
    options = ["--lens", "gradient", "--target", "4:home", "--foil", "and", "--layer", "1"]
    done = attntui("show", "-m", str(gpt2), *GIVEN, *options, "--head", "2", "--top", "3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    title = " ".join(lines[:2])
    assert "Layer 1 Head 2 · attention x gradient · target" in title
    assert '"home" less "and" at 4' in " ".join(title.split())
    assert any(line.startswith('4 "went" attends to') for line in lines)
    expected = products(4, 9, 6)[1, 2]
    largest = np.abs(expected).max()
    assert f"shares of the largest here, {largest:.3g}. Shades show no signs." in done.stdout
    order = np.argsort(-np.abs(expected[4]), kind="stable")[:3]
    found = table([line.replace(" -", " ") for line in lines])
    assert [position for position, _ in found] == order.tolist()
    shares = np.abs(expected[4][order]) / largest
    np.testing.assert_allclose([share for _, share in found], shares, atol=6e-4)


def test_a_lens_without_a_target(attntui: Command, gpt2: Path) -> None:
    done = attntui("show", "-m", str(gpt2), *GIVEN, "--lens", "norm", "--words", "--sinks", "hide")
    assert done.returncode == 0, done.stderr
    assert "Layer 0 sum of heads · length of what is passed on" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("command", "options", "sentence"),
    [
        ("show", ["--target", "3:home"], "--target needs --lens gradient or --lens relevance"),
        ("show", ["--lens", "norm", "--foil", "home"], "--foil needs --lens gradient"),
        ("show", ["--lens", "gradient", "--target", "x:home"], "is no target such as 12:"),
        ("show", ["--lens", "gradient", "--target", ""], "is no target such as 12:"),
        ("show", ["--lens", "gradient", "--target", "99"], "There is no position 99: 0 to 8"),
        ("show", ["--lens", "flow", "--head", "1"], "leave out --head"),
        ("show", ["--lens", "relevance", "--layer", "1"], "leave out --layer"),
        ("show", ["--lens", "norm", "--mean"], "choose --mean or --lens"),
        ("export", ["--lens", "norm", "-o", "x.svg"], "An .svg shows attention only; --lens"),
    ],
)
def test_what_does_not_fit_is_said(
    attntui: Command, gpt2: Path, command: str, options: list[str], sentence: str
) -> None:
    done = attntui(command, "-m", str(gpt2), *GIVEN, *options)
    assert done.returncode == 2, done.stdout
    assert sentence in " ".join(done.stderr.split()), done.stderr
