"""From a number key to the painted view, for each view, at GPT-2-small size; beside bertviz.

    python tests/bench/views.py [--tokens 64 512 1024] [--rounds 5] [--bertviz-python PATH]

The real program in a pty of 120 x 36. Time runs from the key's bytes to the first bytes that come,
and to the last before the terminal is quiet: a view that paints piece by piece is timed whole.
Before each later visit another head is chosen. With `--bertviz-python`, an interpreter that has
bertviz makes its model view of the same 144 heads at 512 tokens.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench.models import SHAPES, built, give_prompt
from tests.bench.screen import NO_LIMITS, opened, path
from tests.terminal.conftest import Terminal

SHAPE = SHAPES["gpt2"]
VIEWS = {"grid": "1", "lines": "2", "text": "3", "layer": "4", "model": "5", "neuron": "6"}
QUIET = 3.0
"""Seconds of silence after which a view counts as painted whole: on two busy cores, 0.8 s pass
between two layers of the model view at 1,024 tokens."""

BERTVIZ = """
import json, resource, sys, time
import torch
from bertviz import model_view
from transformers import AutoModel, AutoTokenizer

folder, text = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder, attn_implementation="eager")
ids = tokenizer(open(text).read(), return_tensors="pt")["input_ids"]
with torch.no_grad():
    attention = model(ids, output_attentions=True).attentions
tokens = tokenizer.convert_ids_to_tokens(ids[0])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, start = peak(), time.perf_counter()
page = model_view(attention, tokens, html_action="return").data
found = {"seconds": time.perf_counter() - start, "before": before, "peak": peak()}
print(json.dumps({"page": len(page.encode()), **found}))
"""


class Painted(NamedTuple):
    """Milliseconds from a key to the first and to the last byte of what it paints."""

    begun: float
    whole: float


def press(terminal: Terminal, key: str) -> Painted:
    start = time.perf_counter()
    terminal.send(key)
    times = []
    while terminal.read(QUIET):
        times.append((time.perf_counter() - start) * 1e3)
    return Painted(times[0], times[-1])


def visit(terminal: Terminal, rounds: int) -> dict[str, list[Painted]]:
    """Every visit of each view, in order; no two views may look the same."""
    moves = (key for key, _ in path(rounds * len(VIEWS), SHAPE.layers, SHAPE.heads))
    keys = [*VIEWS.values()]
    # Two views back: the one before is in sight, and its key would only say so.
    away = dict(zip(VIEWS, keys[-2:] + keys[:-2], strict=True))
    pictures: dict[str, str] = {}
    visits: dict[str, list[Painted]] = {name: [] for name in VIEWS}
    for number in range(rounds + 1):
        for name, key in VIEWS.items():
            terminal.send(away[name])
            terminal.settle(1)
            if number:
                terminal.send(next(moves))
                terminal.settle(1)
            visits[name].append(press(terminal, key))
            if not number:
                same = pictures.setdefault(terminal.text, name)
                assert same == name, f"{name} shows what {same} shows"
    return visits


def bertviz(python: str, folder: Path) -> str:
    """What bertviz needs for its model view of a folder's model and prompt."""
    command = [python, "-c", BERTVIZ, str(folder), str(folder / "prompt.txt")]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    page, before, peak = (found[name] / 1e6 for name in ("page", "before", "peak"))
    return (
        f"{found['seconds']:.1f} s, a page of {page:.0f} MB, {peak:.0f} MB at most in memory "
        f"({before:.0f} MB before)"
    )


def report(tokens: int, visits: dict[str, list[Painted]]) -> None:
    print(f"{tokens} tokens, ms")
    print(
        f"{'':10}{'first visit: begun':>20}{'whole':>8}{'later: begun':>16}{'whole':>8}{'most':>8}"
    )
    for name, (first, *later) in visits.items():
        begun, whole = (sorted(times) for times in zip(*later, strict=True))
        figures = statistics.median(begun), statistics.median(whole), whole[-1]
        print(f"{name:10}{first.begun:20.0f}{first.whole:8.0f}", end="")
        print("{:16.0f}{:8.0f}{:8.0f}".format(*figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, nargs="*", default=[64, 512, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bertviz-python", help="an interpreter that can import bertviz")
    parser.add_argument("--bertviz-tokens", type=int, default=512)
    options = parser.parse_args()
    with built(SHAPE) as folder:
        for tokens in options.tokens:
            give_prompt(folder, SHAPE, tokens)
            with opened(folder, NO_LIMITS) as screen:
                report(tokens, visit(screen.terminal, options.rounds))
        if not options.bertviz_python:
            return
        give_prompt(folder, SHAPE, options.bertviz_tokens)
        found = bertviz(options.bertviz_python, folder)
        print(f"bertviz's model view, {options.bertviz_tokens} tokens: {found}")


if __name__ == "__main__":
    main()
