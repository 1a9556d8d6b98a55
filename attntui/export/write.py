"""Files that appear whole or not at all."""

import io
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from attntui.core.errors import UserError

STDOUT = "-"


class FileExists(UserError):
    """A file is there already, and nobody said that it may be replaced."""


@contextmanager
def whole_file(target: str, force: bool) -> Iterator[BinaryIO]:
    """A stream whose bytes become the file `target` when the block ends without an error.

    They go to a temporary file in the same folder, made at once, so that a folder that cannot be
    written to is found before any work is done. `-` is standard output, which holds what it got.

    Raises:
        FileExists: the file exists and `force` is not given.
        UserError: it cannot be written.
    """
    if target == STDOUT:
        with _standard_output() as stream:
            yield stream
        return
    path = Path(os.path.realpath(target))
    check_target(path, force)
    partial = path.with_name(f".attntui-{secrets.token_hex(6)}.part")
    try:
        with partial.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        check_target(path, force)
        if path.exists():
            shutil.copymode(path, partial)
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    """Standard output, flushed at the end.

    Under PYTHONUNBUFFERED it is a raw file, whose `write` may write less than it was given.
    """
    output = sys.stdout.buffer
    if not isinstance(output, io.RawIOBase):
        yield output
        output.flush()
        return
    stream = io.BufferedWriter(output)
    try:
        yield stream
        stream.flush()
    finally:
        with suppress(OSError):
            stream.detach()


def check_target(target: str | Path, force: bool) -> None:
    """
    Raises:
        FileExists: the file exists and `force` is not given.
        UserError: it can be none.
    """
    path = Path(os.path.realpath(target))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise UserError(f"There is no folder {path.parent}.") from None
        return
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from error
    if stat.S_ISDIR(mode):
        raise UserError(f"{path} is a folder; name a file.")
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is not a regular file; for a pipe use -o - with --format.")
    if not force:
        raise FileExists(f"{path} exists; use --force to replace it.")
