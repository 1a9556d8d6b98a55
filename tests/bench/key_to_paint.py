"""From a key to the painted grid: another head, at GPT-2-small size or of a small Llama.

    python tests/bench/key_to_paint.py [--model gpt2|llama] [--tokens 1024 32768] [--moves 30]

The real program in a pty. Time runs from the key's bytes to the bytes of the grid's new title,
which are written in one frame with its cells. Forth, each head is seen for the first time, while
what the screen asked for the one before may still be at work; back, each comes from the screen's
cache. Weights are random: what is timed does not depend on them.
"""

import argparse
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
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from tests.terminal.conftest import PROGRAM, WORDS, Terminal, word_tokenizer

HEADS = {"gpt2": 12, "llama": 8}
RIGHT, LEFT, DOWN, UP = ("\x1b[1;2C", "\x1b[1;2D", "\x1b[1;2B", "\x1b[1;2A")
BACK = {RIGHT: LEFT, LEFT: RIGHT, DOWN: UP}


def random_model(name: str, tokens: int, vocabulary: int = len(WORDS)) -> PreTrainedModel:
    """GPT-2 small; or a Llama of 4 layers, 8 heads of size 64 and 2 key heads."""
    torch.manual_seed(0)
    if name == "gpt2":
        positions = max(1024, tokens)
        shape = GPT2Config(vocab_size=vocabulary, n_positions=positions)
        shape.bos_token_id = shape.eos_token_id = None
        return GPT2LMHeadModel(shape)
    llama = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=131072,
        bos_token_id=None,
        eos_token_id=None,
    )
    return LlamaForCausalLM(llama)


@contextmanager
def built(tokens: int, model: str = "gpt2") -> Iterator[Path]:
    """A folder with a random model and a prompt of so many tokens."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        random_model(model, tokens).save_pretrained(folder)
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
        terminal.until("exact", 900)
        terminal.settle(1)
        yield terminal
    finally:
        terminal.close()


def path(moves: int, heads: int = 12) -> list[tuple[str, str]]:
    """Keys and the titles they lead to: along the heads, down a layer, back along the heads."""
    found, layer, head = [], 0, 0
    while len(found) < moves:
        step = 1 if layer % 2 == 0 else -1
        if 0 <= head + step < heads:
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=HEADS, default="gpt2")
    parser.add_argument("--tokens", type=int, nargs="*", default=[1024])
    parser.add_argument("--moves", type=int, default=30)
    options = parser.parse_args()
    moves = path(options.moves, HEADS[options.model])
    for tokens in options.tokens:
        with built(tokens, options.model) as folder, opened(folder) as terminal:
            first = [press(terminal, key, title) for key, title in moves]
            titles = ["Layer 0 Head 0", *(title for _, title in moves)]
            back = [
                press(terminal, BACK[key], titles[at])
                for at, (key, _) in reversed(list(enumerate(moves)))
            ]
        print(f"{options.model}, {tokens:,} tokens")
        report("uncached", first)
        report("cached", back)


if __name__ == "__main__":
    main()
