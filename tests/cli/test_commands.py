"""The commands that run no model, and what the bare command says without a terminal."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import attntui as package
from attntui.cli import hub_findings, machine_findings, terminal_findings
from attntui.cli.progress import ProgressLine
from attntui.cli.table import aligned, columns
from attntui.core.amounts import how_far, human_bytes
from attntui.core.protocol import Progress

HOSTILE = "\x1b]52;c;cm0gLXJm\x07\x1b[2J[red]\x9b31m\u202e"


def safe(text: str) -> bool:
    return not any(raw in text for raw in ("\x1b", "\x07", "\x9b", "\u202e"))


def test_version_and_help(attntui) -> None:
    assert attntui("--version").stdout == f"attntui {package.__version__}\n"
    done = attntui("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("export", "models", "doctor", "--model", "--no-mouse", "--decoder-prompt"):
        assert word in done.stdout
    assert "--rollout" in attntui("export", "-h").stdout


def test_without_a_terminal_the_bare_command_names_export(attntui) -> None:
    done = attntui()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("attntui: The screen needs a terminal")
    assert "attntui export" in done.stderr


def test_options_before_a_command_are_refused_in_words(attntui) -> None:
    done = attntui("--model", "gpt2", "doctor")
    assert done.returncode == 2
    assert done.stderr == ("attntui: Put --model after the command: attntui doctor --model ...\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [HOSTILE],
        ["--" + HOSTILE],
        ["--layer", HOSTILE],
        ["--style", HOSTILE],
        ["export", "-p", "x", "-o", HOSTILE],
        ["export", "-p", "x", "-o", f"/{HOSTILE}/a.npz"],
        ["export", "-p", "x", "-o", "a.npz", "--layers", HOSTILE],
        ["export", "-p", "x", "-o", "a.npz", "--dtype", HOSTILE],
        ["export", "-o", "a.npz", "--prompt-file", HOSTILE],
        ["models", HOSTILE],
    ],
)
def test_hostile_arguments_never_reach_the_terminal_raw(attntui, arguments: list[str]) -> None:
    done = attntui(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("attntui: ") and done.stderr.count("\n") == 1
    assert safe(done.stderr)


@pytest.mark.parametrize(
    ("redirected", "status", "said"),
    [
        ("| true", "0 141", ""),
        (">&-", "0", ""),
        (">&- 2>&- <&-", "0", ""),
        (
            "> /dev/full",
            "2",
            "attntui: Standard output cannot be written: No space left on device.",
        ),
    ],
)
def test_output_that_nobody_takes_is_no_fault(
    environment: dict[str, str], tmp_path: Path, redirected: str, status: str, said: str
) -> None:
    line = f"{sys.executable} -m attntui models --json {redirected}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() == said
    assert done.stdout.strip() in status.split()


class TestModels:
    """`attntui models`."""

    def repository(self, cache: Path, name: str, **files: str) -> Path:
        """A repository as huggingface_hub lays it out."""
        folder = cache / f"models--{name.replace('/', '--')}"
        snapshot = folder / "snapshots" / ("a" * 40)
        for part in (snapshot, folder / "blobs", folder / "refs"):
            part.mkdir(parents=True)
        (folder / "refs" / "main").write_text("a" * 40)
        for at, (file, content) in enumerate(files.items()):
            blob = folder / "blobs" / str(at)
            blob.write_text(content)
            (snapshot / file.replace("__", ".")).symlink_to(blob)
        return folder

    def test_what_the_cache_holds(self, attntui, tmp_path: Path) -> None:
        cache = tmp_path / "hub"
        gpt2 = json.dumps({"architectures": ["GPT2LMHeadModel"]})
        index = json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})
        self.repository(cache, "org/whole", config__json=gpt2, model__safetensors="x" * 2000)
        self.repository(cache, "org/none", config__json=gpt2)
        self.repository(cache, "org/nothing", readme__md="x")
        shards = {"one__safetensors": "x", "model__safetensors__index__json": index}
        self.repository(cache, "org/half", config__json=gpt2, **shards)
        torn = self.repository(
            cache, "org/torn", config__json='{"architectures": [["\x1b"]', model__safetensors="x"
        )
        (torn / "blobs" / "1.incomplete").write_text("x")
        evil = json.dumps({"architectures": [HOSTILE]})
        self.repository(cache, "org/evil", config__json=evil, model__safetensors="x")

        done = attntui("models", HF_HUB_CACHE=str(cache))
        assert done.returncode == 0, done.stderr
        assert safe(done.stdout)
        lines = {line.split()[0]: line for line in done.stdout.splitlines()}
        assert list(lines)[:3] == ["model", "demo", "demo-bert"]
        assert lines["org/whole"].split() == ["org/whole", "GPT2LMHeadModel", "2.0", "kB"]
        assert "incomplete: no weights" in lines["org/none"]
        assert "incomplete: no config.json" in lines["org/nothing"]
        assert "incomplete: 1 of 2 weight files missing" in lines["org/half"]
        assert "interrupted download" in lines["org/torn"]

        found = json.loads(attntui("models", "--json", HF_HUB_CACHE=str(cache)).stdout)
        whole = next(one for one in found if one["name"] == "org/whole")
        assert whole["architecture"] == "GPT2LMHeadModel"
        assert whole["size"] > 2000

    def test_no_cache_at_all(self, attntui, tmp_path: Path) -> None:
        done = attntui("models", HF_HUB_CACHE=str(tmp_path / "missing"))
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == 3

    def test_columns_line_up_under_wide_names(self) -> None:
        text = aligned([("日本", "x"), ("abcdef", "y"), ("e\u0301", "z")])
        assert [columns(line) for line in text.splitlines()] == [9, 9, 9]
        assert text.splitlines()[0] == "日本    x"


class TestDoctor:
    """`attntui doctor`."""

    def test_every_line_has_a_verdict(self, attntui) -> None:
        done = attntui("doctor", HF_TOKEN="hf_secret", LANG="C.UTF-8")
        lines = done.stdout.splitlines()
        assert all(line.split()[0] in ("ok", "note", "problem") for line in lines), done.stdout
        assert done.returncode == (2 if any(line.startswith("problem") for line in lines) else 0)
        subjects = [line.split()[1] for line in lines]
        for subject in ("terminal", "colours", "torch", "transformers", "memory", "cache", "token"):
            assert subject in subjects
        assert "hf_secret" not in done.stdout + done.stderr
        assert "present" in next(line for line in lines if "token" in line)

    def test_a_foreign_endpoint_is_named_without_its_password(self) -> None:
        found = hub_findings._endpoint("https://me:secret@mirror.example/x", token=True)
        assert found.verdict == "note"
        assert "mirror.example" in found.text and "is sent your token" in found.text
        assert "secret" not in found.text
        assert hub_findings._endpoint("https://huggingface.co/", token=True).verdict == "ok"

    @pytest.mark.parametrize(
        ("variables", "system"),
        [
            ({"TERM": "xterm-256color"}, "256"),
            ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "truecolor"),
            ({"TERM": "xterm-256color", "NO_COLOR": ""}, "256"),
            ({"TERM": "screen"}, "standard"),
            ({"TERM": "screen", "TEXTUAL_COLOR_SYSTEM": "truecolor"}, "truecolor"),
            ({"TERM": "screen", "TEXTUAL_COLOR_SYSTEM": HOSTILE}, "standard"),
            ({"TERM": "dumb"}, None),
        ],
    )
    def test_the_colours_are_those_that_textual_would_choose(
        self, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], system: str | None
    ) -> None:
        for name in ("TERM", "COLORTERM", "NO_COLOR", "TEXTUAL_COLOR_SYSTEM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert terminal_findings.colour_system() == system

    def test_a_torch_that_does_not_import_is_a_problem(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(machine_findings, "PROBE", "raise ImportError('libcudart missing')")
        found = list(machine_findings._devices())
        assert [one.verdict for one in found] == ["problem"]
        assert "libcudart missing" in found[0].text
        monkeypatch.setattr(machine_findings, "SECONDS", 0.2)
        monkeypatch.setattr(machine_findings, "PROBE", "import time; time.sleep(30)")
        assert "not imported within" in next(machine_findings._devices()).text

    def test_memory_agrees_with_the_system(self) -> None:
        free, total = machine_findings.memory()
        assert 0 <= free <= total
        assert total == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class TestProgress:
    """Progress on standard error."""

    @pytest.mark.parametrize(
        ("progress", "text"),
        [
            (Progress("layer", 3, 12), "layer 3 of 12"),
            (
                Progress("downloading", 1_500_000, 4_000_000_000, "B"),
                "downloading 1.5 MB of 4.0 GB",
            ),
            (
                Progress("downloading", 10**9, 4 * 10**9, "B", 25e6),
                "downloading 1.0 GB of 4.0 GB, 25.0 MB/s, 2 min 0 s left",
            ),
            (Progress("starting PyTorch"), "starting PyTorch"),
            (Progress("\x1b[2J", 7), "␛[2J 7"),
        ],
    )
    def test_it_is_one_safe_phrase(self, progress: Progress, text: str) -> None:
        assert how_far(progress) == text

    @pytest.mark.parametrize(
        ("count", "text"),
        [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_449, "99.4 kB"), (123_456, "123 kB")],
    )
    def test_bytes_are_counted_as_the_hub_does(self, count: int, text: str) -> None:
        assert human_bytes(count) == text

    def test_a_terminal_is_left_clean(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stream = FakeTerminal()
        with ProgressLine(stream) as line:
            line(Progress("too soon to say"))
            assert not stream.text
            monkeypatch.setattr(line, "_next", 0)
            line(Progress("loading weights", 1, 2))
            monkeypatch.setattr(line, "_next", 0)
            line(Progress("layer", 1, 2))
        assert stream.shown() == ""
        assert "\x1b" not in stream.text

    def test_a_pipe_is_told_of_long_stages_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stream = io.StringIO()
        now = [0.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        with ProgressLine(stream) as line:
            for second in range(40):  # quick stages, each after the other
                now[0] = float(second)
                line(Progress(f"stage {second}", 0, 4))
            assert not stream.getvalue()
            for second in range(40, 65):  # two long ones that take turns
                now[0] = float(second)
                line(Progress(("forward", "reading")[second % 2], second, 65))
        lines = stream.getvalue().splitlines()
        assert lines == ["attntui: forward 50 of 65", "attntui: forward 60 of 65"]


class FakeTerminal:
    """Keeps what is written to it."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True

    def shown(self) -> str:
        """The line as a terminal would show it after every carriage return."""
        line: list[str] = []
        at = 0
        for char in self.text:
            if char == "\r":
                at = 0
                continue
            line[at : at + 1] = [char]
            at += 1
        return "".join(line).strip()
