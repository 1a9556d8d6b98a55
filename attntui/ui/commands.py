"""The command palette: every binding of the table, by its description."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from textual.app import SystemCommand
from textual.screen import Screen

from attntui.ui.keys import Key

MOVES = frozenset({"Cell"})


def commands(screen: Screen[Any], keys: Sequence[Key]) -> Iterator[SystemCommand]:
    """Everything a key does that is not a movement of the cell."""
    for key in keys:
        if key.id == "program.palette" or (key.group in MOVES and not key.footer):
            continue
        action = key.action if key.action.startswith("app.") else f"screen.{key.action}"
        yield SystemCommand(
            key.description, f"{key.group} · {key.show}", partial(screen.run_action, action)
        )
