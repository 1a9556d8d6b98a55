"""A child process that measures: a line of JSON for each figure, under limits of time and memory.

Whatever ends it is a result, and never the end of the benchmark.
"""

import json
import os
import re
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psutil

Stopped = Literal["time", "memory"]
Figure = dict[str, Any]

ALLOCATION = re.compile(
    r"MemoryError|not enough memory|can't allocate memory|out of memory|bad_alloc", re.IGNORECASE
)
LOOK = 0.25
"""Seconds between two looks at a child's memory."""


@dataclass(frozen=True)
class Limits:
    """What a child may take: seconds for one figure, bytes of resident memory."""

    seconds: float
    memory: int


@dataclass(frozen=True)
class Failure:
    """Why a figure is missing."""

    kind: Literal["time", "memory", "error"]
    words: str


def failure(stopped: Stopped | None, status: int, said: str, limits: Limits) -> Failure | None:
    """Why a child ended before it was done; None where it was done.

    `stopped`: the limit for which we ended it; `said`: what it wrote to its standard error.
    """
    gib = limits.memory / 2**30
    if stopped == "time":
        return Failure("time", f"over {limits.seconds:.0f} s")
    if stopped == "memory":
        return Failure("memory", f"over {gib:.0f} GiB")
    if status == 0:
        return None
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else f"ended with status {status}"
    if ALLOCATION.search("\n".join(lines[-5:])):
        return Failure("memory", "out of memory")
    if status == -9:  # not by us: the kernel ends what takes too much
        return Failure("memory", "out of memory")
    return Failure("error", last)


class Child:
    """A running child; `figures` gives what it measures as it comes, `failure` why it ended."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], limits: Limits
    ) -> None:
        self._limits = limits
        self._said = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        self._line = b""
        self.failure: Failure | None = None

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._process.pid)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            assert pipe is not None
            pipe.close()

    def figures(self) -> Iterator[Figure]:
        """What it measures, until it ends or is ended."""
        while (figure := self.next()) is not None:
            yield figure

    def ask(self) -> Figure | None:
        """Send an empty line, and wait for what comes; None where it ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the failure says why
        return self.next()

    def next(self) -> Figure | None:
        """What it measures next; None where it ended."""
        output = self._process.stdout
        assert output is not None
        until = time.monotonic() + self._limits.seconds
        stopped: Stopped | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while b"\n" not in self._line:
                if selector.select(LOOK):
                    data = os.read(output.fileno(), 2**16)
                    if not data:
                        break
                    self._line += data
                elif time.monotonic() > until:
                    stopped = "time"
                elif resident(self._process.pid) > self._limits.memory:
                    stopped = "memory"
                if stopped:
                    _end(self._process.pid)
                    break
        line, found, self._line = self._line.partition(b"\n")
        if found and not stopped:
            figure: Figure = json.loads(line)
            return figure
        status = self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace")
        self.failure = failure(stopped, status, said, self._limits)
        return None


def tree(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident(pid: int) -> int:
    """Bytes of memory that a process and all that it started hold."""
    return sum(_of(process, lambda each: each.memory_info().rss) for process in tree(pid))


def _end(pid: int) -> None:
    for process in tree(pid):
        _of(process, lambda each: each.kill() or 0)


def _of(process: psutil.Process, ask: Callable[[psutil.Process], int]) -> int:
    try:
        return ask(process)
    except psutil.NoSuchProcess:
        return 0
