"""The Textual app: themes, palette, and the one main screen."""

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, cast

from rich.console import Console
from textual import constants, events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.screen import Screen

from attntui.client.engine import Engine
from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions, PromptInput
from attntui.core.tokens import sanitise_lines
from attntui.render.palette import Palette
from attntui.render.terminal import terminal_mode
from attntui.ui.commands import commands
from attntui.ui.own_keys import remapped
from attntui.ui.screens.main import MainScreen
from attntui.ui.start import Start
from attntui.ui.themes import DARK, LIGHT, PLAIN, THEMES, palette_of
from attntui.ui.widgets.pane import Pane
from attntui.ui.widgets.too_small import LEAST_HEIGHT, LEAST_WIDTH


def few_colours() -> bool:
    """Whether the terminal has only 16 colours, as far as its environment tells."""
    system = constants.COLOR_SYSTEM
    console = Console(
        color_system=cast(Any, system), force_terminal=True, legacy_windows=False, file=sys.stderr
    )
    return console.color_system in {None, "standard", "windows"}


class AttnApp(App[int]):
    """Explore a model's attention."""

    TITLE = "attntui"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+p", "command_palette", show=False, priority=True, id="program.palette")
    ]
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-slim"),
        (LEAST_WIDTH, "-narrow"),
        (100, "-medium"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-bare"),
        (LEAST_HEIGHT, "-low"),
        (15, "-tiny"),
        (20, "-short"),
        (30, "-tall"),
    ]

    def __init__(
        self,
        options: ModelOptions,
        prompt: PromptInput | None = None,
        start: Start | None = None,
        engine: Engine | None = None,
    ) -> None:
        start = start or Start()
        self.plain = few_colours() or no_colour()
        super().__init__(ansi_color=True if self.plain else None)
        self.shades = self.plain or start.style == "shade"
        for theme in THEMES:
            self.register_theme(theme)
        mode = terminal_mode(start.theme)
        self.theme = (PLAIN if self.plain else DARK if mode == "dark" else LIGHT).name
        self.keys = remapped(start.keys)
        self._own_keys = {key.id: key.keys for key in self.keys if key.id in start.keys}
        self.refusal = ""
        """Why the file could not be opened, in a sentence; empty where it was."""
        self.fault: Exception | None = None
        """What ended the program, if it was not the user."""
        self._main = MainScreen(options, prompt, start, engine or Engine())

    @property
    def palette(self) -> Palette:
        """Styles and glyphs of all levels, for the present theme and terminal."""
        return palette_of(self.current_theme, self.shades)

    def on_mount(self) -> None:
        self.set_keymap(self._own_keys)

    def get_default_screen(self) -> Screen[None]:
        return self._main

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield from commands(screen, self.keys)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Paste) and not event.is_forwarded:
            # Here for every field there is, the palette's included: none makes it safe itself.
            event.text = sanitise_lines(re.sub(r"\r\n?", "\n", event.text))
        # A pane takes keys by bindings alone. They run here, not after the key has bubbled up, so
        # that of keys in one packet, as over a slow line, each finds the focus where the one
        # before has put it: else a prompt typed right after `i` would be lost.
        if isinstance(event, events.Key) and not event.is_forwarded:
            for priority in (True, False) if isinstance(self.focused, Pane) else ():
                if await self._check_bindings(event.key, priority):
                    return
        await super().on_event(event)

    def get_driver_class(self) -> type[Driver]:
        found = super().get_driver_class()
        if found.__name__ != "LinuxDriver":
            return found
        from attntui.ui.driver import TerminalDriver

        return TerminalDriver

    def _handle_exception(self, error: Exception) -> None:
        self.fault = self.fault or error
        super()._handle_exception(error)

    def _print_error_renderables(self) -> None:
        if self.fault is not None:  # prompts and names are in its traceback: see `run_to_end`
            self._exit_renderables.clear()
        super()._print_error_renderables()

    def run_to_end(self, mouse: bool) -> int:
        """Stay until the user leaves; the exit status.

        Raises:
            Exception: whatever fault ended it, when the terminal is as it was before.
        """
        self.run(mouse=mouse)
        if self.fault is not None:
            raise self.fault
        return self.return_code or 0

    def next_theme(self) -> str | None:
        """Dark to light and back; None where the terminal's own colours are used."""
        if self.plain:
            return None
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name
        return self.theme


def run_file(path: str, start: Start) -> int:
    """Open the screen on a file of attention; the exit status.

    Raises:
        UserError: the file cannot be shown.
    """
    app = AttnApp(ModelOptions(model=""), None, replace(start, file=path))
    status = app.run_to_end(start.mouse)
    if app.refusal:
        raise UserError(app.refusal)
    return status


def no_colour() -> bool:
    """Whether NO_COLOR asks for no colour: set and not empty (no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def run_screen(options: ModelOptions, prompt: PromptInput | None, start: Start) -> int:
    """Open the screen and stay until the user leaves; the exit status."""
    return AttnApp(options, prompt, replace(start)).run_to_end(start.mouse)
