"""Opening the screen, where there is a terminal to open it on."""

import os
import sys
from typing import Literal

from attntui.cli.options import ModelChoice, PromptChoice, StackChoice
from attntui.cli.prompts import STDIN
from attntui.core.errors import UserError


def open_screen(
    model: ModelChoice,
    prompt: PromptChoice,
    stack: StackChoice,
    layer: int | None,
    head: int | None,
    mouse: bool,
    style: Literal["auto", "shade"],
    theme: Literal["auto", "dark", "light"],
) -> int:
    """Run the screen; its exit status.

    Raises:
        UserError: there is no terminal.
    """
    options = model.options()
    text = prompt.given(options.model)
    if prompt.prompt_file == STDIN:
        _take_keyboard_back()
    # Textual reads keys from standard input and draws on standard error.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserError(
            "The screen needs a terminal; to write attention to a file without one, use"
            " attntui export."
        )
    from attntui.ui.app import run_screen
    from attntui.ui.state import Start

    start = Start(
        layer=layer, head=head, attention=stack.stack, mouse=mouse, style=style, theme=theme
    )
    return run_screen(options, text, start)


def _take_keyboard_back() -> None:
    """Standard input was a prompt; the keyboard is still the controlling terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        return
    os.dup2(terminal, 0)
    os.close(terminal)
