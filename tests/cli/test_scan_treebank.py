"""`attntui scan --conllu`: a planted head, eager attention, and what is left out."""

import csv
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from attntui.cli.run import run
from attntui.demo import MODELS
from tests.cli.conftest import WORDS, Command, word_tokenizer
from tests.cli.engine_here import EngineHere
from tests.cli.treebanks import ENGLISH, JAPANESE, OTHER, Written

COLUMNS = [
    *("relation", "direction", "layer", "head", "accuracy"),
    *("baseline_offset", "baseline_accuracy", "n"),
]
Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        found = list(csv.DictReader(file))
    assert list(found[0]) == COLUMNS
    return found


def save(model: PreTrainedModel, folder: Path) -> str:
    model.save_pretrained(folder)
    word_tokenizer(True).save_pretrained(folder)
    return str(folder)


@torch.no_grad()
def planted_bert(folder: Path) -> str:
    """One layer; head 0 looks at the token before, head 1 at the token after, whatever they are."""
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=32,
    )
    model = BertForMaskedLM(config)
    embeddings, attention = model.bert.embeddings, model.bert.encoder.layer[0].attention.self
    embeddings.word_embeddings.weight.zero_()
    embeddings.token_type_embeddings.weight.zero_()
    embeddings.position_embeddings.weight.copy_(torch.eye(32, 64))
    for each in (attention.query, attention.key):
        each.weight.zero_()
        each.bias.zero_()
    attention.key.weight[:32, :32] = attention.key.weight[32:, :32] = torch.eye(32)
    attention.query.weight[:32, :32] = torch.eye(32).roll(-1, 0)
    attention.query.weight[32:, :32] = torch.eye(32).roll(1, 0)
    return save(model, folder)


def bank(path: Path, *sentences: Written) -> str:
    path.write_text("".join(each.lines for each in sentences), "utf-8")
    return str(path)


PLANTED = (
    Written([("Mary", 0, "root"), ("went", 1, "det"), ("home", 1, "obj"), (",", 1, "punct")]),
    Written([("When", 4, "obj"), ("John", 3, "nsubj"), ("and", 0, "root"), ("Mary", 3, "det")]),
)
"""`det` is of the word before, in one sentence each; `obj` two before and three after."""


