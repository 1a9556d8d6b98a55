"""Results of a long task, kept line by line, so that it goes on where it was interrupted."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from attntui.cli.progress import ProgressLine
from attntui.core.errors import UserError
from attntui.export.write import whole_file


class Kept:
    """The file beside the output, `OUTPUT.part`: what the work is, then a result a line.

    A line that was not finished when the program ended is left out, and written again. Where
    results are summed up, the sums so far are the only one.
    """

    def __init__(self, output: str, work: dict[str, Any]) -> None:
        self.path = Path(f"{output}.part")
        self._work = json.dumps(work, sort_keys=True)
        self.results: list[Any] = []
        self._file: TextIO | None = None

    @contextmanager
    def opened(self, anew: bool) -> Iterator["Kept"]:
        """Inside, results can be added; `results` are those of before. `anew`: forget them.

        Raises:
            UserError: the file is of other work, or cannot be written.
        """
        try:
            kept = [] if anew else self._read()
            with self.path.open("w", encoding="utf-8") as self._file:
                self._file.writelines(f"{line}\n" for line in [self._work, *kept])
                self._flush()
                self.results = [json.loads(line) for line in kept]
                yield self
        except OSError as error:
            raise UserError(f"{self.path} cannot be written: {error.strerror}.") from error

    def add(self, result: Any) -> None:
        """Keep a result, on the disk at once."""
        assert self._file is not None
        self._file.write(json.dumps(result) + "\n")
        self._flush()
        self.results.append(result)

    def put(self, result: Any) -> None:
        """Keep a result in place of those before; on the disk is always one of them, whole."""
        with whole_file(str(self.path), force=True) as stream:
            stream.write(f"{self._work}\n{json.dumps(result)}\n".encode())
        self.results = [result]

    @contextmanager
    def told(
        self, line: ProgressLine, done: Callable[[], int], total: int, what: str, past: str
    ) -> Iterator[None]:
        """Say how much was done before, and when what is inside is cut short, how much is now.

        `what` is counted, "questions", and what is done to them is `past`, "answered".
        """
        if done():
            line.say(f"{done()} of {total} {what} were {past} before.")
        try:
            yield
        except BaseException:
            if done():
                line.say(
                    f"{done()} of {total} {what} are {past} and kept in {self.path}: the same"
                    " command goes on from there."
                )
            raise

    def remove(self) -> None:
        """Once the output is there."""
        self.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self) -> list[str]:
        if not self.path.exists():
            return []
        first, *lines = self.path.read_text("utf-8").split("\n")
        if first != self._work:
            raise UserError(
                f"{self.path} was begun with another task, model or options: use --force to begin"
                " anew."
            )
        return lines[:-1]
