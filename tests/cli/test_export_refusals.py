"""What `attntui export` refuses, in one sentence each, and when."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def sentence(done) -> str:
    """What a command that failed said: one line on standard error."""
    assert done.stdout == ""
    assert done.stderr.startswith("attntui: ") and done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.removeprefix("attntui: ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "-o a.txt",
            "no known suffix: export writes .npz, .safetensors, .json, .csv, .svg, .png and .html",
        ),
        ("-o a", "no known suffix"),
        ("-o -", "add --format, such as --format csv"),
        ("-o - --format npz", "cannot go to standard output"),
        ("-o there.npz", "there.npz exists; use --force"),
        ("-o nowhere/a.npz", "There is no folder"),
        ("-o a.csv --logits", "A .csv holds attention only; --logits goes into .npz"),
        ("-o a.csv --statistics", "A .csv holds attention only; --statistics goes into .npz"),
        ("-o a.svg --statistics", "An .svg holds attention only"),
        ("-o a.npz --statistics-on calibration", "--statistics-on needs --statistics"),
        ("-o - --format png", "A .png cannot go to standard output; json, csv, svg, html can"),
        ("-o a.npz --size 4x4", "--size is for pictures: .svg, .png and .html"),
        ("-o a.csv --scale log", "--scale is for pictures"),
        ("-o a.html --dpi 100", "--dpi is for a .png"),
        ("-o a.svg --size 4", "--size '4' is no width and height in inches such as 6.5x5"),
        ("-o a.svg --size 4x99", "each 1 to 50"),
        ("-o a.png --size 50x50 --dpi 1200", "has 3600 million pixels, and 200 are the most"),
        ("-o a.npz --mean-of 3", "--mean-of '3' is no list of heads such as 1.2,3.0"),
        ("-o a.npz --layers x", "--layers 'x' is neither all nor a list such as 0,3-5"),
        ("-o a.npz --keep-on gpu", "'--keep-on': 'gpu' is not one of"),
        ("-o a.npz --heads 3-1", "--heads '3-1' has a range that runs backwards: write 1-3"),
        ("-o a.npz --residual 0.5", "--residual needs --rollout"),
        ("-o a.npz --rollout --residual 2", "--residual"),
        ("-o a.npz --prompt-file there.npz", "not with both"),
        ("-o a.npz --attention sideways", "--attention"),
        ("-o a.npz --nonsense", "--nonsense"),
        ("", "--output"),
    ],
)
def test_a_bad_line_is_refused_before_any_engine_starts(
    faked, tmp_path: Path, arguments: str, said: str
) -> None:
    (tmp_path / "there.npz").write_bytes(b"old")
    pid = tmp_path / "pid"
    done = faked("export", "-p", "text", *arguments.split(), FAKE_PID_FILE=str(pid))
    assert done.returncode == 2
    assert said in sentence(done)
    assert not pid.exists()
    assert (tmp_path / "there.npz").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.npz"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "There is no prompt: give one with --prompt TEXT or --prompt-file FILE"),
        ("--prompt-file missing", "missing cannot be read: No such file"),
        ("--prompt-file latin1", "latin1 is not valid UTF-8"),
        ("--prompt-file empty", "empty is empty"),
    ],
)
def test_a_prompt_is_required_and_read_as_utf_8(
    faked, tmp_path: Path, arguments: str, said: str
) -> None:
    (tmp_path / "latin1").write_bytes(b"caf\xe9")
    (tmp_path / "empty").write_text(" \n")
    done = faked("export", "-m", "fake", "-o", "a.npz", *arguments.split())
    assert done.returncode == 2
    assert said in sentence(done)


def test_half_a_character_on_the_command_line_is_refused(faked) -> None:
    done = faked("export", "-m", "fake", "-o", "a.npz", "-p", "caf\udce9")
    assert done.returncode == 2
    assert "--prompt is not valid UTF-8" in sentence(done)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--layers 2", "There is no layer 2: fake has layers 0 to 1"),
        ("--heads 0-5", "There is no head 5: fake has heads 0 to 1"),
        ("--attention cross", "fake has no cross attention: leave out --attention"),
        ("-p fail_user_too_long", "too long"),
        ("--logits", "fake predicts nothing: leave out --logits"),
    ],
)
def test_what_only_the_model_can_tell(faked, tmp_path: Path, arguments: str, said: str) -> None:
    words = [word.replace("_", " ") for word in arguments.split()]
    done = faked("export", "-m", "fake", "-o", "a.npz", "-p", "text", *words)
    assert done.returncode == 2
    assert said in sentence(done)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ("fail fault the matrix is ESC upside down", "the matrix is ␛ upside down (log: "),
        ("say last ESC words; kill SIGKILL", "runs out of memory; its last words: last ␛ words"),
        ("exit 3", "The engine ended with exit status 3 (log: "),
    ],
)
def test_a_fault_of_ours_is_status_1_and_names_its_log(
    faked, tmp_path: Path, commands: str, said: str
) -> None:
    done = faked("export", "-m", "fake", "-o", str(tmp_path / "a.npz"), "-p", commands)
    assert done.returncode == 1
    text = sentence(done)
    assert said in text
    log = Path(text.partition("(log: ")[2].rstrip(".\n)"))
    assert "Traceback" in log.read_text() and "The engine's log:" in log.read_text()
    assert "\x1b" not in log.read_text()
    assert not list(tmp_path.glob("a.npz")) and not list(tmp_path.glob(".attntui*"))


def test_an_exception_nobody_expected_is_a_sentence_too(
    environment: dict[str, str], tmp_path: Path
) -> None:
    program = """
