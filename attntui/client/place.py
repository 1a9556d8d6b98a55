"""Where an engine runs: on this machine, at the far end of an ssh line, behind any command."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from attntui.client.process import describe_exit

# -P: a file in the present folder must not stand in for a library's module.
ENGINE = (sys.executable, "-P", "-m", "attntui.engine")
LONG_START = 180.0
"""Seconds until torchrun's first rank says hello, on a slow disk."""


@dataclass(frozen=True)
class Place:
    """How to start an engine there, and what to expect of the way to it."""

    argv: tuple[str, ...]
    """The program whose standard input and output are the engine's."""
    name: str = ""
    """The machine as the user calls it; empty for this one."""
    hello_seconds: float | None = 60.0
    """How long its first words may take; None: as long as a queue for a machine takes."""
    heartbeat: float | None = None
    """Seconds between two signs of life to it, where a lost line does not close its input."""
    describe: Callable[[int, str], str] = describe_exit
    """One sentence on how the program ended, from its exit status and the last line it wrote."""


def behind(command: tuple[str, ...]) -> Place:
    """An engine that a command of the user's starts: in a container, under Slurm's srun."""
    return Place(command, hello_seconds=None)


def split(ranks: int, options: tuple[str, ...]) -> Place:
    """An engine of several processes on this machine; `options` are those of `attntui engine`."""
    argv = (sys.executable, "-P", "-m", "attntui", "engine", *options)

    def describe(status: int, last_line: str) -> str:
        # Rank 0 says itself which of the others ended; torchrun's own last line says nothing.
        return f"Rank 0 of the engine's {ranks} has ended, and so the others did; see the log."

    return Place(argv, hello_seconds=LONG_START, describe=describe)


_chosen: ContextVar[Place | None] = ContextVar("place", default=None)


@contextmanager
def engines_at(place: Place) -> Iterator[None]:
    """In this block, engines run there unless they are told otherwise."""
    token = _chosen.set(place)
    try:
        yield
    finally:
        _chosen.reset(token)


def chosen() -> Place | None:
    """Where engines run that are told nothing; None: here."""
    return _chosen.get()
