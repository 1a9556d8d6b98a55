"""A child process on three pipes: requests in, answers out, and a log of everything else it says.

The child leads a session of its own, so signals from the terminal do not reach it. It ends itself
when its input closes, which the kernel does for us however this process ends.
"""

import asyncio
import os
import re
import signal
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from attntui.client.errors import EngineGone
from attntui.core.tokens import sanitise

LOG_LINES = 2_000
LINE_LENGTH = 4_000
"""Characters kept of one log line; a progress bar may be one endless line."""

LAST_LINES = 40
"""Among which an abort says what it was of: a traceback follows."""
OUT_OF_MEMORY = (
    "bad_alloc",
    "memoryerror",
    "out of memory",
    "cannot allocate memory",
    "can't allocate memory",
    "unable to allocate",
)

SHOWN_LENGTH = 300
BUFFER = 2**22
GRACE = 2.0
"""Seconds a child gets to end by itself once its input is closed."""


class ChildProcess:
    """A running child; made by `spawn`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        log: deque[str],
        describe: Callable[[int, str], str],
    ) -> None:
        assert process.stdin and process.stdout and process.stderr
        self.output = process.stdout
        self._input = process.stdin
        self._process = process
        self._log = log
        self._describe = describe
        self._last_line = ""
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        """Its own; the log may begin with those of a child before."""
        self._logging = asyncio.create_task(self._keep_lines(process.stderr))

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def write(self, data: bytes) -> None:
        """Send `data`; what a dead child does not read is lost without a word."""
        if self.alive and not self._input.is_closing():
            self._input.write(data)

    def kill(self) -> None:
        """End the child and whatever it started, now."""
        if self.alive:
            # The child leads its own process group, see `spawn`.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self, grace: float = GRACE) -> None:
        """Close the child's input, wait `grace` seconds for it to end, then kill it."""
        self._input.close()
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            self.kill()
        await self._process.wait()
        await self._finish_log()

    async def last_words(self) -> EngineGone:
        """Wait for the child to end (it has stopped answering) and say in one sentence how."""
        of_memory = True
        try:
            async with asyncio.timeout(GRACE):
                await self._process.wait()
        except TimeoutError:
            of_memory = False
            self.kill()
            await self._process.wait()
        await self._finish_log()
        status = self._process.returncode or 0
        of_memory = of_memory and is_of_memory(status, self._last_lines)
        return EngineGone(self._describe(status, self._last_line), of_memory)

    async def _keep_lines(self, stream: asyncio.StreamReader) -> None:
        """Log what `stream` says, one line at a time; a carriage return ends a line too."""
        rest = ""
        while data := await stream.read(2**16):
            text = rest + data.decode("utf-8", "replace")
            *lines, rest = re.split(r"\r\n|\r|\n", text)
            self._keep(lines)
            rest = rest[:LINE_LENGTH]
        self._keep([rest] if rest else [])

    def _keep(self, lines: list[str]) -> None:
        short = [line[:LINE_LENGTH] for line in lines]
        self._log.extend(short)
        self._last_lines.extend(short)
        self._last_line = next((line for line in reversed(lines) if line.strip()), self._last_line)

    async def _finish_log(self) -> None:
        # A grandchild may keep the log's pipe open after the child has ended.
        await asyncio.wait([self._logging], timeout=0.5)
        self._logging.cancel()


async def spawn(
    argv: Sequence[str],
    env: Mapping[str, str] | None,
    log: deque[str],
    describe: Callable[[int, str], str],
) -> ChildProcess:
    """Start `argv` with `env` laid over this process's environment; its stderr goes to `log`.

    `describe` makes one sentence of an exit status and the last line.

    Raises:
        EngineGone: there is no such program, or it may not be run.
    """
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            limit=BUFFER,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise EngineGone(
            f"The engine could not be started: {sanitise(argv[0])}: {reason}."
        ) from error
    return ChildProcess(process, log, describe)


def describe_exit(status: int, last_line: str) -> str:
    """One plain sentence on how a process ended, with the last line that it wrote."""
    if status in {-signal.SIGKILL, 128 + signal.SIGKILL}:
        how = "was killed (SIGKILL), as it is where the machine runs out of memory"
    elif status < 0:
        how = f"was ended by {_signal_name(-status)}"
    elif status:
        how = f"ended with exit status {status}"
    else:
        how = "ended"
    last = sanitise(last_line).strip()
    if len(last) > SHOWN_LENGTH:
        last = last[: SHOWN_LENGTH - 1] + "…"
    return f"The engine {how}; its last words: {last}" if last else f"The engine {how}."


def is_of_memory(status: int, last_lines: Iterable[str]) -> bool:
    """Whether a process probably ended for want of memory.

    Linux kills what takes too much (SIGKILL; 137 is how a shell, ssh or a container's runtime says
    so); where an address space is limited, C++ code that cannot go on without aborts.
    """
    if status in {-signal.SIGKILL, 128 + signal.SIGKILL}:
        return True
    text = " ".join(last_lines).lower()
    return bool(status) and any(phrase in text for phrase in OUT_OF_MEMORY)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
