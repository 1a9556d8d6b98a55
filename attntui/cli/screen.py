"""Opening the screen, where there is a terminal to open it on."""

import os
import sys
from dataclasses import asdict, dataclass
from typing import Literal

from attntui.cli.config import read_config
from attntui.cli.options import ModelChoice, PromptChoice
from attntui.cli.prompts import STDIN
from attntui.core.errors import UserError
from attntui.core.protocol import Stack


@dataclass(frozen=True)
class StartChoice:
    """How the screen opens."""

    layer: int | None = None
    head: int | None = None
    attention: Stack | None = None
    mouse: bool = True
    style: Literal["auto", "shade"] = "auto"
    theme: Literal["auto", "dark", "light"] = "auto"


def open_screen(model: ModelChoice, prompt: PromptChoice, choice: StartChoice) -> int:
    """Run the screen; its exit status.

    Raises:
        UserError: there is no terminal, or the config file is not understood.
    """
    options = model.options()
    text = prompt.given(options.model)
    if prompt.prompt_file == STDIN:
        _take_keyboard_back()
    _need_terminal()
    from attntui.ui.app import run_screen
    from attntui.ui.state import Start

    return run_screen(options, text, Start(**asdict(choice), keys=_own_keys()))


def resume_screen(choice: StartChoice) -> int:
    """Run the screen where the last session left; its exit status.

    Raises:
        UserError: there is no terminal, or no last session.
    """
    _need_terminal()
    from attntui.ui.app import run_screen
    from attntui.ui.memory import Memory
    from attntui.ui.state import Start

    place = Memory().place()
    if place is None:
        raise UserError("There is no session to resume: open one with attntui --model MODEL.")
    start = Start(**asdict(choice), keys=_own_keys(), look=place.look)
    return run_screen(place.options, place.prompt, start)


def _own_keys() -> dict[str, str]:
    """The user's own keys, checked.

    Raises:
        UserError: one is for nothing there is, or is taken.
    """
    from attntui.ui.keys import remapped

    keys = read_config().keys
    remapped(keys)
    return keys


def _need_terminal() -> None:
    # Textual reads keys from standard input and draws on standard error.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserError(
            "The screen needs a terminal; without one, attntui show prints attention as text and"
            " attntui export writes it to a file."
        )


def _take_keyboard_back() -> None:
    """Standard input was a prompt; the keyboard is still the controlling terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        return
    os.dup2(terminal, 0)
    os.close(terminal)
