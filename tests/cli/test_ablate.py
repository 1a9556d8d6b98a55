"""`attntui ablate`: a task without each head, against eager models; interrupted and resumed."""

import csv
import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    GPT2LMHeadModel,
)

from attntui.demo import MODELS
from tests.cli.conftest import WORDS, Command, word_tokenizer

NAMES = ("Mary", "John", "went", "home", "and")
Row = tuple[str, str, float, float, float, int]


def table(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["layer", "head", "accuracy", "logprob", "logit_difference", "n"]
    return [(layer, head, *map(float, rest[:3]), int(rest[3])) for layer, head, *rest in rows[1:]]  # type: ignore[misc]


def lines(path: Path, questions: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in questions))
    return path


def copying(count: int) -> list[dict[str, object]]:
    """Sentences in which an odd name comes back, half of them with another name as foil."""
    chance = random.Random(7)
    ends = ("bold", "rick", "wen", "mond", "zel", "bert", "gard", "lin")
    starts = ("Grim", "Zor", "Mir", "Tal", "Bren", "Fen", "Hal", "Os")
    found: list[dict[str, object]] = []
    for at in range(count):
        start, (end, other) = chance.choice(starts), chance.sample(ends, 2)
        prompt = f"Once there was a king, {start}{end} by name. The queen loved {start}"
        found.append({"prompt": prompt, "answer": end, **({"foil": other} if at % 2 else {})})
    return found


Interrupted = Callable[..., int]


