"""Bytes written to the terminal for another head and for another cell, 120 x 36.

    python tests/bench/bytes_on_the_wire.py [MODEL [PROMPT]]

Everything the program writes after a key until it is quiet, and that after zlib, as with `ssh -C`.
"""

import os
import statistics
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.terminal.conftest import PROGRAM, Terminal

MOVES = {
    "another head": ["\x1b[1;2C", "\x1b[1;2B", "\x1b[1;2D", "\x1b[1;2B"] * 2,
    "another key": ["h", "h", "h", "l", "l", "h"] * 2,
    "another query": ["k", "k", "k", "j", "j", "k"] * 2,
}
COLOURS = {"24 bit": {"COLORTERM": "truecolor"}, "256": {}, "no colour": {"NO_COLOR": "1"}}


def written(terminal: Terminal, key: str) -> bytes:
    before = len(terminal.stream)
    terminal.send(key)
    terminal.settle(0.25)
    return terminal.stream[before:]


def main() -> None:
    model, *prompt = sys.argv[1:] or ["demo"]
    arguments = ["-m", model, *(["-p", prompt[0]] if prompt else [])]
    kept = {
        name: value for name, value in os.environ.items() if name not in ("COLORTERM", "NO_COLOR")
    }
    print(f"{'bytes, median (largest)':<26}{'plain':>16}{'zlib':>16}")
    for colours, variables in COLOURS.items():
        environment = kept | {"TERM": "xterm-256color", "HF_HUB_OFFLINE": "1"} | variables
        terminal = Terminal([*PROGRAM, *arguments], environment)
        try:
            terminal.until("exact", 300)
            terminal.settle(1)
            for name, keys in MOVES.items():
                found = [written(terminal, key) for key in keys]
                plain = [len(data) for data in found if data]
                packed = [len(zlib.compress(data)) for data in found if data]
                columns = [
                    f"{statistics.median(sizes):.0f} ({max(sizes)})" for sizes in (plain, packed)
                ]
                print(f"{colours + ', ' + name:<26}{columns[0]:>16}{columns[1]:>16}")
        finally:
            terminal.close()


if __name__ == "__main__":
    main()
