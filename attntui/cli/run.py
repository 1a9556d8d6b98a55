"""From arguments to an exit status: 0, 2 (the user can mend it), 130 (interrupt), 1 (our fault)."""

import contextlib
import errno
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from attntui.core.errors import UserError
from attntui.core.tokens import sanitise

if TYPE_CHECKING:
    from typer import Typer

OK, FAULT, USER, INTERRUPT = 0, 1, 2, 130
BROKEN_PIPE = 128 + signal.SIGPIPE


def run(arguments: Sequence[str]) -> int:
    """Do what `arguments` say. Every fault is one sentence on standard error, never a traceback."""
    _prepare_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, leave)
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except UserError as error:
        return _say(str(error), USER)
    except KeyboardInterrupt:
        # An impatient second one must not change the exit status.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return INTERRUPT
    except Exception as error:
        code = error.errno if isinstance(error, OSError) else None
        if code == errno.EPIPE:
            _drop_output()
            return BROKEN_PIPE  # Whoever read us has seen enough.
        if code == errno.ENOSPC:
            _drop_output()
            return _say("Standard output cannot be written: No space left on device.", USER)
        from attntui.cli.faults import report

        return _say(report(error), FAULT)


def _run(arguments: Sequence[str]) -> int:
    import typer

    from attntui.cli.config import defaults, read_config
    from attntui.cli.opening import with_screen

    # `doctor` must be able to say what is wrong with the config file.
    config = {} if arguments[:1] == ["doctor"] else defaults(read_config())
    if not _may_name_a_command(arguments):
        with contextlib.suppress(typer.TyperException):  # said below, with all commands in mind
            with _collecting_nothing():
                return _obey(with_screen(), arguments, config)
    from attntui.cli.app import app

    try:
        return _obey(app, arguments, config)
    except typer.TyperException as error:
        raise UserError(error.format_message().replace("Value error, ", "")) from error


@contextlib.contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Garbage stays until the screen's first paint: imports make none, and to look for it again and
    again took a tenth of that time (0.53 s, 0.48 s without)."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _may_name_a_command(arguments: Sequence[str]) -> bool:
    """Whether something other than the screen may be wanted: the help tells of all commands."""
    from attntui.cli.config import COMMANDS

    return any(each in COMMANDS or each.startswith(("-h", "--help")) for each in arguments)


def _obey(app: "Typer", arguments: Sequence[str], config: dict[str, Any]) -> int:
    """Not by calling the app, which has ways of its own with interrupts and broken pipes."""
    import typer

    command = typer.main.get_command(app)
    try:
        with command.make_context("attntui", list(arguments), default_map=config) as context:
            return command.invoke(context) or OK
    except typer.Exit as leave:
        return leave.exit_code


def _prepare_streams() -> None:
    """Open what is closed (`>&-`), and let a locale that lacks a character not end the program."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Forget what could not be written: Python would try again at exit, and complain."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(sentence: str, status: int) -> int:
    print(f"attntui: {sanitise(sentence)}", file=sys.stderr)
    return status


LEAVING_SECONDS = 3.0


def leave(number: int, frame: FrameType | None) -> None:
    """End in order, so that the terminal, files and the engine are cleaned up on the way.

    A terminal that went away can hold up the writing thread for ever, so there is a last word; the
    engine ends by itself when this process does.

    In an event loop the exit is raised between callbacks: inside a task it would be lost, or
    printed as that task's fault.
    """
    watchdog = threading.Timer(LEAVING_SECONDS, os._exit, [128 + number])
    watchdog.daemon = True
    watchdog.start()
    if "asyncio" in sys.modules:
        import asyncio

        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().call_soon_threadsafe(_exit, 128 + number)
            return
    _exit(128 + number)


def _exit(status: int) -> None:
    raise SystemExit(status)
