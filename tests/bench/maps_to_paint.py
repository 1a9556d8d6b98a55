"""From a key to small maps: the first that is painted, all of them, and what crosses the wire.

    python tests/bench/maps_to_paint.py [TOKENS]

The real program in a pty of 200 x 60, at GPT-2-small size: 144 heads. Time runs from the key's
bytes to the first half block, and to the last byte before a long silence. views.py times all views.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.models import SHAPES, built, give_prompt
from tests.bench.screen import NO_LIMITS, opened
from tests.terminal.conftest import Terminal

QUIET = 5.0
HALF_BLOCK = "▀".encode()
STEPS = (
    ("4", "a layer of 12 heads"),
    ("]", "the next layer"),
    ("5", "144 heads, those in sight"),
    ("f", "144 heads, all in sight"),
    ("o", "another score, measured first"),
    ("S", "sorted by it"),
    ("\x1b[B", "the selection moves"),
)


def press(terminal: Terminal, key: str) -> tuple[float, float, int]:
    """Milliseconds to the first half block and to the last byte; bytes."""
    before = len(terminal.stream)
    start = last = time.perf_counter()
    first = 0.0
    terminal.send(key)
    while terminal.read(QUIET):
        last = time.perf_counter()
        if not first and HALF_BLOCK in terminal.stream[before:]:
            first = last - start
    return first * 1e3, (last - start) * 1e3, len(terminal.stream) - before


def main() -> None:
    tokens = int(sys.argv[1]) if len(sys.argv) > 1 else 512
    with built(SHAPES["gpt2"]) as folder:
        give_prompt(folder, SHAPES["gpt2"], tokens)
        measure(folder, tokens)


def measure(folder: Path, tokens: int) -> None:
    with opened(folder, NO_LIMITS) as screen:
        terminal = screen.terminal
        terminal.resize(200, 60)
        terminal.settle(2)
        print(f"{tokens} tokens; first map, all painted, bytes")
        for key, name in STEPS:
            first, all_of_it, count = press(terminal, key)
            print(f"{name:<32} {first:6.0f} ms {all_of_it:6.0f} ms {count:7}", flush=True)


if __name__ == "__main__":
    main()
