"""Choosing another model: bundled ones, those in the cache, those used last, or any by its name."""

import asyncio
import sys
from dataclasses import dataclass
from typing import ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from attntui.core.tokens import sanitise
from attntui.render.labels import fit
from attntui.ui.screens.on_top import OnTop

LISTING = (sys.executable, "-P", "-m", "attntui", "models", "--json")
"""A child reads the cache: importing huggingface_hub here would stop the screen for 0.3 s."""


class LocalModel(msgspec.Struct, frozen=True):
    """A model on this machine, as `attntui models --json` lists it."""

    name: str
    architecture: str = ""
    size: int = 0
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A line of the list."""

    name: str
    about: str


class ModelPicker(OnTop[str | None]):
    """Gives a model's name, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
    ]

    def __init__(self, current: str, recent: list[str], title: str = "Open another model") -> None:
        super().__init__()
        self._title = title
        self._current = current
        self._rows = [Row(name, "used lately") for name in recent]
        self._shown: list[Row] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="picker") as frame:
            frame.border_title = Content(self._title)
            frame.border_subtitle = Content("Enter opens · Esc closes")
            yield Input(placeholder="a part of its name; or a hub id or folder", id="picker-name")
            yield OptionList(id="picker-list", markup=False)

    def on_mount(self) -> None:
        self._show("")
        self.run_worker(self._list(), exit_on_error=False, description="list models")

    async def _list(self) -> None:
        child = await asyncio.create_subprocess_exec(
            *LISTING,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await child.communicate()
        try:
            found = msgspec.json.decode(output, type=list[LocalModel])
        except msgspec.MsgspecError:
            return
        known = {model.name for model in found}
        rest = [row for row in self._rows if row.name not in known]
        self._rows = [*(Row(model.name, about(model)) for model in found), *rest]
        self._show(self.query_one(Input).value)

    def _show(self, part: str) -> None:
        wish = part.strip().casefold()
        self._shown = [row for row in self._rows if wish in row.name.casefold()]
        if wish and all(row.name.casefold() != wish for row in self._shown):
            self._shown.append(Row(part.strip(), "by its name: from the hub, or a folder"))
        width = min(40, max((len(row.name) for row in self._shown), default=1))
        options = self.query_one(OptionList)
        options.clear_options()
        for row in self._shown:
            mark = "•" if row.name == self._current else " "
            line = f"{mark} {fit(sanitise(row.name), width)}  {sanitise(row.about)}"
            options.add_option(Option(Content(line)))
        if self._shown:
            options.highlighted = 0

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._show(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        at = self.query_one(OptionList).highlighted
        if self._shown and at is not None:
            self.dismiss(self._shown[at].name)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._shown[event.option_index].name)

    def action_move(self, step: int) -> None:
        options = self.query_one(OptionList)
        if step > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()


def about(model: LocalModel) -> str:
    """Size, architecture and what else is known, in a few words."""
    size = f"{model.size / 1e9:.1f} GB" if model.size >= 1e9 else f"{model.size / 1e6:.0f} MB"
    parts = [size if model.size else "", model.architecture, model.note]
    return " · ".join(part for part in parts if part)
