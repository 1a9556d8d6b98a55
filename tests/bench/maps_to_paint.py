"""From a key to painted small maps: one layer, then all 144 heads, at GPT-2-small size.

    python tests/bench/maps_to_paint.py [TOKENS]

The real program in a pty of 200 x 60. Time runs from the key's bytes to the first half block, and
to the last byte that comes before a long silence; bytes are all that were written.
Weights are random: what is timed does not depend on them.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.key_to_paint import build
from tests.terminal.conftest import PROGRAM, WORDS, Terminal

QUIET = 5.0
HALF_BLOCK = "▀".encode()
STEPS = (
    ("4", "a layer of 12 heads"),
    ("]", "the next layer"),
    ("5", "144 heads, those in sight first"),
    ("f", "144 heads, all in sight"),
    ("o", "another score, measured first"),
    ("S", "sorted by it"),
    ("\x1b[B", "the selection moves"),
)


def press(terminal: Terminal, key: str) -> tuple[float, float, int]:
    """Milliseconds to the first half block, to the last byte; bytes."""
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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        (folder / "prompt.txt").write_text(" ".join(WORDS[1 + at % 7] for at in range(tokens)))
        arguments = ["-m", name, "--prompt-file", str(folder / "prompt.txt")]
        environment = os.environ | {"TERM": "xterm-256color", "HF_HUB_OFFLINE": "1"}
        terminal = Terminal([*PROGRAM, *arguments], environment, 200, 60)
        try:
            terminal.until("exact", 300)
            terminal.settle(2)
            print(f"{tokens} tokens; first map, all painted, bytes")
            for key, name in STEPS:
                first, all_of_it, count = press(terminal, key)
                print(f"{name:<34} {first:6.0f} ms {all_of_it:6.0f} ms {count:7}", flush=True)
        finally:
            terminal.close()


if __name__ == "__main__":
    main()
