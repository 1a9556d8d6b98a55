"""The way to the terminal: Textual's own, which neither an odd byte nor a fault ends unsaid, and
which a terminal that is gone does not hold up."""

import codecs
import errno
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO, Any

from textual.drivers import linux_driver


class TerminalDriver(linux_driver.LinuxDriver):
    """Reads keys and writes pictures as Textual does."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._file: Any = Output(self._file)

    def run_input_thread(self) -> None:
        """A byte that is no UTF-8, of a Latin-1 terminal or of noise on a line, is read as U+FFFD.

        Textual's own decoder is strict, and one such byte ends the program (its issue 6456).
        """
        vars(linux_driver)["getincrementaldecoder"] = _lenient
        super().run_input_thread()

    def _run_input_thread(self) -> None:
        """A fault ends the program as one of the screen does; Textual's own way is exit status 0.

        A terminal that is gone is no fault.
        """
        try:
            self.run_input_thread()
        except BaseException as error:
            if isinstance(error, OSError) and error.errno == errno.EIO:
                self._app.call_later(self._app.exit, None, 128 + signal.SIGHUP)
            else:
                self._app.call_later(self._app._handle_exception, error)


class Output:
    """A terminal to write to, which may go away.

    The thread that writes would end with it, and the app then wait for room in that thread's full
    queue for ever: seen as an engine that lived on for 3 s, until the watchdog of `leave`.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()


def _lenient(name: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(name), "replace")
