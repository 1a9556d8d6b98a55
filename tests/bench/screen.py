"""The real program in a pty of 120 x 36: its prompt and its keys, timed to what they paint.

Time runs to the arrival of the frame in which something is first seen, before it is looked at: to
look takes this process as long as the program needs to paint, and users' terminals look elsewhere.
"""

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.child import LOOK, Failure, Limits, resident, tree
from tests.bench.memory import BEGIN, TELL
from tests.terminal.conftest import PROGRAM, Terminal, with_engine

RIGHT, LEFT, DOWN, UP = ("\x1b[1;2C", "\x1b[1;2D", "\x1b[1;2B", "\x1b[1;2A")
BACK = {RIGHT: LEFT, LEFT: RIGHT, DOWN: UP, UP: DOWN}
EMPTY, DELETE, ENTER = "\x15", "\x7f", "\r"
NO_LIMITS = Limits(3600, 2**60)
UNFINISHED = re.compile(r"so far|running|loading|computing")
"""What the screen says while more of its picture is to come."""
QUIET = 1.5
"""Seconds of silence after which a picture is complete, where its parts take less."""
ROOT = Path(__file__).resolve().parents[2]
ENGINE = Path(__file__).with_name("measured_engine.py")


class Failed(Exception):
    """What was waited for did not come."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.words)
        self.failure = failure


class Screen:
    """The program, watched under limits of time and memory."""

    def __init__(self, terminal: Terminal, limits: Limits) -> None:
        self.terminal, self._limits = terminal, limits
        self._looked = 0.0
        self.quiet = QUIET

    def send(self, keys: str) -> float:
        """Press keys, and the time at which they were."""
        _ = (
            self.terminal.text
        )  # not while the program works on the keys: two cores, and two processes
        start = time.perf_counter()
        self.terminal.send(keys)
        return start

    def until(self, shows: Callable[[str], object]) -> float:
        """The time at which the frame came since which the screen shows something.

        Raises:
            Failed: it did not within the limits, or the program ended.
        """
        begun = came = time.perf_counter()
        while not shows(self.terminal.text):
            wait = 0.05
            while self.terminal.read(wait):
                came, wait = time.perf_counter(), 0.0
            self._check(begun)
        return came

    def complete(self) -> float:
        """The time at which the last frame came after which nothing more is painted.

        Raises:
            Failed: as `until`.
        """
        begun = came = time.perf_counter()
        while time.perf_counter() - came < self.quiet or UNFINISHED.search(self.terminal.text):
            if self.terminal.read(0.05):
                came = time.perf_counter()
            self._check(begun)
        return came

    def pause(self, seconds: float) -> None:
        """Let it paint what it will for so long."""
        self._arrivals(seconds)

    def _arrivals(self, seconds: float) -> list[tuple[float, int]]:
        """Of each piece that comes within some time: when, and how long the stream is with it."""
        found, end = [], time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if self.terminal.read(left):
                found.append((time.perf_counter(), len(self.terminal.stream)))
        return found

    def type(self, text: str) -> None:
        """Put a text into the prompt's box in place of what is there."""
        self.send("i")
        self.until(lambda shown: "Enter run" in shown)
        self.send(EMPTY)  # a packet of its own: of one packet's keys, a paste comes first
        self.until(lambda shown: "empty, below" in shown)
        self.terminal.paste(text)
        self.until(lambda shown: "not run yet" in shown)

    def retype(self, text: str) -> None:
        """Put a text in place of the last character in the prompt's box."""
        self.send("i")
        self.until(lambda shown: "Enter run" in shown)
        self.send(DELETE)  # a packet of its own: of one packet's keys, characters come first
        self.until(lambda shown: "not run yet" in shown)
        self.send(text)
        self.pause(0.5)

    def paint(self, last: int, word: str, unseen: float = 0.0) -> float:
        """Seconds from Enter in the prompt's box to the last row's cells; `word` is that row's.

        What comes within `unseen` seconds is looked at after them, while the model does not run.

        Raises:
            Failed: as `until`, or the program would not run this prompt.
        """
        row = re.compile(rf"\b{last} {word}\b.*\[.*\]")
        start = self.send(ENTER)
        for came, length in self._arrivals(unseen):
            if row.search(self.terminal.text_after(length)):
                return came - start
        return self.until(row.search) - start

    def move(self, key: str, title: str) -> float:
        """Seconds from a key to the frame with another head's title, which has its cells too."""
        painted = re.compile(rf"{title}(?!\d)")
        start = self.send(key)
        return self.until(painted.search) - start

    def press(self, key: str) -> tuple[float, float]:
        """Seconds from a key to the first frame after it, and to the last."""
        start, before = self.send(key), len(self.terminal.stream)
        first = self.until(lambda _: len(self.terminal.stream) > before)
        return first - start, self.complete() - start

    def begin_peak(self, file: Path) -> None:
        """The engine's peak memory counts from here; see `measured_engine`."""
        file.unlink(missing_ok=True)
        os.kill(self._engine(), BEGIN)
        self.until(lambda _: file.exists())

    def peak(self, file: Path) -> int:
        """Bytes that the engine took at once since `begin_peak`, above what it held then."""
        os.kill(self._engine(), TELL)
        self.until(lambda _: file.read_text())
        return int(file.read_text())

    def _engine(self) -> int:
        processes = tree(self.terminal.process.pid)
        return next(each.pid for each in processes if str(ENGINE) in each.cmdline())

    def _check(self, begun: float) -> None:
        limits, pid = self._limits, self.terminal.process.pid
        if self.terminal.process.poll() is not None:
            raise Failed(Failure("error", "the program ended"))
        if time.perf_counter() - begun > limits.seconds:
            raise Failed(Failure("time", f"over {limits.seconds:.0f} s"))
        if time.perf_counter() - self._looked < LOOK:
            return
        self._looked = time.perf_counter()
        if resident(pid) > limits.memory:
            raise Failed(Failure("memory", f"over {limits.memory / 2**30:.0f} GiB"))


@contextmanager
def opened(
    folder: Path,
    limits: Limits,
    *options: str,
    environment: dict[str, str] | None = None,
    measured: bool = False,
) -> Iterator[Screen]:
    """The program on a folder's model and prompt, when it has painted all and is quiet.

    `measured`: with the engine that tells its peak memory.
    """
    program = with_engine(sys.executable, "-P", str(ENGINE)) if measured else PROGRAM
    arguments = ["--model", str(folder), "--prompt-file", str(folder / "prompt.txt"), *options]
    with tempfile.TemporaryDirectory() as state:
        kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        own = {
            "TERM": "xterm-256color",
            "HF_HUB_OFFLINE": "1",
            "XDG_STATE_HOME": state,
            "PYTHONPATH": str(ROOT),  # this tree, whatever is installed
        }
        terminal = Terminal([*program, *arguments], kept | own | (environment or {}))
        try:
            screen = Screen(terminal, limits)
            screen.until(lambda shown: "exact" in shown)
            screen.complete()
            yield screen
        finally:
            terminal.close()


def path(moves: int, layers: int, heads: int) -> list[tuple[str, str]]:
    """Keys and the titles they lead to: along the heads, down a layer, back along the heads."""
    found, layer, head = [], 0, 0
    while len(found) < moves:
        step = 1 if layer % 2 == 0 else -1
        if 0 <= head + step < heads:
            head, key = head + step, RIGHT if step > 0 else LEFT
        else:
            layer, key = layer + 1, DOWN
        if layer == layers:
            break
        found.append((key, f"Layer {layer} Head {head}"))
    return found
