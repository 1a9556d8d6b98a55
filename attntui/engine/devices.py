"""Devices: which one to use, what it is called, how much memory is free and held."""

import ctypes
import gc
import os
import subprocess
from pathlib import Path

import torch

from attntui.core import limits
from attntui.core.errors import UserError
from attntui.core.tokens import sanitise
from attntui.engine import ranks


def choose(name: str, part: int = 0, parts: int = 1) -> torch.device:
    """The device of an option: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`; for a part of the engines.

    Raises:
        UserError: there is no such device here.
    """
    if ranks.group() is not None:
        return _of_rank(name)
    if parts > 1 and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // parts))
    if name == "auto":
        if torch.cuda.is_available():
            if parts > 1:
                return torch.device("cuda", part % torch.cuda.device_count())
            return _roomiest()
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(
            f"The device '{sanitise(name)}' is unknown: use auto, cpu, cuda, cuda:1 or mps."
        ) from None
    if device.type == "cuda":
        return _cuda(device)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError("There is no Apple GPU here: use --device cpu, or auto.")
    if device.type not in {"cpu", "mps"}:
        raise UserError(f"attntui runs on cpu, cuda and mps, not on '{device.type}'.")
    return torch.device(device.type)


def _of_rank(name: str) -> torch.device:
    """The rank's own GPU where there are any: transformers places the model's parts itself."""
    if not torch.cuda.is_available():
        if name not in {"auto", "cpu"}:
            raise UserError(f"Ranks run on CUDA devices or on CPUs, not on '{sanitise(name)}'.")
        return torch.device("cpu")
    if name not in {"auto", "cuda"}:
        raise UserError(
            f"Each rank has a GPU of its own, so --device {sanitise(name)} says nothing: leave it"
            " out, or hide GPUs with CUDA_VISIBLE_DEVICES."
        )
    return torch.device("cuda", torch.cuda.current_device())


def _cuda(device: torch.device) -> torch.device:
    if not torch.cuda.is_available():
        why = "no GPU is visible" if torch.version.cuda else "this PyTorch has no CUDA"
        raise UserError(f"There is no CUDA device: {why}. Use --device cpu, or auto.")
    if device.index is None:
        return _roomiest()
    count = torch.cuda.device_count()
    if device.index >= count:
        there = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise UserError(f"There is no device {device}: {there} can be seen from here.")
    return device


def _roomiest() -> torch.device:
    """The visible CUDA device with the most free memory.

    Asking CUDA itself would open a context on every device, some 500 MB of other people's memory.
    """
    found = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    if len(found) == 1:
        return found[0]
    told = _free_by_uuid()

    def room(device: torch.device) -> int:
        uuid = str(torch.cuda.get_device_properties(device).uuid).removeprefix("GPU-")
        return told[uuid] if uuid in told else _free(device) or 0

    return max(found, key=room)


def _free_by_uuid() -> dict[str, int]:
    """Free bytes of each GPU of the machine, as its driver tells; empty where it does not."""
    query = ("nvidia-smi", "--query-gpu=uuid,memory.free", "--format=csv,noheader,nounits")
    try:
        lines = subprocess.run(query, capture_output=True, text=True, timeout=5).stdout.splitlines()
        pairs = [line.split(",") for line in lines]
        return {uuid.strip().removeprefix("GPU-"): int(mib) * 2**20 for uuid, mib in pairs}
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}


def title(device: torch.device) -> str:
    """A device's name for people: `NVIDIA H200`, `CPU, 16 threads`."""
    if device.type == "cuda":
        return sanitise(torch.cuda.get_device_name(device))
    if device.type == "mps":
        return "Apple GPU"
    return f"CPU, {torch.get_num_threads()} threads"


def held(device: torch.device) -> int:
    """Bytes the engine holds: reserved on a GPU, resident in the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return resident()


def free(device: torch.device) -> int | None:
    """Bytes that could still be taken on a device, on each rank; None where nobody tells."""
    found = [size for size in ranks.pooled([_free(device)]) if size is not None]
    return min(found, default=None)


def _free(device: torch.device) -> int | None:
    if device.type == "cuda":
        free_now, _ = torch.cuda.mem_get_info(device)
        return free_now + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return available()


def resident() -> int:
    """Resident bytes of this process (Linux: now; elsewhere: the largest so far)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def available() -> int | None:
    """Bytes of memory this process could still take, whatever limits it; None: nobody tells."""
    limit = limits.tightest()
    return None if limit is None else limit.free


def release() -> None:
    """Give back memory that nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # glibc keeps freed pages otherwise
    except (AttributeError, OSError):
        pass
