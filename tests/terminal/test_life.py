"""Whoever dies, and whenever: the other side says so or goes too, and the terminal is usable."""

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from textual.drivers._writer_thread import MAX_QUEUED_WRITES, WriterThread

from attntui.ui.driver import Output
from tests.terminal.conftest import (
    FAKED,
    LONG,
    PROMPT,
    Opener,
    Terminal,
    children,
    runs,
    with_engine,
)

RESTORED = (b"\x1b[?1049l", b"\x1b[?1003l", b"\x1b[?1006l", b"\x1b[?25h", b"\x1b[?2004l")
"""Alternate screen left, mouse off, cursor shown, pasting plain again."""

EXIT = {"hang-up": None, "SIGHUP": 129, "SIGTERM": 143, "SIGKILL": -signal.SIGKILL, "q": 0}
"""Ways for a screen to end, and the exit status; after a hang-up nobody reads it."""


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    path = tmp_path / "long.txt"
    path.write_text(LONG)
    return path


def engine_of(terminal: Terminal) -> int:
    """The screen's one child."""
    terminal.until(lambda: children(terminal.process.pid))
    (engine,) = children(terminal.process.pid)
    return engine


def leave(terminal: Terminal, way: str) -> None:
    if way == "q":
        terminal.send("q")
    elif way == "hang-up":
        terminal.hang_up()
    else:
        terminal.process.send_signal(signal.Signals[way])


@pytest.mark.parametrize("moment", ["loading", "idle", "forward"])
def test_however_and_whenever_the_screen_ends_the_engine_is_gone(
    open_terminal: Opener, quick: Path, slow: Path, long_file: Path, moment: str
) -> None:
    arguments, sign = {
        "loading": (("-m", str(slow)), "PyTorch"),
        "idle": (("-m", str(quick), "-p", PROMPT), "exact"),
        "forward": (("-m", str(slow), "--prompt-file", str(long_file)), "forward"),
    }[moment]
    # All at once: importing torch takes seconds, and the machine has more than one core.
    screens = {way: open_terminal(*arguments) for way in EXIT}
    for way, terminal in screens.items():
        terminal.until(sign, 120)
        engine, before, start = engine_of(terminal), len(terminal.stream), time.monotonic()
        leave(terminal, way)
        while runs(engine) and time.monotonic() - start < 10:
            time.sleep(0.01) if way == "hang-up" else terminal.read(0.01)
        took = time.monotonic() - start
        assert not runs(engine) and took < 2, f"{way}: the engine lived on for {took:.1f} s"
        if way == "hang-up":
            terminal.process.wait(10)
            continue
        assert terminal.wait(10) == EXIT[way], way
        written = terminal.stream[before:]
        assert b"Traceback" not in written, way
        if way != "SIGKILL":
            assert all(sequence in written for sequence in RESTORED), way
            assert terminal.attributes() == terminal.before, way


def test_nothing_is_left_of_a_terminal_that_goes_away_under_nohup(open_terminal: Opener) -> None:
    deaf = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *FAKED)
    screen = open_terminal("-m", "fake", "-p", "tokens 9", program=deaf)
    screen.until('8 "t8"')
    engine = engine_of(screen)
    screen.hang_up()
    screen.process.wait(10)
    screen_is_gone = time.monotonic()
    while runs(engine) and time.monotonic() - screen_is_gone < 2:
        time.sleep(0.01)
    assert not runs(engine)


def test_an_engine_killed_while_loading_or_idle_is_started_again_in_the_same_place(
    open_terminal: Opener, quick: Path
) -> None:
    screen = open_terminal("-m", str(quick), "-p", PROMPT)
    screen.until("PyTorch")
    killed = engine_of(screen)
    os.kill(killed, signal.SIGKILL)
    screen.until("killed (SIGKILL)")
    screen.until("exact")

    screen.send("g1.2\r")
    screen.until("Layer 1 Head 2")
    screen.send("kkk\x1b[H" + "l" * 4)
    screen.until('5 "home" → 4 "went"')
    screen.settle()
    killed = engine_of(screen)
    os.kill(killed, signal.SIGKILL)
    screen.until("The engine was killed (SIGKILL)")
    screen.until("PyTorch")
    screen.until("exact")
    screen.settle()
    assert "Layer 1 Head 2" in screen.text
    assert '5 "home" → 4 "went"' in screen.text
    assert PROMPT in screen.text

    screen.send("i , and Mary\r")
    screen.until("12 tokens")
    assert "Layer 1 Head 2" in screen.text
    engine = engine_of(screen)
    screen.send("q")
    assert screen.wait() == 0
    assert not runs(engine)