@pytest.fixture
def interrupted(warm: tuple[str, ...], environment: dict[str, str], tmp_path: Path) -> Interrupted:
    """Starts a command that writes part.csv and presses ctrl+c in it once so many questions are
    answered; gives how many are kept."""

    def run(after: int, count: int, *command: str) -> int:
        process = subprocess.Popen(
            [*warm, *command, "-o", "part.csv"],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        part = tmp_path / "part.csv.part"
        for _ in range(4000):
            if part.exists() and part.read_text().count("\n") > after:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130 and "Traceback" not in errors
        kept = part.read_text().count("\n") - 1
        assert f"{kept} of {count} questions are answered and kept in part.csv.part" in errors
        assert not (tmp_path / "part.csv").exists() and after <= kept < count
        return kept

    return run


def test_each_head_and_the_whole_model(attntui: Command, gpt2: Path, tmp_path: Path) -> None:
    questions = [
        {"prompt": "When Mary and John", "answer": " went", "foil": " home"},
        {"prompt": "Mary went home ,", "answer": " John and", "id": 7},
        {"prompt": "John", "answer": " and", "foil": " Mary"},
    ]
    task, output = lines(tmp_path / "task.jsonl", questions), tmp_path / "out.csv"
    done = attntui("ablate", "-m", str(gpt2), "--task", str(task), "-o", str(output), "--offline")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out.csv.part").exists()
    found = table(output)
    tokenizer = AutoTokenizer.from_pretrained(gpt2)
    names = [("", ""), *((str(at), str(head)) for at in range(3) for head in range(4))]
    assert [row[:2] for row in found] == names
    for layer, head, *scores, count in found:
        model = GPT2LMHeadModel.from_pretrained(gpt2, attn_implementation="eager").eval()
        if layer:
            part = slice(int(head) * 8, int(head) * 8 + 8)
            model.transformer.h[int(layer)].attn.c_proj.weight.data[part] = 0
        rows = []
        for question in questions:
            before, after = (
                tokenizer(str(question[name]))["input_ids"] for name in ("prompt", "answer")
            )
            with torch.no_grad():
                logits = model(torch.tensor([before + after])).logits[0]
            logits = logits[len(before) - 1 : -1]
            own = logits[range(len(after)), after]
            others = logits.scatter(1, torch.tensor(after)[:, None], -torch.inf).amax(1)
            margin = (own - others).min()
            if "foil" in question:
                margin = own[0] - logits[0, tokenizer(str(question["foil"]))["input_ids"][0]]
            chances = logits.log_softmax(-1)[range(len(after)), after]
            rows.append([float(margin > 0), float(chances.sum()), float(margin)])
        np.testing.assert_allclose(scores, np.mean(rows, 0), atol=1e-4)
        assert count == 3
    worst = min(found[1:], key=lambda row: row[3])
    listed = done.stdout.splitlines()
    assert listed[0] == "3 questions" and listed[3].startswith("whole model")
    assert listed[4].split()[:3] == [
        f"{worst[0]}.{worst[1]}",
        f"{worst[2]:.3f}",
        f"({worst[2] - found[0][2]:+.3f})",
    ]


def test_sets_of_heads(attntui: Command, gpt2: Path, tmp_path: Path) -> None:
    task = lines(tmp_path / "task.jsonl", [{"prompt": "When Mary", "answer": " and"}])
    output = tmp_path / "out.csv"
    sets = ["--ablate", "2.1,0.3", "--ablate", "1.0"]
    done = attntui("ablate", "-m", str(gpt2), "--task", str(task), *sets, "-o", str(output))
    assert done.returncode == 0, done.stderr
    assert [row[:2] for row in table(output)] == [("", ""), ("", "0.3+2.1"), ("1", "0")]
    model = GPT2LMHeadModel.from_pretrained(gpt2, attn_implementation="eager").eval()
    for layer, head in ((2, 1), (0, 3)):
        model.transformer.h[layer].attn.c_proj.weight.data[head * 8 : head * 8 + 8] = 0
    ids = AutoTokenizer.from_pretrained(gpt2)("When Mary and", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        chances = model(ids).logits[0, 1].log_softmax(-1)
    assert table(output)[1][3] == pytest.approx(float(chances[ids[0, 2]]), abs=1e-4)


def test_demo_copies_names_and_an_interrupted_task_goes_on(
    attntui: Command, interrupted: Interrupted, tmp_path: Path
) -> None:
    task = lines(tmp_path / "task.jsonl", copying(8))
    kept = interrupted(3, 8, "ablate", "--task", str(task))
    part = tmp_path / "part.csv.part"
    part.write_text(part.read_text() + "[[0.1, 0.2], [0.")  # killed while it wrote
    again = attntui("ablate", "--task", str(task), "-o", "part.csv")
    assert again.returncode == 0
    assert f"{kept} of 8 questions were answered before" in again.stderr
    whole = attntui("ablate", "--task", str(task), "-o", "whole.csv")
    assert (tmp_path / "part.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert again.stdout == whole.stdout and not part.exists()
    scores = {row[:2]: row[2:] for row in table(tmp_path / "whole.csv")}
    assert scores["", ""][0] > 0.6, "the bundled model copies names"
    previous = scores["0", "2"]
    assert previous[1] < scores["", ""][1] - 3, "its previous-token head is needed for that"


def test_other_work_is_not_gone_on_with(attntui: Command, gpt2: Path, tmp_path: Path) -> None:
    task = lines(tmp_path / "task.jsonl", [{"prompt": "When Mary", "answer": " and"}])
    part = tmp_path / "out.csv.part"
    part.write_text("something else\n")
    command = ["ablate", "-m", str(gpt2), "--task", str(task), "-o", "out.csv"]
    done = attntui(*command)
    assert done.returncode == 2 and "out.csv.part was begun with another task" in done.stderr
    assert part.read_text() == "something else\n" and not (tmp_path / "out.csv").exists()
    assert attntui(*command, "--force").returncode == 0
    assert table(tmp_path / "out.csv") and not part.exists()
    refused = attntui(*command)
    assert refused.returncode == 2 and "out.csv exists; use --force" in refused.stderr


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT trained to tell whether Mary or John comes first."""
    torch.manual_seed(0)
    tokenizer = word_tokenizer(True)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
        hidden_dropout_prob=0,
        attention_probs_dropout_prob=0,
        id2label={0: "John", 1: "Mary"},
        label2id={"John": 0, "Mary": 1},
    )
    model = BertForSequenceClassification(config)
    texts, labels = map(list, zip(*sentences(256), strict=True))
    inputs = tokenizer(texts, return_tensors="pt", padding=True)
    target = torch.tensor([model.config.label2id[label] for label in labels])
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        optimiser.zero_grad()
        model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=target
        ).loss.backward()
        optimiser.step()
    folder = tmp_path_factory.mktemp("classifier")
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sentences(count: int) -> list[tuple[str, str]]:
    """Words among which Mary and John stand, and which of them comes first."""
    chance = random.Random(3)
    found = []
    for _ in range(count):
        words = [chance.choice(("When", "and", "went", "home", ",")) for _ in range(6)]
        first, second = sorted(chance.sample(range(6), 2))
        names = chance.sample(("Mary", "John"), 2)
        words[first], words[second] = names
        found.append((" ".join(words), names[0]))
    return found


def test_a_classifier_trained_here(
    attntui: Command, interrupted: Interrupted, classifier: Path, tmp_path: Path
) -> None:
    held = sentences(456)[256:]
    task = lines(tmp_path / "task.jsonl", [{"text": text, "label": label} for text, label in held])
    output = tmp_path / "out.csv"
    command = ["ablate", "-m", str(classifier), "--task", str(task)]
    done = attntui(*command, "-o", str(output))
    assert done.returncode == 0, done.stderr
    interrupted(20, 200, *command)
    again = attntui(*command, "-o", "part.csv")
    assert again.stdout == done.stdout
    assert output.read_bytes() == (tmp_path / "part.csv").read_bytes()
    found = table(output)
    assert found[0][2] > 0.9, "it learned the task"
    tokenizer = AutoTokenizer.from_pretrained(classifier)
    texts = [text for text, _ in held]
    labels = [("John", "Mary").index(label) for _, label in held]
    for layer, head, accuracy, logprob, difference, count in found:
        model = AutoModelForSequenceClassification.from_pretrained(
            classifier, attn_implementation="eager"
        )
        if layer:
            dense = model.bert.encoder.layer[int(layer)].attention.output.dense
            dense.weight.data[:, int(head) * 8 : int(head) * 8 + 8] = 0
        with torch.no_grad():
            logits = model(tokenizer(texts, return_tensors="pt")["input_ids"]).logits
        rows = []
        for own, scores in zip(labels, logits, strict=True):
            margin = float(scores[own] - scores[1 - own])
            rows.append([float(margin > 0), float(scores.log_softmax(-1)[own]), margin])
        np.testing.assert_allclose([accuracy, logprob, difference], np.mean(rows, 0), atol=1e-4)
        assert count == 200
    assert min(row[3] for row in found) < found[0][3], "some head is needed"


Wrong = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no question: write one a line"),
        ("\n\n", "holds no question"),
        ("nonsense", "line 1 is no JSON: a question is {"),
        ('{"prompt": "a", "answer": "b"}\n[1]', "line 2: a question is {"),
        ('{"prompt": "a"}', "line 1: a question is {"),
        ('{"prompt": 1, "answer": "b"}', "here prompt is no text"),
        ('{"prompt": "", "answer": "b"}', "here prompt is no text"),
        ('{"text": "a", "label": 1.5}', "here label is no text"),
        ('{"prompt": "a", "answer": "b", "foil": 3}', "here foil is no text"),
    ],
)
def test_a_bad_task_is_refused_before_a_model_is_loaded(
    attntui: Command, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "task.jsonl").write_text(text)
    done = attntui("ablate", "-m", "no/model", "--task", "task.jsonl", "-o", "out.csv")
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["task.jsonl"]


def test_a_question_that_does_not_suit_is_named(attntui: Command, tmp_path: Path) -> None:
    good, bad = (
        {"prompt": "The boy", "answer": " went"},
        {"prompt": "x", "answer": "a", "foil": "a"},
    )
    task = lines(tmp_path / "task.jsonl", [good, bad])
    done = attntui("ablate", "--task", str(task), "--ablate", "0.1")
    assert done.returncode == 2 and "task.jsonl, question 2: The answer and the foil" in done.stderr
    missing = attntui("ablate", "--task", "nowhere.jsonl")
    assert missing.returncode == 2 and "nowhere.jsonl cannot be read" in missing.stderr
    assert MODELS["demo"].folder.exists()
