"""Opening the screen, where there is a terminal to open it on."""

import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from attntui.cli.config import read_config
from attntui.cli.options import ModelChoice, OtherChoice, PromptChoice, StartChoice
from attntui.cli.prompts import STDIN, read_file
from attntui.cli.run import leave
from attntui.core.errors import UserError
from attntui.core.head_tables import tables_of
from attntui.core.protocol import Stack
from attntui.ui.terminal import has_terminal


def open_screen(
    model: ModelChoice,
    prompt: PromptChoice,
    choice: StartChoice,
    attention: Stack | None,
    other: OtherChoice | None = None,
) -> int:
    """Run the screen; its exit status.

    Raises:
        UserError: there is no terminal, or the config file is not understood.
    """
    options = model.options()
    compare = None if other is None else other.options(options)
    text = prompt.given(options.model)
    if prompt.prompt_file == STDIN:
        _take_keyboard_back()
    _take_terminal()
    from attntui.ui.app import run_screen
    from attntui.ui.memory import Memory
    from attntui.ui.start import Start

    last = None if prompt.is_given else Memory().place()
    draft = last.draft if last is not None and last.options.model == options.model else None
    start = Start(attention=attention, draft=draft, compare=compare, **_start(choice))
    return run_screen(options, text, start)


def resume_screen(choice: StartChoice, attention: Stack | None) -> int:
    """Run the screen where the last session left; its exit status.

    Raises:
        UserError: there is no terminal, or no last session.
    """
    _take_terminal()
    from attntui.ui.app import run_screen
    from attntui.ui.memory import Memory
    from attntui.ui.start import Start

    last = Memory().place()
    if last is None:
        raise UserError("There is no session to resume: open one with attntui --model MODEL.")
    start = Start(attention=attention, look=last.look, draft=last.draft, **_start(choice))
    return run_screen(last.options, last.prompt, start)


def view_file(file: str, choice: StartChoice, attention: Stack | None) -> int:
    """Run the screen on a file of attention; its exit status.

    Raises:
        UserError: there is no terminal, or the file cannot be shown.
    """
    if not Path(file).is_file():
        raise UserError(f"There is no file {file}.")
    _take_terminal()
    from attntui.ui.app import run_file
    from attntui.ui.start import Start

    return run_file(file, Start(attention=attention, **_start(choice)))


def _start(choice: StartChoice) -> dict[str, Any]:
    """The fields of `Start` that all ways to the screen share.

    Raises:
        UserError: a file of numbers of heads, or the config file, is not understood.
    """
    fields = asdict(choice)
    files = fields.pop("map") or ()
    tables = tuple(table for file in files for table in tables_of(read_file(file, "The map"), file))
    return {
        "mouse": not fields.pop("no_mouse"),
        "keys": _own_keys(),
        "tables": tables,
        **fields,
    }


def _own_keys() -> dict[str, str]:
    """The user's own keys, checked.

    Raises:
        UserError: one is for nothing there is, or is taken.
    """
    from attntui.ui.own_keys import remapped

    keys = read_config().keys
    remapped(keys)
    return keys


def _take_terminal() -> None:
    """Make sure of a terminal, and leave when it goes.

    Raises:
        UserError: there is none.
    """
    if not has_terminal():
        raise UserError(
            f"The screen needs a terminal{_missing()}; without one, attntui show prints attention"
            " as text and attntui export writes it to a file."
        )
    # Under nohup too: Textual reads a terminal that is gone again and again, for ever.
    signal.signal(signal.SIGHUP, leave)


def _missing() -> str:
    """Which half of a terminal there is not, where the other is there."""
    if sys.stderr.isatty():
        return " to read keys from, not a pipe or a file (a prompt from there: --prompt-file -)"
    return " to draw on, by way of standard error (2>)" if sys.stdin.isatty() else ""


def _take_keyboard_back() -> None:
    """Standard input was a prompt; the keyboard is still the controlling terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        return
    os.dup2(terminal, 0)
    os.close(terminal)
