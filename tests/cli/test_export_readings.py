"""Words, hidden weights, statistics and chosen heads: against eager attention and plain loops."""

import json
import re
import subprocess
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from attntui.core.pairs import sentence_boundary
from attntui.core.protocol import STATISTICS
from attntui.demo import MODELS
from tests.cli.conftest import Command
from tests.engine.given_files import Opened

TEXT = "The unhappy kings weren't walking, walking home."
WORD = r"\w+(?:'\w+)?|[^\w\s]+"
QUIET = ["--device", "cpu", "--offline"]
DEMO = MODELS["demo"].folder


@pytest.fixture(scope="module")
def eager() -> np.ndarray:
    """(layers, heads, n, n) of the bundled model on TEXT, from transformers."""
    model = AutoModelForCausalLM.from_pretrained(DEMO, attn_implementation="eager").eval()
    ids = AutoTokenizer.from_pretrained(DEMO)(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        attention = model(ids, output_attentions=True).attentions
    return torch.cat(attention).numpy()


@pytest.fixture(scope="module")
def words() -> list[list[int]]:
    """The tokens of each word: the begin of text alone, then by the characters they end with."""
    found = AutoTokenizer.from_pretrained(DEMO)(TEXT, return_offsets_mapping=True)
    spans = [match.span() for match in re.finditer(WORD, TEXT)]
    groups: list[list[int]] = [[0]] + [[] for _ in spans]
    for token, (start, end) in enumerate(found["offset_mapping"]):
        for number, (first, last) in enumerate(spans, 1):
            if end > start and first < end <= last:
                groups[number].append(token)
    assert list(chain(*groups)) == list(range(len(found["input_ids"])))
    return groups


Export = Callable[..., Path]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory, warm: tuple[str, ...]) -> Export:
    """Writes a file of this suffix with these options, once for all tests."""
    folder = tmp_path_factory.mktemp("exports")
    kept: dict[tuple[str, ...], Path] = {}

    def run(suffix: str, *options: str) -> Path:
        key = suffix, *options
        if key not in kept:
            kept[key] = folder / f"{len(kept)}.{suffix}"
            line = ["export", "-p", TEXT, "-o", str(kept[key]), *options, *QUIET]
            done = subprocess.run(
                [*warm, *line],
                capture_output=True,
                text=True,
                cwd=Path(__file__).parents[2],
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, ""), done.stderr
        return kept[key]

    return run


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def by_words(attention: np.ndarray, words: list[list[int]]) -> np.ndarray:
    """Clark et al. 2019: the sum over a key's tokens, the mean over a query's."""
    merged = np.zeros((*attention.shape[:2], len(words), len(words)))
    for row, queries in enumerate(words):
        for column, keys in enumerate(words):
            for query in queries:
                for key in keys:
                    merged[:, :, row, column] += attention[:, :, query, key] / len(queries)
    return merged


EVERYTHING = ("--words", "--mean", "--mean-of", "3.1, 0.2,3.1", "--statistics")
CHOICE = ("--layers", "1-2", "--heads", "0,3")


def test_words_merge_both_axes(export: Export, eager: np.ndarray, words: list[list[int]]) -> None:
    found = read(export("npz", *EVERYTHING, *CHOICE))
    expected = by_words(eager, words)
    assert any(len(word) > 1 for word in words)
    np.testing.assert_allclose(found["attention"], expected[1:3][:, [0, 3]], atol=1e-5)
    np.testing.assert_allclose(found["mean"], expected[1:3].mean(1), atol=1e-5)
    chosen = (expected[0, 2] + expected[3, 1]) / 2
    np.testing.assert_allclose(found["mean_of"], chosen, atol=1e-5)
    np.testing.assert_allclose(found["attention"].sum(-1), 1, atol=1e-5)
    texts = [text.strip() for text in found["tokens"].tolist()]
    assert texts == ["<|endoftext|>", *re.findall(WORD, TEXT)]
    assert "token_ids" not in found and "attention_hidden" not in found
    meta = json.loads(str(found["meta"]))
    assert meta["words"] is True and meta["mean_of"] == [[0, 2], [3, 1]]


