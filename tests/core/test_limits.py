"""What limits memory: the machine, nested control groups of both versions, `ulimit`."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from attntui.core.limits import Limit, limits, tightest

GB = 10**9


def machine(root: Path, groups: str) -> Path:
    """A /proc that tells of 20 GB, and of these control groups."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {20 * GB // 1024} kB\n")
    (root / "proc/self/cgroup").write_text(groups)
    (root / "proc/self/statm").write_text("1000 500 100 10 0 400 0\n")
    return root


def group(path: Path, names: tuple[str, str, str], most: object, used: int, cache: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    limit, current, reclaimable = names
    (path / limit).write_text(f"{most}\n")
    (path / current).write_text(f"{used}\n")
    (path / "memory.stat").write_text(f"anon 1\n{reclaimable} {cache}\n")


SECOND = ("memory.max", "memory.current", "inactive_file")
FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@pytest.mark.parametrize(
    ("tight", "free"),
    [("job", 6 * GB), ("job/step", 3 * GB), ("", 11 * GB), (None, 20 * GB // 1024 * 1024)],
)
def test_every_group_above_limits(tmp_path: Path, tight: str | None, free: int) -> None:
    """Version 2; page cache that can be given back counts as free."""
    root, tree = machine(tmp_path, "0::/job/step\n"), tmp_path / "sys/fs/cgroup"
    for name in ("", "job", "job/step"):
        group(tree / name, SECOND, "max", 2 * GB, GB)
    if tight is not None:
        group(tree / tight, SECOND, free + GB, 2 * GB, GB)
    found = tightest(root)
    assert found is not None and found.free == free
    assert found.where == ("on this machine" if tight is None else "in this control group")


def test_version_1(tmp_path: Path) -> None:
    root = machine(tmp_path, "9:cpu:/a\n4:memory:/slurm/job_7\n0::/\n")
    tree = tmp_path / "sys/fs/cgroup/memory"
    group(tree, FIRST, 2**63 - 4096, 9 * GB, 0)
    group(tree / "slurm/job_7", FIRST, 8 * GB, 3 * GB, GB)
    assert tightest(root) == Limit(6 * GB, "in this control group")


def test_a_container_that_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/docker/0123\n")
    group(tmp_path / "sys/fs/cgroup", SECOND, 4 * GB, GB, 0)
    assert tightest(root) == Limit(3 * GB, "in this control group")


def test_a_group_over_its_limit_leaves_nothing_and_odd_files_are_passed_over(
    tmp_path: Path,
) -> None:
    root, tree = machine(tmp_path, "0::/a/b\n"), tmp_path / "sys/fs/cgroup"
    group(tree / "a", SECOND, GB, 2 * GB, 0)
    group(tree / "a/b", SECOND, "many", 0, 0)
    assert tightest(root) == Limit(0, "in this control group")


def test_without_proc_the_machine_is_all_there_is(tmp_path: Path) -> None:
    assert [each.where for each in limits(tmp_path)] == ["on this machine"]


def test_ulimit_v_is_a_limit_of_the_process() -> None:
    """In a child: a limit cannot be lifted again."""
    code = (
        "from attntui.core.limits import tightest; found = tightest();"
        "print(found.free, found.where, found.is_address_space)"
    )
    most = 2 * GB

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    child = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=limited, capture_output=True, text=True, check=True
    )
    free, where = child.stdout.split(maxsplit=1)
    assert most * 0.8 < int(free) < most
    assert where.strip() == "under ulimit -v True"
