"""The bare command on a real terminal (a pty): how it begins and how it ends."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ENTER_SCREEN, LEAVE_SCREEN, SHOW_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"


class Terminal:
    """A process on a pseudo-terminal of 120 x 36."""

    def __init__(self, program: list[str], environment: dict[str, str], folder: Path) -> None:
        self.output = b""
        self._descriptor, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.process = subprocess.Popen(
            program,
            stdin=other,
            stdout=other,
            stderr=other,
            env=environment | {"TERM": "xterm-256color"},
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(other)

    def read_until(self, done: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.output[-2000:]
            if select.select([self._descriptor], [], [], 0.05)[0]:
                try:
                    self.output += os.read(self._descriptor, 65536)
                except OSError:  # The other end is closed.
                    time.sleep(0.05)

    def press(self, keys: bytes) -> None:
        os.write(self._descriptor, keys)

    def ended(self) -> bool:
        return self.process.poll() is not None

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._descriptor)


@pytest.fixture
def pid_file(tmp_path: Path) -> Path:
    return tmp_path / "pid"


@pytest.fixture
def screen(with_fake: tuple[str, ...], environment: dict[str, str], pid_file: Path, tmp_path: Path):
    """Starts the screen in front of a fake engine, and waits until both are there."""
    opened = []

    def start(*arguments: str, before: tuple[str, ...] = ()) -> Terminal:
        program = [*before, *with_fake, "-m", "fake", *arguments]
        terminal = Terminal(program, environment | {"FAKE_PID_FILE": str(pid_file)}, tmp_path)
        opened.append(terminal)
        terminal.read_until(
            lambda: ENTER_SCREEN in terminal.output and pid_file.exists() and pid_file.read_text()
        )
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


def assert_restored(terminal: Terminal) -> None:
    """The picture is left, the cursor shown, nothing printed after."""
    after = terminal.output.rpartition(LEAVE_SCREEN)[2]
    assert LEAVE_SCREEN in terminal.output
    assert SHOW_CURSOR in after
    assert b"Traceback" not in terminal.output


def assert_gone(pid_file: Path) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_gives_the_terminal_back_and_ends_the_engine(
    screen, pid_file: Path, number: signal.Signals, status: int
) -> None:
    terminal = screen("-p", "Mary")
    terminal.process.send_signal(number)
    terminal.read_until(terminal.ended)
    terminal.read_until(lambda: SHOW_CURSOR in terminal.output)
    assert terminal.process.returncode == status
    assert_restored(terminal)
    assert_gone(pid_file)


def test_a_prompt_from_standard_input_leaves_the_keyboard_to_the_screen(
    screen, pid_file: Path
) -> None:
    pipe = ("bash", "-c", 'echo Mary | "$@"', "bash")
    terminal = screen("--prompt-file", "-", before=pipe)
    time.sleep(0.5)
    terminal.press(b"\x11")  # ctrl+q
    terminal.read_until(terminal.ended)
    assert terminal.process.returncode == 0
    assert_restored(terminal)
    assert_gone(pid_file)


@pytest.mark.parametrize(
    ("redirected", "what"), [("2>errors", "to draw on"), ("<empty", "to read keys from")]
)
def test_half_a_terminal_is_none(
    with_fake: tuple[str, ...],
    environment: dict[str, str],
    tmp_path: Path,
    redirected: str,
    what: str,
) -> None:
    (tmp_path / "empty").touch()
    line = f"{sys.executable} -m attntui {redirected}"
    terminal = Terminal(["bash", "-c", line], environment, tmp_path)
    try:
        terminal.read_until(terminal.ended)
        said = terminal.output.decode()
        if (tmp_path / "errors").exists():
            said += (tmp_path / "errors").read_text()
        assert terminal.process.returncode == 2
        assert f"needs a terminal {what}" in said
        assert "\x1b" not in said
    finally:
        terminal.close()
