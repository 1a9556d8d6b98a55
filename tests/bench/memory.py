"""The most memory that this process held: resident bytes on a CPU, allocated bytes on a GPU.

Runs in the peers' environments too: only torch and the standard library.
"""

import ctypes
import gc
import signal
from pathlib import Path

TIGHT = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""One arena that gives freed memory back, so that the peak is what was needed at once."""


BEGIN, TELL = signal.SIGUSR1, signal.SIGUSR2
"""What `measured_engine` begins and tells at."""


def start(device: str) -> int:
    """The peak counts from here; bytes held now."""
    gc.collect()
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the kernel's peak starts again from now
    return _resident("VmRSS")


def peak(device: str) -> int:
    """The most bytes held at once since `start`."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    return _resident("VmHWM")


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
