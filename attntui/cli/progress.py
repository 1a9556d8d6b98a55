"""How far slow work is, on standard error: a changing line on a terminal, else a few lines."""

import asyncio
import shutil
import sys
import time
from typing import Self, TextIO

from attntui.core.amounts import how_far, human_bytes
from attntui.core.protocol import Progress
from attntui.core.tokens import sanitise

TERMINAL_PATIENCE, TERMINAL_INTERVAL = 0.4, 0.1
"""Seconds before a terminal is told anything, and between two changes: quick work says nothing."""
SPARSE_INTERVAL = 10.0
"""Where there is no terminal: seconds that a stage lasts before it is told, and between two lines.
All stages together may take as long, and the last be over when it is told."""
GIVEN_UP = (KeyboardInterrupt, asyncio.CancelledError)
"""What leaves slow work at Ctrl+C."""


class ProgressLine:
    """Shows `Progress`; as a context manager it leaves a clean line behind."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._next = time.monotonic() + (TERMINAL_PATIENCE if self._terminal else 0)
        self._since: dict[str, float] = {}
        """When each stage was heard of first: stages take turns."""
        self._width = 0
        self._last = Progress("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, ending: type[BaseException] | None, *_: object) -> None:
        self.clear()
        is_given_up = ending is not None and issubclass(ending, GIVEN_UP)
        if is_given_up and self._last.unit == "B" and self._last.done:
            here, total = human_bytes(self._last.done), human_bytes(self._last.total)
            self.say(f"{here} of {total} are here; another try goes on from there.")

    def __call__(self, progress: Progress) -> None:
        """Show `progress`, unless something was shown a moment ago."""
        self._last = progress
        now = time.monotonic()
        since = self._since.setdefault(progress.stage, now)
        if now < self._next or not (self._terminal or now >= since + SPARSE_INTERVAL):
            return
        if self._terminal:
            self._redraw(how_far(progress))
        else:
            self._print(f"attntui: {how_far(progress)}")
        self._next = now + (TERMINAL_INTERVAL if self._terminal else SPARSE_INTERVAL)

    def say(self, sentence: str) -> None:
        """A line that stays."""
        self.clear()
        self._print(f"attntui: {sanitise(sentence)}")

    def clear(self) -> None:
        if self._width:
            self._redraw("")
            self._stream.write("\r")
            self._stream.flush()
            self._width = 0

    def _redraw(self, text: str) -> None:
        # Blanks instead of an escape sequence: it works on a terminal that knows none.
        columns = shutil.get_terminal_size().columns - 1
        text = text[:columns]
        self._stream.write("\r" + text.ljust(min(self._width, columns)))
        self._stream.flush()
        self._width = len(text)

    def _print(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()
