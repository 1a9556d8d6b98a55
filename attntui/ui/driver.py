"""The way to the terminal: Textual's own, which neither an odd byte nor a fault ends unsaid."""

import codecs
from collections.abc import Callable
from functools import partial

from textual.drivers import linux_driver


class TerminalDriver(linux_driver.LinuxDriver):
    """Reads keys as Textual does."""

    def run_input_thread(self) -> None:
        """A byte that is no UTF-8, of a Latin-1 terminal or of noise on a line, is read as U+FFFD.

        Textual's own decoder is strict, and one such byte ends the program (its issue 6456).
        """
        vars(linux_driver)["getincrementaldecoder"] = _lenient
        super().run_input_thread()

    def _run_input_thread(self) -> None:
        """A fault ends the program as one of the screen does; by itself it would be a success."""
        try:
            self.run_input_thread()
        except BaseException as error:
            self._app.call_later(self._app._handle_exception, error)


def _lenient(name: str) -> Callable[[], codecs.IncrementalDecoder]:
    return partial(codecs.getincrementaldecoder(name), "replace")
