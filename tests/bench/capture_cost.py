"""What capturing costs at GPT-2-small size: forward time and memory, beside plain SDPA and eager.

    python tests/bench/capture_cost.py [--tokens 1024] [--threads 2]

Times are ratios of alternating runs in one process; memory is the peak of a fresh process per
figure, above the plain forward's, as a multiple of the bytes of q, k and v. Asserts nothing.
"""

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

WAYS = ("plain", "captured", "eager")
REPEATS = 5


def build(way: str) -> Any:
    """A random GPT-2 small with one attention implementation."""
    import torch
    import transformers

    from attntui.engine import capture

    names = {"plain": "sdpa", "captured": capture.NAME, "eager": "eager"}
    config = transformers.GPT2Config(_attn_implementation=names[way], n_positions=4096)
    torch.manual_seed(0)
    return transformers.GPT2LMHeadModel(config).eval().requires_grad_(False)


def run(model: Any, way: str, ids: Any) -> Any:
    """One forward without a cache; what it leaves behind is returned, so that it stays alive."""
    import torch

    from attntui.engine.capture import recording

    with torch.no_grad():
        if way == "captured":
            with recording(model) as recorder:
                return model(ids, use_cache=False), recorder.calls
        return model(ids, use_cache=False, output_attentions=way == "eager")


def prompt(tokens: int) -> Any:
    import torch

    return torch.randint(0, 50257, (1, tokens), generator=torch.Generator().manual_seed(0))


def peak_memory(way: str, tokens: int) -> int:
    """Bytes by which a forward raises the process's peak, after a short one has warmed it up."""
    model, ids = build(way), prompt(tokens)
    run(model, way, ids[:, :8])
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is held now
    before = _status("VmRSS")
    kept = run(model, way, ids)
    peak = _status("VmHWM") - before
    del kept
    return peak


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def times(tokens: int) -> dict[str, float]:
    """The median ratio to the plain forward that ran just before, of each other way."""
    models, ids = {way: build(way) for way in WAYS}, prompt(tokens)
    for way in WAYS:
        run(models[way], way, ids)
    ratios: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(REPEATS):
        seconds = {}
        for way in WAYS:
            started = perf_counter()
            run(models[way], way, ids)
            seconds[way] = perf_counter() - started
        for way in WAYS:
            ratios[way].append(seconds[way] / seconds["plain"])
    return {way: statistics.median(found) for way, found in ratios.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peak", choices=WAYS, help="print one way's peak memory and exit")
    options = parser.parse_args()

    import torch

    torch.set_num_threads(options.threads)
    if options.peak:
        print(peak_memory(options.peak, options.tokens))
        return
    recorded = 12 * 3 * options.tokens * 768 * 4
    command = [sys.executable, __file__, "--tokens", str(options.tokens)]
    command += ["--threads", str(options.threads), "--peak"]
    # One arena that gives freed memory back, so that the peak is what was needed at once.
    env = {**os.environ, "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    peaks = {
        way: int(subprocess.run([*command, way], env=env, capture_output=True, check=True).stdout)
        for way in WAYS
    }
    ratios = times(options.tokens)
    print(f"GPT-2 small, {options.tokens} tokens, float32, {options.threads} threads")
    print(f"q, k and v of all layers: {recorded / 2**20:.0f} MiB")
    print(f"{'':10}{'time / plain':>14}{'peak MiB':>12}{'above plain / (q, k, v)':>26}")
    for way in WAYS:
        above = (peaks[way] - peaks["plain"]) / recorded
        print(f"{way:10}{ratios[way]:>14.2f}{peaks[way] / 2**20:>12.0f}{above:>26.2f}")


if __name__ == "__main__":
    main()