def test_a_planted_head_is_found(
    here: type[EngineHere], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = planted_bert(tmp_path / "model")
    corpus = bank(tmp_path / "bank.conllu", *PLANTED)
    command = ["scan", "--conllu", corpus, "-m", model, "--device", "cpu", "--csv", "out.csv"]
    assert run(command) == 0
    found = {(row["relation"], row["direction"], row["head"]): row for row in rows(Path("out.csv"))}
    for relation, direction, head, figures in (
        ("det", "dependent_to_head", "0", ["1", "-1", "1", "2"]),
        ("det", "dependent_to_head", "1", ["0", "-1", "1", "2"]),
        ("det", "head_to_dependent", "1", ["1", "1", "1", "2"]),
        ("nsubj", "dependent_to_head", "1", ["1", "1", "1", "1"]),
        ("obj", "dependent_to_head", "0", ["0", "-2", "0.5", "2"]),
        ("punct", "dependent_to_head", "0", ["0", "-3", "1", "1"]),
    ):
        row = found[relation, direction, head]
        assert [row[name] for name in COLUMNS[4:]] == figures, row
    assert len(found) == 4 * 2 * 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "8 words, 6 relations between them"
    assert lines[3].split() == ["det", "dependent", "→", "head", "0.0", "1.000", "1.000", "-1", "2"]
    assert not any(line.startswith("punct") for line in lines)


def wanted(
    sentences: list[Written], folder: Path
) -> tuple[dict[tuple[object, ...], list[float]], int]:
    """Accuracy and n of every head, and offsets, by loops over eager attention; words left out."""
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    right: Counter[tuple[object, ...]] = Counter()
    counts: Counter[tuple[object, ...]] = Counter()
    offsets: Counter[tuple[object, ...]] = Counter()
    left_out = 0
    for sentence in sentences:
        inputs = tokenizer(sentence.text, return_tensors="pt", return_offsets_mapping=True)
        places = inputs.pop("offset_mapping")[0].tolist()
        with torch.no_grad():
            attentions = torch.cat(model(**inputs, output_attentions=True).attentions).numpy()
        own: dict[int, list[int]] = {}
        for word, (first, end) in enumerate(sentence.spans):
            held = [at for at, (a, b) in enumerate(places) if a < end and b > first]
            if all(first <= places[at][0] and places[at][1] <= end for at in held):
                own[word] = held
        left_out += len(sentence.spans) - len(own)
        for (layer, head), matrix in (
            ((layer, head), attentions[layer, head]) for layer, head in np.ndindex(4, 6)
        ):
            for dependent, (_, number, name) in enumerate(sentence.words):
                for way, (word, target) in (
                    ("dependent_to_head", (dependent, number - 1)),
                    ("head_to_dependent", (number - 1, dependent)),
                ):
                    if number == 0 or word not in own or target not in own:
                        continue
                    given = {
                        key: np.mean([matrix[row, own[key]].sum() for row in own[word]])
                        for key in own
                        if key != word
                    }
                    place = name.split(":")[0], way, str(layer), str(head)
                    counts[place] += 1
                    right[place] += max(given, key=lambda key: given[key]) == target
                    offsets[(*place, target - word)] += 1
    found = {}
    for place, n in counts.items():
        best = max(offsets[(*place, offset)] for offset in range(-10, 11))
        found[place] = [right[place] / n, best / n, n]
    return found, left_out


def test_equals_eager_attention(
    here: type[EngineHere], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentences = [ENGLISH, OTHER, JAPANESE]
    expected, left_out = wanted(sentences, MODELS["demo-bert"].folder)
    corpus = bank(tmp_path / "bank.conllu", *sentences)
    command = ["scan", corpus, "--conllu", "-m", "demo-bert", "--device", "cpu", "-o", "out.csv"]
    assert run(command) == 0
    found = rows(Path("out.csv"))
    assert len(found) == len(expected)
    for row in found:
        accuracy, baseline, n = expected[tuple(row[name] for name in COLUMNS[:4])]
        assert float(row["accuracy"]) == float(f"{accuracy:.9g}")
        assert float(row["baseline_accuracy"]) == float(f"{baseline:.9g}")
        assert int(row["n"]) == n
    assert left_out > 0 and f"left out: {left_out} words that share" in capsys.readouterr().out
    assert {0.0, 1.0} < {float(row["accuracy"]) for row in found}


def test_subtypes_apart_and_interruption(
    here: type[EngineHere], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = bank(tmp_path / "bank.conllu", ENGLISH, OTHER, JAPANESE)
    command = ["scan", "--conllu", corpus, "-m", "demo-bert", "--device", "cpu", "--subtypes"]
    assert run([*command, "--csv", "whole.csv"]) == 0
    whole = capsys.readouterr().out
    assert {"nmod:poss"} < {row["relation"] for row in rows(Path("whole.csv"))}
    here.interrupt_after = 4
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("signal.signal", lambda *_: None)
        assert run([*command, "--csv", "part.csv"]) == 130
    assert "1 of 3 sentences are read and kept" in capsys.readouterr().err
    here.interrupt_after = None
    assert run([*command, "--csv", "part.csv"]) == 0
    assert capsys.readouterr().out == whole
    assert Path("part.csv").read_bytes() == Path("whole.csv").read_bytes()


def test_a_causal_model_sees_what_is_before(
    here: type[EngineHere], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = GPT2Config(vocab_size=len(WORDS), n_positions=32, n_embd=16, n_layer=1, n_head=2)
    model = save(GPT2LMHeadModel(config), tmp_path / "model")
    corpus = bank(tmp_path / "bank.conllu", *PLANTED)
    command = ["scan", "--conllu", corpus, "-m", model, "--device", "cpu", "--csv", "out.csv"]
    assert run(command) == 0
    assert "a word sees only those before it" in capsys.readouterr().out
    counts = {(row["relation"], row["direction"]): row["n"] for row in rows(Path("out.csv"))}
    assert counts == {
        ("det", "dependent_to_head"): "2",
        ("nsubj", "head_to_dependent"): "1",
        ("obj", "dependent_to_head"): "1",
        ("obj", "head_to_dependent"): "1",
        ("punct", "dependent_to_head"): "1",
    }
    offsets = {int(row["baseline_offset"]) for row in rows(Path("out.csv"))}
    assert offsets == {-1, -2, -3}


def test_an_encoder_decoder_reads_with_its_encoder(
    here: type[EngineHere], bart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = bank(tmp_path / "bank.conllu", *PLANTED)
    command = ["scan", "--conllu", corpus, "-m", str(bart), "--device", "cpu", "--csv", "out.csv"]
    assert run(command) == 0
    assert {row["layer"] for row in rows(Path("out.csv"))} == {"encoder.0", "encoder.1"}
    assert " encoder." in capsys.readouterr().out
    assert run([*command, "--force", "--attention", "cross"]) == 2
    assert "cross attention does not read the treebank's text" in capsys.readouterr().err


def test_hostile_relations_reach_no_terminal(attntui: Command, gpt2: Path, tmp_path: Path) -> None:
    bank(
        tmp_path / "bank.conllu", Written([("Mary", 0, "root"), ("went", 1, "\x1b]0;x\x07[bold]")])
    )
    done = attntui("scan", "--conllu", "bank.conllu", "-m", str(gpt2), "--offline")
    assert done.returncode == 0 and "␛]0;x␇[bold]" in done.stdout and "\x1b" not in done.stdout
    assert math.isfinite(float(done.stdout.splitlines()[-1].split()[-3]))
