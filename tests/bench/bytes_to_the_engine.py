"""Bytes between the screen and its engine for another head and another cell, as over --ssh.

    python tests/bench/bytes_to_the_engine.py [MODEL [PROMPT]]

Both ways together, and after zlib in one stream each way, as with `ssh -C`. `bytes_on_the_wire.py`
measures the other way to work: the whole program at the far end, and its picture on the line.
"""

import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.bytes_on_the_wire import MOVES
from tests.terminal.conftest import PROGRAM, Terminal

ENGINE = (sys.executable, "-P", "-m", "attntui.engine")


def count(path: str) -> None:
    """Stand between a screen and an engine; keep how many bytes passed, plain and packed."""
    engine = subprocess.Popen(ENGINE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lock, sums = threading.Lock(), [0, 0]

    def carry(source: BinaryIO, target: BinaryIO) -> None:
        packer = zlib.compressobj(6)
        while data := os.read(source.fileno(), 2**16):
            target.write(data)
            target.flush()
            packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
            with lock:
                sums[0] += len(data)
                sums[1] += len(packed)
                Path(path).write_text(f"{sums[0]} {sums[1]}")
        target.close()

    assert engine.stdin is not None and engine.stdout is not None
    threading.Thread(target=carry, args=(engine.stdout, sys.stdout.buffer), daemon=True).start()
    carry(sys.stdin.buffer, engine.stdin)
    engine.wait()


def main() -> None:
    model, *prompt = sys.argv[1:] or ["demo"]
    with tempfile.TemporaryDirectory() as folder:
        sums = Path(folder) / "sums"
        command = shlex.join([sys.executable, __file__, "--count", str(sums)])
        arguments = ["-m", model, "--engine-command", command, *(["-p", *prompt] if prompt else [])]
        environment = os.environ | {"TERM": "xterm-256color", "HF_HUB_OFFLINE": "1"}
        terminal = Terminal([*PROGRAM, *arguments], environment)
        try:
            terminal.until("exact", 300)
            terminal.settle(1)
            print(f"{'bytes, median (largest)':<26}{'plain':>16}{'zlib':>16}")
            for name, keys in MOVES.items():
                found = [passed(terminal, key, sums) for key in keys]
                columns = [
                    f"{statistics.median(sizes):.0f} ({max(sizes)})"
                    for sizes in zip(*found, strict=True)
                ]
                print(f"{name:<26}{columns[0]:>16}{columns[1]:>16}")
        finally:
            terminal.close()


def passed(terminal: Terminal, key: str, sums: Path) -> tuple[int, int]:
    """Bytes that pass after a key until the screen is quiet, plain and packed."""
    plain, packed = map(int, sums.read_text().split())
    terminal.send(key)
    terminal.settle(0.25)
    time.sleep(0.1)
    now = tuple(map(int, sums.read_text().split()))
    return now[0] - plain, now[1] - packed


if __name__ == "__main__":
    count(sys.argv[2]) if sys.argv[1:2] == ["--count"] else main()