def test_statistics_of_the_chosen_heads_by_tokens(export: Export, eager: np.ndarray) -> None:
    found = read(export("npz", *EVERYTHING, *CHOICE))
    chosen = eager[1:3][:, [0, 3]]
    assert all(found[name].shape == (2, 2) for name in STATISTICS)
    np.testing.assert_allclose(found["first"], chosen[:, :, 1:, 0].mean(-1), atol=1e-5)
    at = np.arange(1, chosen.shape[-1])
    np.testing.assert_allclose(found["previous"], chosen[:, :, at, at - 1].mean(-1), atol=1e-5)
    entropy = -(chosen * np.log2(np.where(chosen > 0, chosen, 1))).sum(-1).mean(-1)
    np.testing.assert_allclose(found["entropy_bits"], entropy, atol=1e-4)
    assert np.isnan(found["separator"]).all(), "this text has no separator"


def test_safetensors_holds_what_the_npz_holds(export: Export) -> None:
    arrays = read(export("npz", *EVERYTHING, *CHOICE))
    with safe_open(export("safetensors", *EVERYTHING, *CHOICE), "numpy") as file:
        texts = {name: json.loads(text) for name, text in file.metadata().items()}
        for name in file.keys():
            np.testing.assert_array_equal(file.get_tensor(name), arrays.pop(name))
    assert texts["tokens"] == arrays.pop("tokens").tolist()
    assert texts["meta"] == json.loads(str(arrays.pop("meta")))
    assert not arrays


def test_hidden_weights_are_nan_and_how_much_is_hidden_is_said(
    export: Export, eager: np.ndarray
) -> None:
    found = read(export("npz", "--sinks", "hide", "--rollout"))
    hidden = json.loads(str(found["meta"]))["hidden_keys"]
    kept = [key for key in range(eager.shape[-1]) if key not in hidden]
    assert 0 in hidden and kept
    assert np.isnan(found["attention"][..., hidden]).all()
    np.testing.assert_allclose(found["attention"][..., kept], eager[..., kept], atol=1e-5)
    given = eager[..., hidden].sum(-1)
    np.testing.assert_allclose(found["attention_hidden"], given, atol=1e-5)
    total = np.nansum(found["rollout"], -1) + found["rollout_hidden"]
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_renormalised_rows_sum_to_one_and_calibration_is_not_the_prompt(
    export: Export, eager: np.ndarray
) -> None:
    options = ["--sinks", "renormalise", "--statistics", "--statistics-on", "calibration"]
    found = read(export("npz", *options))
    meta = json.loads(str(found["meta"]))
    rest = np.delete(eager, meta["hidden_keys"], axis=-1)
    sums = rest.sum(-1, keepdims=True)
    some = sums > 1e-3
    weights = np.delete(found["attention"], meta["hidden_keys"], axis=-1)
    expected = rest / np.where(some, sums, 1)
    np.testing.assert_allclose(np.where(some, weights, 0), np.where(some, expected, 0), atol=1e-4)
    np.testing.assert_allclose(found["attention_hidden"], 1 - sums[..., 0], atol=1e-5)
    assert meta["statistics_on"] == "calibration"
    assert found["induction"].max() > 0.5 and np.isfinite(found["induction"]).all()


def test_what_one_sentence_gives_the_other(attntui: Command, tmp_path: Path) -> None:
    given = ["-m", "demo-bert", "-p", "He slept.", "--pair", "Why?", "--layers", "1"]
    both, crossing = tmp_path / "both.npz", tmp_path / "crossing.npz"
    assert attntui("export", *given, "-o", str(both)).returncode == 0
    assert attntui("export", *given, "-o", str(crossing), "--between", "B-A").returncode == 0
    whole, found = read(both), read(crossing)
    second = 1 + whole["tokens"].tolist().index("[SEP]")
    kept = ~np.isnan(found["attention"])
    assert kept[..., second:, :second].all() and kept.mean() == pytest.approx(
        second * (len(whole["tokens"]) - second) / len(whole["tokens"]) ** 2
    )
    np.testing.assert_array_equal(found["attention"][kept], whole["attention"][kept])
    assert json.loads(str(found["meta"]))["between"] == "B-A"
    for file in (whole, found):
        assert file["sentence_b_start"].tolist() == [second]
    sides = [Opened(path).run.sides[0] for path in (both, crossing)]
    for side in sides:
        assert sentence_boundary(side.tokens) == sentence_boundary(side.words) == second
    alone = ["-m", "demo-bert", "-p", "He slept.", "-o", str(tmp_path / "no.npz")]
    refused = attntui("export", *alone, "--between", "A-B")
    assert refused.returncode == 2 and "A-B needs two sentences" in refused.stderr
    assert not (tmp_path / "no.npz").exists()