from attntui.cli import main, models
def fail(as_json):
    raise ZeroDivisionError("no \\x1b[31mway\\nat all")
models.list_models = fail
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "models"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 1
    assert "internal error: ZeroDivisionError: no ␛[31mway⏎at all (log: " in sentence(done)


def test_where_no_log_can_be_written_it_says_so(faked, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere = {"XDG_STATE_HOME": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "file")}
    done = faked("export", "-m", "fake", "-o", "a.npz", "-p", "exit 3", **nowhere)
    assert done.returncode == 1
    assert "exit status 3 (log" in sentence(done)


def test_force_replaces(faked, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"old")
    done = faked("export", "-m", "fake", "-p", "text", "-o", "a.npz", "--force", "--heads", "1")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "a.npz") as found:
        assert found["attention"][1, 0, 2, 3] == 1123
        assert found["tokens"].tolist() == ["t0", "t1", "t2", "t3"]


def test_heads_that_a_layer_lacks_are_nan_and_layers_without_attention_left_out(
    faked, tmp_path: Path
) -> None:
    line = ["export", "-m", "fake", "-p", "text"]
    done = faked(*line, "-o", "a.npz", "--mean", FAKE_HEADS="2,0,1")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "attntui: layers without attention are left out: 1.",
        "attntui: some layers have fewer heads than others: what they lack is NaN.",
    ]
    with np.load(tmp_path / "a.npz") as found:
        assert found["layers"].tolist() == [0, 2]
        assert found["attention"].shape == (2, 2, 4, 4)
        assert found["attention"][1, 0, 3, 3] == 2033
        assert np.isnan(found["attention"][1, 1]).all()
        assert not np.isnan(found["attention"][0]).any()
        assert found["mean"].shape == (2, 4, 4)
        assert len(json.loads(str(found["meta"]))["notes"]) == 2
    done = faked(*line, "-o", "b.npz", "--layers", "0-1", FAKE_HEADS="2,0,1")
    assert done.returncode == 2
    assert "Layer 1 of fake has no attention" in sentence(done)
    done = faked(*line, "-o", "c.npz", "--layers", "2", "--heads", "1", FAKE_HEADS="2,0,1")
    assert "There is no head 1: layer 2 of fake has one head, number 0" in sentence(done)


def test_a_bad_rollout_is_said_before_the_long_work(faked, tmp_path: Path) -> None:
    line = ["export", "-m", "fake", "-p", "text", "-o", "a.npz", "--rollout", "--start-layer", "9"]
    done = faked(*line)
    assert "no such layer" in sentence(done)
    log = Path(done.stderr.partition("(log: ")[2].rstrip(".\n)")).read_text()
    assert [text.split("(")[0] for text in log.split("window ")[1:]] == ["Rollout"]


def test_tiles_join_to_the_whole(faked, tmp_path: Path) -> None:
    """A matrix larger than one answer arrives in tiles, in order."""
    line = ["-p", "tokens 2100", "-o", "a.npz", "--layers", "0", "--heads", "1", "--mean"]
    done = faked("export", "-m", "fake", *line)
    assert done.returncode == 0, done.stderr
    at = np.arange(2100)
    expected = (100 + at[:, None] * 10 + at[None]).astype(np.float32)
    with np.load(tmp_path / "a.npz") as found:
        np.testing.assert_array_equal(found["attention"][0, 0], expected)
        np.testing.assert_array_equal(found["mean"][0], expected + 9800)
