"""Pipes that close, disks that are full, folders nobody may write to, and interrupts halfway."""

import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.test_interrupt import gone, wait_until

SHOW = ["show", "-m", "fake", "-p", "tokens 3000", "--width", "7000"]
CSV = ["export", "-m", "fake", "-p", "tokens 300", "-o", "-", "--format", "csv"]
HTML = ["export", "-m", "fake", "-p", "tokens 300", "-o", "-", "--format", "html"]
FULL = "attntui: Standard output cannot be written: No space left on device.\n"


def piped(line: list[str], rest: str, environment: dict[str, str], folder: Path) -> list[str]:
    """The status of a command and what it said, its output going through a pipe."""
    done = subprocess.run(
        ["bash", "-c", f'"$@" {rest}; echo "${{PIPESTATUS[0]}}"', "bash", *line],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return [done.stdout.splitlines()[-1], done.stderr]


@pytest.mark.parametrize("line", [SHOW, CSV, HTML])
def test_a_reader_that_has_seen_enough_ends_it_quietly(
    with_fake: tuple[str, ...], environment: dict[str, str], tmp_path: Path, line: list[str]
) -> None:
    status, said = piped([*with_fake, *line], "| head -1 > /dev/null", environment, tmp_path)
    assert status == str(128 + signal.SIGPIPE)
    assert said == ""


def test_a_short_answer_fits_into_the_pipe(
    with_fake: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    line = ["show", "-m", "fake", "-p", "text"]
    assert piped([*with_fake, *line], "| cat > /dev/null", environment, tmp_path) == ["0", ""]


@pytest.mark.parametrize("line", [SHOW, CSV])
def test_a_full_disk_behind_standard_output_is_a_sentence(faked: Command, line: list[str]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = faked(*line, stdout=full)
    assert (done.returncode, done.stderr) == (2, FULL)


@pytest.mark.parametrize("suffix", ["npz", "safetensors", "json", "csv", "svg", "png", "html"])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    faked: Command, tmp_path: Path, suffix: str
) -> None:
    """A limit on file size stands in for the disk: both fail in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        done = faked(
            "export",
            "-m",
            "fake",
            "-p",
            "tokens 99",
            "-o",
            f"a.{suffix}",
            PYTHONDONTWRITEBYTECODE="1",
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert done.returncode == 2
    assert done.stderr == f"attntui: a.{suffix} cannot be written: File too large.\n"
    assert not list(tmp_path.glob("a.*")) and not list(tmp_path.glob(".attntui*"))


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder nobody may write to")
@pytest.mark.parametrize("suffix", ["npz", "png"])
def test_a_folder_nobody_may_write_to_is_said_before_any_work(
    faked: Command, tmp_path: Path, suffix: str
) -> None:
    pid = tmp_path / "pid"
    target = f"/sys/kernel/a.{suffix}"
    done = faked("export", "-m", "fake", "-p", "text", "-o", target, FAKE_PID_FILE=str(pid))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"attntui: {target} cannot be written: ")
    assert not pid.exists()


@pytest.mark.parametrize("line", ["show", "export -o a.svg", "export -o a.safetensors"])
def test_an_interrupt_halfway_leaves_nothing(
    with_fake: tuple[str, ...], environment: dict[str, str], tmp_path: Path, line: str
) -> None:
    pid = tmp_path / "pid"
    process = subprocess.Popen(
        [*with_fake, *line.split(), "-m", "fake", "-p", "text"],
        env=environment | {"FAKE_WINDOW_SECONDS": "15", "FAKE_PID_FILE": str(pid)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: pid.exists() and pid.read_text())
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (130, "", "")
    assert gone(int(pid.read_text()))
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]
