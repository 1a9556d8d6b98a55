"""First paint of attntui against a hello-world Textual app, and the longest stall while it loads.

    python tests/bench/first_paint.py [MODEL [ROUNDS]]

Both start in a pty, in turn; time runs from the start of the process to the first text on the
terminal's screen. The stall is the longest time between two ticks of a 100 Hz timer in the app's
event loop, from its first paint until the model's first picture is complete.
"""

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from attntui.core.protocol import ModelOptions, PromptInput
from attntui.ui.app import AttnApp
from tests.terminal.conftest import PROGRAM, Terminal

HELLO = """
from textual.app import App
from textual.widgets import Label

class Hello(App):
    def compose(self):
        yield Label("Hello, world")

Hello().run()
"""
PROMPT = "The quick brown fox jumps over the lazy dog."
TICK = 0.01


def first_paint(argv: list[str], text: bytes) -> float:
    """Seconds from the start of a program to its first text."""
    environment = os.environ | {"TERM": "xterm-256color", "HF_HUB_OFFLINE": "1"}
    start = time.perf_counter()
    terminal = Terminal(argv, environment)
    try:
        while text not in terminal.stream:
            terminal.read(0.5)
        return time.perf_counter() - start
    finally:
        terminal.close()


async def stalls(model: str) -> list[float]:
    """Seconds beyond a tick between two turns of the event loop, most first."""
    gaps: list[float] = []
    app = AttnApp(ModelOptions(model=model, offline=True), PromptInput(text=PROMPT))

    async def tick() -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(TICK)
            now = time.perf_counter()
            gaps.append(now - before - TICK)
            before = now

    async with app.run_test(size=(120, 36)) as pilot:
        ticking = asyncio.create_task(tick())
        while app._main.look.run is None:
            await pilot.pause(0.05)
        await app.workers.wait_for_complete()
        await pilot.pause()
        ticking.cancel()
    return sorted(gaps, reverse=True)


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else "demo"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 9
    screens = {
        "hello": ([sys.executable, "-c", HELLO], b"Hello"),
        "attntui": ([*PROGRAM, "-m", model, "-p", PROMPT], b"attntui"),
    }
    found: dict[str, list[float]] = {name: [] for name in screens}
    for number in range(rounds + 1):
        for name, (argv, text) in screens.items():
            seconds = first_paint(argv, text)
            if number:  # The first round fills the page cache.
                found[name].append(seconds)
    hello, ours = (statistics.median(found[name]) for name in screens)
    ratios = [ours / hello for hello, ours in zip(*found.values(), strict=True)]
    longest = asyncio.run(stalls(model))
    print(f"first paint, median of {rounds}  hello {hello:.3f} s   attntui {ours:.3f} s")
    print(f"ratio, median of pairs   {statistics.median(ratios):.2f}   (goal 2.5)")
    print(f"longest stalls while loading   {[f'{gap * 1e3:.0f} ms' for gap in longest[:5]]}")
    print(f"of {len(longest)} ticks   (goal: below 50 ms)")


if __name__ == "__main__":
    main()
