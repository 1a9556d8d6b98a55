"""Libraries, devices and memory. torch is imported by a child, which may take its time or die."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import attntui
from attntui.cli.findings import Finding
from attntui.core import limits
from attntui.core.amounts import human_bytes

SECONDS = 120
"""A cold import of torch from a network disk takes minutes."""

PROBE = """
import json, torch
found = []
if torch.cuda.is_available():
    for at in range(torch.cuda.device_count()):
        name = torch.cuda.get_device_name(at)
        try:
            free, total = torch.cuda.mem_get_info(at)
        except RuntimeError:
            free = total = 0
        found.append({"device": f"cuda:{at}", "name": name, "free": free, "total": total})
if torch.backends.mps.is_available():
    found.append({"device": "mps", "name": "Apple GPU", "free": 0, "total": 0})
print(json.dumps({"devices": found, "cuda": torch.version.cuda}))
"""


def find() -> Iterator[Finding]:
    yield Finding("ok", "python", f"{platform.python_version()} ({sys.executable})")
    yield Finding("ok", "attntui", attntui.__version__)
    for name in ("torch", "transformers", "textual"):
        yield _version(name)
    yield from _devices()
    yield from _memory()


def _version(name: str) -> Finding:
    try:
        return Finding("ok", name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding("problem", name, f"not installed: pip install {name}")


def probe() -> dict[str, Any] | str:
    """What a child that imports torch says of its devices; a sentence where it fails."""
    try:
        # -P: no file of the present folder may stand in for a library's module.
        child = subprocess.run(
            [sys.executable, "-P", "-c", PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"torch was not imported within {SECONDS} seconds"
    except OSError as error:
        return f"Python could not be started: {error.strerror}"
    try:
        answer = json.loads(child.stdout.decode("utf-8", "replace").strip().rpartition("\n")[2])
    except ValueError:
        lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"torch ended with status {child.returncode}"
    return answer if isinstance(answer, dict) else "torch's answer was not understood"


def _devices() -> Iterator[Finding]:
    answer = probe()
    if isinstance(answer, str):
        yield Finding("problem", "devices", f"torch does not work: {answer}")
        return
    for one in answer["devices"]:
        memory = f", {human_bytes(one['free'])} of {human_bytes(one['total'])} free"
        text = f"{one['name']}{memory if one['total'] else ''}"
        low = one["total"] and one["free"] < one["total"] / 10
        yield Finding("note" if low else "ok", one["device"], text)
    if not answer["devices"]:
        reason = "torch is built without CUDA" if answer["cuda"] is None else "no GPU is visible"
        yield Finding("note", "devices", f"cpu only: {reason}.")


def _memory() -> Iterator[Finding]:
    free, total = memory()
    if total:
        text = f"{human_bytes(free)} of {human_bytes(total)} free" if free else human_bytes(total)
        yield Finding("note" if free and free < 2e9 else "ok", "memory", text)
    tightest = limits.tightest()
    if tightest is not None and tightest.free < free:
        yield Finding("note", "limit", f"{human_bytes(tightest.free)} free {tightest.where}")
    yield Finding("ok", "processors", str(len(_processors())))


def memory() -> tuple[int, int]:
    """Available and total bytes of the machine's memory; 0 where unknown."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        total = 0
    return (limits.machine_available() or 0), total


def _processors() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