def test_an_engine_killed_in_a_forward_runs_the_same_prompt_again_and_another_after(
    open_terminal: Opener, slow: Path
) -> None:
    screen = open_terminal("-m", str(slow), "-p", PROMPT)
    screen.until("exact", 120)
    screen.send("g3.2\r")
    screen.until("Layer 3 Head 2")
    screen.send("i")
    screen.paste(LONG)
    screen.settle()
    screen.send("\r")
    screen.until("forward", 120)
    killed = engine_of(screen)
    os.kill(killed, signal.SIGKILL)
    screen.until("killed (SIGKILL)")
    screen.until(lambda: set(children(screen.process.pid)) - {killed})
    screen.until("forward", 120)
    screen.send("\x1b")
    screen.until("Cancelled")
    screen.send("i\x1b[1;5H\x1b[A")
    screen.until(lambda: PROMPT in screen.text and "Enter run" in screen.text)
    screen.send("\r")
    screen.until("q quit")
    screen.until("exact", 120)
    assert "9 tokens" in screen.text
    assert "Layer 3 Head 2" in screen.text
    engine = engine_of(screen)
    screen.send("q")
    assert screen.wait() == 0
    assert not runs(engine)


def test_what_was_typed_before_the_line_was_lost_is_in_the_box_again(
    open_terminal: Opener, quick: Path, warm_engine: tuple[str, ...]
) -> None:
    program = with_engine(*warm_engine)
    first = open_terminal("-m", str(quick), "-p", PROMPT, program=program)
    first.until("exact")
    first.send("i , and Mary")
    first.until("not run yet")
    first.hang_up()
    first.process.wait(10)
    for arguments in (("--resume",), ("-m", str(quick))):
        again = open_terminal(*arguments, program=program)
        again.until(f"{PROMPT} , and Mary")
        again.until("not run yet")
        again.until("9 tokens" if arguments == ("--resume",) else "exact")
        assert f"{PROMPT} , and Mary" in again.text
        again.send("q")
        assert again.wait() == 0
    other = open_terminal("-m", str(quick), "-p", "went home", program=program)
    other.until("exact")
    assert "Mary" not in other.text
    other.send("i\x1b[A")
    other.until(f"{PROMPT} , and Mary")


def test_bytes_that_are_no_text_neither_end_the_program_nor_lose_the_prompt(
    open_terminal: Opener,
) -> None:
    """As of a Latin-1 terminal, or of noise on a line."""
    screen = open_terminal(program=FAKED)
    screen.until("1 grid")
    screen.settle()
    screen.send(b"\xff\xe9")
    screen.settle()
    screen.send("i\x15")
    screen.until("empty, below")
    screen.send(b"\x1b[200~a caf\xe9 draft\x1b[201~")
    screen.until("a caf\ufffd draft")
    screen.send("\x1b")
    screen.settle()
    screen.send("q")
    assert screen.wait() == 0


FAULTS = {
    "the screen": "from attntui.ui.app import AttnApp; AttnApp.next_theme = lambda self: 1 / 0",
    "the keyboard": "from textual._xterm_parser import XTermParser;"
    " XTermParser.tick = lambda self: 1 / 0",
}


@pytest.mark.parametrize("where", FAULTS)
def test_a_fault_of_the_program_is_one_sentence_and_the_log_has_the_rest(
    open_terminal: Opener, tmp_path: Path, where: str
) -> None:
    script = f"{FAULTS[where]}\n{FAKED[-1]}"
    screen = open_terminal("--theme", "dark", program=(*FAKED[:-1], script))
    if where == "the screen":
        screen.until("1 grid")
        screen.settle()
        screen.send("T")
    assert screen.wait(20) == 1
    said = screen.stream.decode().rpartition("\x1b")[2]
    assert "attntui: internal error: ZeroDivisionError: division by zero (log: " in said
    assert "Traceback" not in screen.text and said.count("\n") == 1
    log = (tmp_path / ".local/state/attntui/log/attntui.log").read_text()
    assert "Traceback" in log and "in <lambda>" in log
    assert not children(screen.process.pid)


def test_a_terminal_that_is_gone_holds_up_nobody_who_writes_to_it() -> None:
    """Textual's writing thread ends with its file, and its queue is full for ever."""
    ours, theirs = os.openpty()
    os.close(ours)
    with open(theirs, "w", closefd=False) as file:
        writer = WriterThread(cast(Any, Output(file)))

        def write() -> None:
            writer.start()
            for _ in range(10 * MAX_QUEUED_WRITES):
                writer.write("a picture")
            writer.stop()

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
        with suppress(OSError):
            file.close()
    os.close(theirs)
