"""However a command ends, it leaves no half file and no engine behind."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def wait_until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet counts as ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


@pytest.fixture
def halfway(
    with_fake: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> Iterator[subprocess.Popen[str]]:
    """An export that has begun to write and will take a minute more."""
    extra = {"FAKE_WINDOW_SECONDS": "15", "FAKE_PID_FILE": str(tmp_path / "pid")}
    process = subprocess.Popen(
        [*with_fake, "export", "-m", "fake", "-p", "text", "-o", "a.json"],
        env=environment | extra,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    wait_until(lambda: list(tmp_path.glob(".attntui-*.part")))
    time.sleep(0.5)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_halfway_leaves_no_file_and_no_engine(
    halfway: subprocess.Popen[str], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    engine = int((tmp_path / "pid").read_text())
    halfway.send_signal(number)
    output, errors = halfway.communicate(timeout=20)
    assert halfway.returncode == status
    assert "Traceback" not in errors and output == ""
    assert gone(engine)
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]


def test_ctrl_c_twice_does_not_leave_an_engine(
    halfway: subprocess.Popen[str], tmp_path: Path
) -> None:
    engine = int((tmp_path / "pid").read_text())
    halfway.send_signal(signal.SIGINT)
    time.sleep(0.05)
    halfway.send_signal(signal.SIGINT)
    _, errors = halfway.communicate(timeout=20)
    assert halfway.returncode == 130
    assert "Traceback" not in errors
    wait_until(lambda: gone(engine))
    assert not list(tmp_path.glob("a.json"))


def test_a_command_that_is_killed_takes_its_engine_with_it(
    halfway: subprocess.Popen[str], tmp_path: Path
) -> None:
    engine = int((tmp_path / "pid").read_text())
    halfway.kill()
    wait_until(lambda: gone(engine))
    assert not list(tmp_path.glob("a.json"))


def test_a_reader_that_has_seen_enough_ends_it_quietly(
    with_fake: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*with_fake, *"export -m fake -o - --format csv -p".split(), "tokens 500"],
        env=environment | {"FAKE_PID_FILE": str(tmp_path / "pid")},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stderr
    assert process.stdout.readline() == "layer,head,query,key,weight\n"
    process.stdout.close()
    assert process.wait(timeout=20) == 128 + signal.SIGPIPE
    assert process.stderr.read() == ""
    assert gone(int((tmp_path / "pid").read_text()))
