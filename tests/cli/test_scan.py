"""`attntui scan` over prompts: means and spreads against numpy; interrupted and resumed."""

import csv
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from attntui.cli.run import run
from attntui.core.protocol import (
    STATISTICS,
    GetStatistics,
    Load,
    ModelOptions,
    PromptInput,
    Statistics,
    Trace,
)
from attntui.engine.session import Session
from tests.cli.conftest import Command
from tests.cli.engine_here import EngineHere, Work

PROMPTS = [
    "When Mary and John went home , Mary went",
    "Mary",
    "John and Mary and John , When",
    "home , , home",
]


def write(path: Path, lines: list[str]) -> str:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)


def test_means_and_spreads_are_those_of_the_prompts(
    here: type[EngineHere], gpt2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = write(tmp_path / "corpus.txt", [PROMPTS[0], "", "  ", *PROMPTS[1:], "went " * 33])
    assert run(["scan", corpus, "-m", str(gpt2), "--device", "cpu", "--csv", "out.csv"]) == 0
    output, errors = capsys.readouterr()
    assert "left out: 1 of 5 prompts; the first, number 5: The prompt is 33 tokens" in errors
    session, values = Session(), []
    session.answer(Load(ModelOptions(model=str(gpt2), device="cpu")), Work())
    for prompt in PROMPTS:
        session.answer(Trace(1, PromptInput(text=prompt)), Work())
        reply, arrays = session.answer(GetStatistics(1, "self"), Work())
        assert isinstance(reply, Statistics)
        values.append(arrays[0].astype(np.float64))
    every = np.array(values)  # (prompts, statistics, layers, heads)
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["layer", "head", "statistic", "mean", "std", "n"]
    assert len(rows) == 3 * 4 * len(STATISTICS)
    counts = set()
    for row in rows:
        place = STATISTICS.index(row["statistic"]), int(row["layer"]), int(row["head"])
        there = [one for one in every[:, *place] if not np.isnan(one)]
        counts.add(len(there))
        assert int(row["n"]) == len(there)
        wanted = [np.mean(there), np.std(there)] if there else [np.nan, np.nan]
        found = [float(row["mean"]), float(row["std"])]
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8)
    assert counts == {0, 3, 4}, "some statistics are not defined in every prompt"
    mean = np.nanmean(every[:, STATISTICS.index("previous")], 0)
    layer, head = divmod(int(mean.argmax()), 4)
    listed = next(line for line in output.splitlines() if line.startswith("previous"))
    assert listed.split()[1:4] == ["3", f"{layer}.{head}", f"{mean.max():.3f}"]


def test_an_interrupted_scan_goes_on(
    here: type[EngineHere],
    gpt2: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    corpus = write(tmp_path / "corpus.txt", PROMPTS)
    command = ["scan", corpus, "-m", str(gpt2), "--device", "cpu", "--csv"]
    assert run([*command, "whole.csv"]) == 0
    whole = capsys.readouterr().out
    here.interrupt_after = 6  # the model, two prompts and their statistics, one prompt
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signal, "signal", lambda *_: None)
        assert run([*command, "part.csv"]) == 130
    assert "2 of 4 prompts are read and kept in part.csv.part" in capsys.readouterr().err
    assert not (tmp_path / "part.csv").exists()
    here.interrupt_after = None
    assert run([*command, "part.csv"]) == 0
    again = capsys.readouterr()
    assert "2 of 4 prompts were read before" in again.err and again.out == whole
    assert (tmp_path / "part.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not (tmp_path / "part.csv.part").exists()

    (tmp_path / "part.csv.part").write_text("other work\n")
    assert run([*command, "part.csv"]) == 2
    assert "part.csv exists; use --force" in capsys.readouterr().err
    (tmp_path / "part.csv").unlink()
    assert run([*command, "part.csv"]) == 2
    assert "was begun with another task, model or options" in capsys.readouterr().err
    monkeypatch.setattr("attntui.cli.scan.KEEP_INTERVAL", -1)  # kept after every prompt
    assert run([*command, "part.csv", "--force"]) == 0
    assert (tmp_path / "part.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_ctrl_c_keeps_what_is_done(
    with_fake: tuple[str, ...], environment: dict[str, str], tmp_path: Path, faked: Command
) -> None:
    write(tmp_path / "corpus.txt", ["sleep 0.05"] * 50)
    process = subprocess.Popen(
        [*with_fake, *"scan corpus.txt --csv out.csv".split()],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    part = tmp_path / "out.csv.part"
    for _ in range(1000):
        if part.exists() and part.read_text().count("\n") > 1:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 130 and output == "" and "Traceback" not in errors
    done = int(errors.split(" of 50 prompts are read and kept")[0].split()[-1])
    assert 1 <= done < 50
    again = faked("scan", "corpus.txt", "--csv", "out.csv")
    assert again.returncode == 0 and f"{done} of 50 prompts were read before" in again.stderr
    last = (tmp_path / "out.csv").read_text().splitlines()[-1]
    assert last == "1,1,largest,0.5,0,50"


def test_hostile_prompts_and_empty_files(
    here: type[EngineHere], gpt2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["-m", str(gpt2), "--device", "cpu"]
    (tmp_path / "hostile.txt").write_bytes("\ufeff\x1b]0;x\x07 [bold]\r\nMary went\r\n".encode())
    assert run(["scan", "hostile.txt", *model]) == 0
    output, errors = capsys.readouterr()
    assert "\x1b" not in output + errors
    for name, content, words in (
        ("empty.txt", b"\n \n", "is empty: write one a line"),
        ("bytes.txt", b"\xff\xfe\x00", "is not valid UTF-8"),
        (
            "long.txt",
            b"went " * 40,
            "None of the prompts could be read; the first, number 1: The prompt is 40",
        ),
        ("gone.txt", None, "cannot be read: No such file"),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert run(["scan", name, *model, "--csv", "out.csv"]) == 2
        assert words in capsys.readouterr().err
        assert not list(tmp_path.glob("out.csv*"))
    assert run(["scan", "long.txt", *model, "--truncate", "left"]) == 0
    assert run(["scan", "long.txt", *model, "--subtypes"]) == 2
