"""The machine that a figure was measured on, in words."""

import importlib.metadata
import platform
from pathlib import Path

from attntui.cli.machine_findings import memory, probe

LIBRARIES = ("torch", "transformers", "textual")


def machine() -> str:
    """Processor, cores, memory, and the GPUs if there are any."""
    import psutil

    total = memory()[1] / 2**30
    parts = [_processor(), f"{len(psutil.Process().cpu_affinity())} cores", f"{total:.0f} GiB"]
    answer = probe()
    if isinstance(answer, dict):
        parts += [f"{gpu['name']} ({gpu['total'] / 2**30:.0f} GiB)" for gpu in answer["devices"]]
    return ", ".join(parts)


def versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"Python": platform.python_version(), **found}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
