"""From a key to the painted grid: another head, at GPT-2-small size and 1,024 tokens.

    python tests/bench/key_to_paint.py [MOVES]

The real program in a pty. Time runs from the key's bytes to the bytes of the grid's new title,
which are written in one frame with its cells. Forth, each head is seen for the first time; back,
each comes from the screen's cache. Weights are random: what is timed does not depend on them.
"""

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.terminal.conftest import PROGRAM, WORDS, Terminal, word_tokenizer

TOKENS, LAYERS, HEADS = 1024, 12, 12
RIGHT, LEFT, DOWN, UP = ("\x1b[1;2C", "\x1b[1;2D", "\x1b[1;2B", "\x1b[1;2A")
BACK = {RIGHT: LEFT, LEFT: RIGHT, DOWN: UP}


@contextmanager
def built(tokens: int) -> Iterator[Path]:
    """A folder with a random GPT-2 small and a prompt of so many tokens."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        config = GPT2Config(vocab_size=len(WORDS), bos_token_id=None, eos_token_id=None)
        GPT2LMHeadModel(config).save_pretrained(folder)
        word_tokenizer(WORDS).save_pretrained(folder)
        (folder / "prompt.txt").write_text(" ".join(WORDS[1 + at % 7] for at in range(tokens)))
        yield folder


@contextmanager
def opened(folder: Path) -> Iterator[Terminal]:
    """The program on the model and prompt in a folder, when it has painted all and is quiet."""
    arguments = ["-m", str(folder), "--prompt-file", str(folder / "prompt.txt")]
    environment = os.environ | {"TERM": "xterm-256color", "HF_HUB_OFFLINE": "1"}
    terminal = Terminal([*PROGRAM, *arguments], environment)
    try:
        terminal.until("exact", 300)
        terminal.settle(1)
        yield terminal
    finally:
        terminal.close()


def path(moves: int) -> list[tuple[str, str]]:
    """Keys and the titles they lead to: along the heads, down a layer, back along the heads."""
    found, layer, head = [], 0, 0
    while len(found) < moves:
        step = 1 if layer % 2 == 0 else -1
        if 0 <= head + step < HEADS:
            head, key = head + step, RIGHT if step > 0 else LEFT
        else:
            layer, key = layer + 1, DOWN
        found.append((key, f"Layer {layer} Head {head}"))
    return found


def press(terminal: Terminal, key: str, title: str) -> float:
    terminal.settle(0.15)
    before = len(terminal.stream)
    start = time.perf_counter()
    terminal.send(key)
    painted = re.compile(rb"%s(?!\d)" % title.encode())
    while not painted.search(terminal.stream, before):
        terminal.read(1)
    return (time.perf_counter() - start) * 1e3


def report(name: str, times: list[float]) -> None:
    p95 = statistics.quantiles(times, n=20)[18]
    median = statistics.median(times)
    print(f"{name:<10} median {median:6.1f} ms   95 % {p95:6.1f} ms   of {len(times)}")


def main() -> None:
    moves = path(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
    with built(TOKENS) as folder, opened(folder) as terminal:
        first = [press(terminal, key, title) for key, title in moves]
        titles = ["Layer 0 Head 0", *(title for _, title in moves)]
        back = [
            press(terminal, BACK[key], titles[at])
            for at, (key, _) in reversed(list(enumerate(moves)))
        ]
    report("uncached", first)
    report("cached", back)


if __name__ == "__main__":
    main()
