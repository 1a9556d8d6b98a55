"""`attntui order`: the table and the .csv against sums over the swaps, one asked after another."""

import csv
from pathlib import Path

import numpy as np
import pytest

from attntui.cli.run import run
from attntui.core.protocol import GetOrder, Load, ModelOptions, PromptInput, Trace
from attntui.engine.session import Session
from tests.cli.conftest import PROMPT
from tests.cli.engine_here import EngineHere, Work


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("attntui.cli.tracing.Engine", EngineHere)
    monkeypatch.chdir(tmp_path)


def test_figures_are_shares_of_all_swaps(
    gpt2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["-m", str(gpt2), "--device", "cpu", "--ablate", "0.1"]
    assert run(["order", *model, "-p", PROMPT, "--top", "2", "--csv", "out.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "6 pairs of words swapped, one at a time"
    session = Session()
    session.answer(Load(ModelOptions(model=str(gpt2), device="cpu")), Work())
    session.answer(Trace(1, PromptInput(text=PROMPT)), Work())
    total = np.zeros((3, 3, 4))
    for word in (0, 1, 2, 3, 4, 7):
        total += session.answer(GetOrder(1, "self", word), Work())[1][0]
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["layer", "head", "by_words", "by_position", "n"]
    assert [(int(row["layer"]), int(row["head"])) for row in rows] == list(np.ndindex(3, 4))
    first = [row for row in rows if row["layer"] == "0"]  # the edit changes later layers only
    for row in first:
        sums = total[:, 0, int(row["head"])]
        found = float(row["by_words"]), float(row["by_position"])
        np.testing.assert_allclose(found, sums[:2] / sums[2], atol=1e-6)
        assert row["n"] == "6"
    difference = {
        f"{row['layer']}.{row['head']}": float(row["by_words"]) - float(row["by_position"])
        for row in rows
    }
    best = sorted(difference, key=difference.__getitem__)
    at = lines.index(next(line for line in lines if line.startswith("follow words")))
    assert [line.split()[0] for line in lines[at + 1 : at + 3]] == best[:2]
    assert float(lines[at + 1].split()[-1]) == pytest.approx(difference[best[0]], abs=1e-3)
    at = lines.index(next(line for line in lines if line.startswith("follow order")))
    assert lines[at + 1].split()[0] == best[-1]


def test_a_prompt_without_two_words_is_refused(
    gpt2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["-m", str(gpt2), "--device", "cpu"]
    assert run(["order", *model, "-p", "Mary , Mary Mary", "--csv", "out.csv"]) == 2
    assert "no two words beside each other" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
