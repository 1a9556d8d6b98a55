"""How much memory this process may still take, by everything that limits it."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

ROOT = Path("/")


class Limit(NamedTuple):
    """Bytes that may still be taken, and what allows no more, as in "free on this machine"."""

    free: int
    where: str
    is_address_space: bool = False
    """Whether files that are mapped count as well as memory that is used."""


def tightest(root: Path = ROOT) -> Limit | None:
    """The limit that leaves least; None where none is told."""
    return min(limits(root), default=None)


def limits(root: Path = ROOT) -> Iterator[Limit]:
    """Every limit there is, read below `root`: the machine's, those of each control group that this
    process is in, and the process's own (`ulimit -v`, `ulimit -d`)."""
    for read in (_machine, _groups, _own):
        try:
            yield from read(root)
        except (OSError, ValueError, KeyError, IndexError):
            continue


def machine_available(root: Path = ROOT) -> int | None:
    """Bytes that the whole machine has left; None where it does not tell."""
    try:
        return _fields(root / "proc/meminfo")["MemAvailable"] * 1024
    except (OSError, KeyError, ValueError):
        return None


def _machine(root: Path) -> Iterator[Limit]:
    free = machine_available(root)
    if free is None:
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield Limit(free, "on this machine")


def _groups(root: Path) -> Iterator[Limit]:
    """Every line is `number:controllers:path`; version 2 has one line, without controllers.

    A container may see its own group as the root of the tree, whatever the path says: then what
    there is of the path's parents is read.
    """
    for line in (root / "proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for base in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
                yield from _tree(root / base, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            yield from _tree(
                root / "sys/fs/cgroup/memory",
                path,
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )


def _tree(base: Path, path: str, limit: str, used: str, cache: str) -> Iterator[Limit]:
    """A group and all above it, each of which limits what is below; page cache counts as free."""
    own = PurePosixPath(path.strip("/"))
    for group in (base / own, *(base / each for each in own.parents)):
        try:
            most = (group / limit).read_text().strip()
            if most != "max":
                reclaimable = _fields(group / "memory.stat").get(cache, 0)
                free = int(most) - int((group / used).read_text()) + reclaimable
                yield Limit(max(0, free), "in this control group")
        except (OSError, ValueError):
            continue


def _own(root: Path) -> Iterator[Limit]:
    """What `ulimit` says, against the pages in use, see proc(5), statm."""
    import resource

    pages = [int(each) for each in (root / "proc/self/statm").read_text().split()]
    page = os.sysconf("SC_PAGE_SIZE")
    for name, at, option in (("RLIMIT_AS", 0, "v"), ("RLIMIT_DATA", 5, "d")):
        most, _ = resource.getrlimit(getattr(resource, name))
        if most != resource.RLIM_INFINITY:
            yield Limit(max(0, most - pages[at] * page), f"under ulimit -{option}", option == "v")


def _fields(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    lines = (line.replace(":", " ").split() for line in path.read_text().splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1}
