"""A download that is watched: given up at once, and begun anew where it stalls or is cut.

It runs in a process of its own (`fetch`), which is killed; what came is kept and gone on with.
"""

import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from attntui.core.amounts import human_bytes, human_time
from attntui.core.errors import TryAgain, UserError
from attntui.core.tokens import sanitise
from attntui.engine import endpoint
from attntui.engine.fetch_words import Broken, Fetched, Got, Needs, Refused, Told, Wanted
from attntui.engine.model import Work

PROGRAM = (sys.executable, "-P", "-m", "attntui.engine.fetch")
POLL = 0.1
STALL = 30.0
"""Seconds without a byte after which a try is ended. The client's own patience is 10, and it asks
anew by itself: what is silent for three times that hangs."""
QUIET = 5.0
"""Seconds without a byte after which the progress says so."""
TRIES = 3
"""Tries in a row without a byte after which it is given up."""
PAUSE = 2.0
"""Seconds between the beginnings of two tries where the first one brought nothing."""
SPAN = 10.0
"""Seconds over which the rate is taken."""
SETTLED = 2.0
"""Seconds before there is one; until then it is told what was here."""


class NotFetched(Exception):
    """Why not: `error` is for the user. `final`: a copy on this machine will not do."""

    def __init__(self, error: UserError, final: bool = False) -> None:
        super().__init__(str(error))
        self.error, self.final = error, final


class Download:
    """What is known of one download while it goes on."""

    def __init__(self, wanted: Wanted, work: Work, patience: float = STALL) -> None:
        self._wanted = wanted
        self._work = work
        self._patience = patience
        self._total = 0
        self._here = 0
        self._first = 0
        """Bytes that were here before this try."""
        self._knows = False
        """Whether this try has got as far as fetching."""
        self._doing = ""
        self._breaks = 0
        """How often the client asked anew by itself in this try."""
        self._tries = 1
        self._trouble = ""
        """Why the try before ended."""
        self._begun = 0.0
        """When this try began."""
        self._heard = 0.0
        """When the process said something last that is a sign of life."""
        self._past: deque[tuple[float, int]] = deque()

    def run(self) -> Path:
        """The folder, once all that is wanted is in it.

        Raises:
            NotFetched: it cannot be had, or not after several tries.
            Cancelled: the call was given up.
        """
        barren = 0
        while True:
            begun = time.monotonic()
            ended = self._try()
            if isinstance(ended, Path):
                return ended
            barren = 0 if self._here > self._first else barren + 1
            if barren == TRIES:
                raise NotFetched(self._give_up(ended))
            self._trouble = ended
            self._tries += 1
            self._wait_until(begun + PAUSE * barren)

    def _try(self) -> Path | str:
        """The folder; or why this try came to nothing and another may not."""
        self._begun = self._heard = time.monotonic()
        self._knows = False
        self._doing, self._breaks = "", 0
        self._past.clear()
        with _process() as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(msgspec.json.encode(self._wanted) + b"\n")
            process.stdin.flush()
            rest = b""
            while time.monotonic() - self._heard < (self._patience if self._knows else STALL):
                self._work.check_cancel()
                self._tell()
                if not select.select([process.stdout], [], [], POLL)[0]:
                    continue
                data = os.read(process.stdout.fileno(), 2**16)
                if not data:
                    return "its process ended"
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    ended = self._hear(msgspec.json.decode(line, type=Told))
                    if ended is not None:
                        return ended
        return f"nothing came for {human_time(self._patience)}"

    def _hear(self, told: Told) -> Path | str | None:
        """Take in what the process says; the folder, or the reason, where that is its last word."""
        match told:
            case Needs(total, here):
                self._total, self._here, self._first = total, here, here
                self._heard, self._knows = time.monotonic(), True
            case Got(here, doing, hold, breaks):
                if here != self._here or doing:
                    self._heard = time.monotonic() + hold
                self._here, self._doing, self._breaks = here, doing, breaks
            case Fetched(folder):
                return Path(folder)
            case Refused(sentence, "cut"):
                return sentence
            case Refused(sentence, kind, again):
                error = TryAgain(sentence) if again else UserError(sentence)
                raise NotFetched(error, kind == "final")
            case Broken(text):
                print(text, file=sys.stderr, flush=True)
                raise RuntimeError(text.strip().rpartition("\n")[2])
        return None

    def _tell(self) -> None:
        if not self._total:
            self._work.progress(f"asking {endpoint.title()}", note=self._note(0.0))
            return
        now = time.monotonic()
        self._past.append((now, self._here))
        while self._past[0][0] < now - SPAN:
            self._past.popleft()
        silent = now - self._heard
        since, before = self._past[0]
        is_steady = now - since >= SETTLED and silent < QUIET
        self._work.progress(
            f"downloading {sanitise(self._wanted.model)}",
            min(self._here, self._total),
            self._total,
            "B",
            (self._here - before) / (now - since) if is_steady else 0.0,
            self._note(silent),
        )

    def _note(self, silent: float) -> str:
        """What is out of the ordinary."""
        told = []
        if self._doing:
            told.append(self._doing)
        elif silent >= QUIET:
            told.append(f"nothing came for {human_time(silent)}")
        elif self._first and self._tries == 1 and time.monotonic() - self._begun < QUIET:
            told.append(f"{human_bytes(self._first)} were here")
        if self._breaks:
            told.append(f"asked again {_times(self._breaks)}")
        if self._tries > 1:
            told.append(f"try {self._tries}: {self._trouble}")
        return ", ".join(told)

    def _wait_until(self, end: float) -> None:
        while time.monotonic() < end:
            self._work.check_cancel()
            self._tell()
            time.sleep(POLL)

    def _give_up(self, ended: str) -> UserError:
        model = sanitise(self._wanted.model)
        kept = ""
        if self._total:
            here, total = human_bytes(self._here), human_bytes(self._total)
            kept = f" {here} of {total} are here; another try goes on from there."
        return TryAgain(
            f"The download of {model} was given up after {self._tries} tries, the last {TRIES} "
            f"without a byte: {ended.rstrip('.')}.{kept}"
        )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


@contextmanager
def _process() -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    # So that it finds this very package, wherever that was found.
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(PROGRAM, stdin=pipe, stdout=pipe, env=env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
