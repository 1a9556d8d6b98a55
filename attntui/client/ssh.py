"""An engine on another machine, over ssh's own channel: nothing listens on any port.

One control connection is opened before the screen is: ssh may ask for a password, a passphrase or
whether to trust the host, and the terminal is still its own. The engine's sessions go through it.
"""

from __future__ import annotations

import functools
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attntui.client.place import LONG_START, Place
from attntui.client.process import describe_exit
from attntui.core.errors import UserError
from attntui.core.tokens import sanitise

FIND = 'exec "$SHELL" -lc "command -v attntui"'
"""A login shell knows the folders of pip, pipx and conda; a plain command's does not."""

LOST = 255
"""ssh's own exit status; any other is the command's."""
NOT_FOUND = 127
HEARTBEAT, SILENCE = 20.0, 90.0
LINGER = 15
"""Seconds the control connection stays after the last session, should this program be killed."""


@contextmanager
def connected(
    host: str, program: str | None = None, options: tuple[str, ...] = ()
) -> Iterator[Place]:
    """Connect to a host, which may ask on the terminal, and hang up at the end of the block.

    Args:
        host: as ssh takes it; its own config file says the rest.
        program: attntui at the far end; None: as a login shell there finds it.
        options: more of its `attntui engine`.

    Raises:
        UserError: the host cannot be reached, or has no attntui.
    """
    if host.startswith("-"):
        raise UserError(f"'{sanitise(host)}' is no host.")
    # Short: the path of a socket may have 108 characters, and ssh appends to it.
    with tempfile.TemporaryDirectory(prefix="attntui-", ignore_cleanup_errors=True) as folder:
        ssh = _ssh(Path(folder) / "line")
        try:
            yield _place(ssh, host, _found(ssh, host, program, Path(folder) / "log"), options)
        finally:
            quiet = subprocess.DEVNULL
            subprocess.run([*ssh, "-O", "exit", host], stdout=quiet, stderr=quiet, check=False)


def _ssh(line: Path) -> tuple[str, ...]:
    options = {
        "ControlMaster": "auto",
        "ControlPath": str(line),
        "ControlPersist": str(LINGER),
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
    }
    return "ssh", "-T", "-C", *(f"-o{name}={value}" for name, value in options.items())


def _found(ssh: tuple[str, ...], host: str, program: str | None, log: Path) -> str:
    """Open the line; where attntui is at its far end."""
    # Into a file: the control connection lives on and would hold a pipe open.
    command = FIND if program is None else f"command -v {_quoted(program)}"
    with log.open("wb") as errors:
        try:
            done = subprocess.run(
                [*ssh, host, command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                check=False,
            )
        except FileNotFoundError:
            raise UserError("There is no ssh on this machine: install OpenSSH's client.") from None
    name = sanitise(host)
    if done.returncode == LOST:
        raise UserError(f"{name} cannot be reached{_last_line(log.read_text(errors='replace'))}")
    # A login may print before: the answer is the last line.
    lines = done.stdout.decode(errors="replace").split("\n")
    path = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if done.returncode or not path.startswith("/"):
        what = sanitise(program) if program else "attntui"
        raise UserError(
            f"{what} was not found on {name}: install it there, or say where it is with"
            " --ssh-program PATH."
        )
    return path


def _quoted(program: str) -> str:
    """For the shell at the far end, whose ~ means its own home."""
    home, rest = ("~/", program[2:]) if program.startswith("~/") else ("", program)
    return home + shlex.quote(rest)


def _place(ssh: tuple[str, ...], host: str, path: str, options: tuple[str, ...] = ()) -> Place:
    command = f"exec {shlex.join((path, 'engine', '--silence', f'{SILENCE:.0f}', *options))}"
    # Later there is a picture on the terminal: nothing may ask on it.
    argv = (*ssh, "-oBatchMode=yes", host, command)
    describe = functools.partial(_describe, sanitise(host))
    patience = LONG_START if options else 60.0
    return Place(argv, sanitise(host), patience, heartbeat=HEARTBEAT, describe=describe)


def _describe(host: str, status: int, last_line: str) -> str:
    if status == LOST:
        return f"The line to {host} was lost{_last_line(last_line)}"
    return describe_exit(status, last_line)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    said = sanitise(lines[-1].strip()).removeprefix("ssh: ").rstrip(".") if lines else ""
    return f": {said}." if said else "."
