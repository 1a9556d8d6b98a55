"""attntui, measured as it is used: the real program, from Enter in the prompt to painted cells."""

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from tests.bench.child import Child, Figure, Limits
from tests.bench.memory import TIGHT
from tests.bench.models import Shape, give_prompt, prompt
from tests.bench.repeats import LEAST, PATIENCE, SHORT
from tests.bench.results import Result
from tests.bench.screen import QUIET, Failed, Screen, opened, path

PEER = Path(__file__).with_name("peer.py")
OVERVIEWS = 5
"""Keys after which the whole screen is awaited; the others come while it still paints."""
SOON = 0.15
"""Seconds from one head's cells to the next key."""
LONG = 20
"""Seconds of silence that are enough for any prompt; for a short one a quarter of a forward is: the
map of a whole head, which comes last and at once, takes less."""
ENDINGS = ("w1", "w2")
"""The prompt's last word, in turn: it tells one run's picture from that of the run before."""


def measure(
    result: Result, shape: Shape, folder: Path, chosen: argparse.Namespace, limits: Limits
) -> None:
    """Fill in a result; where something fails, what it failed of."""
    device = ("--device", chosen.device, "--dtype", chosen.dtype)
    try:
        with _plain(folder, chosen, limits) as forward:
            quiet = min(LONG, max(QUIET, _ask(forward) / 4))  # it has read its prompt, and is warm
            give_prompt(folder, shape, SHORT)
            with opened(folder, limits, *device) as screen:
                screen.quiet = quiet
                text = prompt(shape, result.tokens)
                result.take(_pictures(screen, forward, text, chosen.repeats))
                result.take(_moves(screen, path(chosen.moves, shape.layers, shape.heads)))
        result.peak = _peak(folder, limits, device, prompt(shape, result.tokens), quiet)
        give_prompt(folder, shape, result.tokens)
        with _plain(folder, chosen, limits, "--memory") as forward:
            result.take(forward.figures())
    except Failed as failed:
        result.failure = failed.failure
    finally:
        give_prompt(folder, shape, result.tokens)


def _plain(folder: Path, chosen: argparse.Namespace, limits: Limits, *memory: str) -> Child:
    command = [sys.executable, "-P", str(PEER), "plain", str(folder), "--device", chosen.device]
    return Child([*command, *memory], TIGHT if memory else {}, limits)


def _ask(forward: Child) -> float:
    figure = forward.ask()
    if figure is None:
        assert forward.failure is not None
        raise Failed(forward.failure)
    seconds: float = figure["plain"]
    return seconds


def _pictures(screen: Screen, forward: Child, text: str, repeats: int) -> Iterator[Figure]:
    """First pictures, each after a plain forward of another process: never both at once."""
    endings = cycle(ENDINGS)
    ending = next(endings)
    screen.type(_ending(text, ending))
    screen.paint(_last(text), ending)
    screen.complete()
    begun = time.perf_counter()
    for number in range(repeats):
        if number >= LEAST and time.perf_counter() - begun > PATIENCE:
            break
        ending = next(endings)
        screen.retype(ending[-1])
        plain = _ask(forward)
        yield {"plain": plain, "picture": screen.paint(_last(text), ending, unseen=plain)}
        screen.complete()


def _moves(screen: Screen, moves: list[tuple[str, str]]) -> Iterator[Figure]:
    """Heads never seen before: soon after one another, then each when the last is painted whole."""
    soon = len(moves) - min(OVERVIEWS, len(moves) // 2)
    for key, title in moves[:soon]:
        yield {"another": screen.move(key, title)}
        screen.pause(SOON)
    screen.complete()
    for key, title in moves[soon:]:
        start = time.perf_counter()
        screen.move(key, title)
        yield {"overview": screen.complete() - start}


def _peak(folder: Path, limits: Limits, device: tuple[str, ...], text: str, quiet: float) -> int:
    """Bytes that the engine took at once for the first picture and all that comes with it."""
    file = folder / "peak"
    tight = {**TIGHT, "PEAK_FILE": str(file)}
    with opened(folder, limits, *device, environment=tight, measured=True) as screen:
        screen.quiet = quiet
        screen.type(_ending(text, ENDINGS[0]))
        screen.begin_peak(file)
        screen.paint(_last(text), ENDINGS[0])
        screen.complete()
        return screen.peak(file)


def _ending(text: str, word: str) -> str:
    return f"{text.rpartition(' ')[0]} {word}"


def _last(text: str) -> int:
    """The position of the last word."""
    return text.count(" ")
