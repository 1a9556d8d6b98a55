"""What every head statistic costs at GPT-2-small size, beside the forward that it follows.

    python tests/bench/statistics_cost.py [--tokens 1024] [--threads 2]

The best of some alternating runs, in seconds of wall clock and of processor. Asserts nothing.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

REPEATS = 5


def work(tokens: int) -> dict[str, Callable[[], Any]]:
    """A captured forward of a random GPT-2 small, and what is asked of it, each as a call."""
    import torch
    import transformers

    from attntui.core.protocol import Chosen, GetMaps, GetWindow, ModelOptions, Reading
    from attntui.engine import capture, run, windows
    from attntui.engine.model import LoadedModel
    from tests.engine import families

    torch.manual_seed(0)
    config = transformers.GPT2Config(n_positions=4096, _attn_implementation=capture.NAME)
    model = transformers.GPT2LMHeadModel(config).eval().requires_grad_(False)
    loaded = LoadedModel(
        model=model,
        tokenizer=None,  # type: ignore[arg-type]
        options=ModelOptions(model="gpt2"),
        device=torch.device("cpu"),
        dtype=torch.float32,
        capture="interface",
        predicts="next",
    )
    prompt = families.encoded(text=torch.randint(0, 50257, (1, tokens)))
    held = run.trace(loaded, prompt, 1)
    reader = held.reader("self", Reading())
    everything = (0, tokens)
    chosen = Chosen("self", tuple((layer, 3) for layer in range(12)))
    step = max(1, tokens // 64)

    def statistics() -> None:
        held._measured.clear()
        held.measured("self")

    def maps() -> None:
        for number in range(12):
            windows.maps(
                reader, held.views.layer("self", number), GetMaps(1, "self", number, step, step)
            )

    return {
        "forward": lambda: run.trace(loaded, prompt, 1),
        "statistics of 144 heads": statistics,
        "maps of 144 heads": maps,
        "window, 12 chosen heads": lambda: windows.window(
            reader, GetWindow(1, chosen, everything, everything, step, step)
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    calls = work(options.tokens)

    import torch

    torch.set_num_threads(options.threads)
    best = {name: (float("inf"), float("inf")) for name in calls}
    for _ in range(REPEATS):
        for name, call in calls.items():
            wall, processor = perf_counter(), process_time()
            call()
            took = perf_counter() - wall, process_time() - processor
            best[name] = min(best[name][0], took[0]), min(best[name][1], took[1])
    print(f"{options.tokens} tokens, {options.threads} threads: seconds of clock, of processor")
    for name, (wall, processor) in best.items():
        print(f"{name:28}{wall:8.3f}{processor:8.3f}")


if __name__ == "__main__":
    main()
