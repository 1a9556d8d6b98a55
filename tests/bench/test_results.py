"""What a child's end means, what figures are made of, and where the table goes."""

import sys
from pathlib import Path

import pytest

from tests.bench import table
from tests.bench.child import Child, Failure, Limits, failure
from tests.bench.models import SHAPES
from tests.bench.results import Report, Result, load, save, spread

LIMITS = Limits(5, 2 * 2**30)
GROWS = "held = []\nwhile True: held.append(bytearray(2**22))"
SPEAKS = "import json; print(json.dumps({'plain': 2.0, 'picture': 3.0}), flush=True)\n"


@pytest.mark.parametrize(
    ("stopped", "status", "said", "expected"),
    [
        (None, 0, "a warning", None),
        ("time", -9, "", Failure("time", "over 5 s")),
        ("memory", -9, "", Failure("memory", "over 2 GiB")),
        (None, -9, "", Failure("memory", "out of memory")),
        (None, 1, "Traceback\nMemoryError\n", Failure("memory", "out of memory")),
        (
            None,
            1,
            "RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried",
            Failure("memory", "out of memory"),
        ),
        (
            None,
            1,
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 8 GiB.\n",
            Failure("memory", "out of memory"),
        ),
        (None, 1, "Traceback\nTypeError: bfloat16\n\n", Failure("error", "TypeError: bfloat16")),
        (None, 3, "", Failure("error", "ended with status 3")),
    ],
)
def test_a_childs_end_is_told_by_its_cause(
    stopped: str | None, status: int, said: str, expected: Failure | None
) -> None:
    assert failure(stopped, status, said, LIMITS) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("does", "limits", "kind"),
    [
        (GROWS, Limits(30, 2**27), "memory"),
        ("import time; time.sleep(60)", Limits(0.4, 2**40), "time"),
        ("raise MemoryError", LIMITS, "memory"),
        ("raise KeyError('x')", LIMITS, "error"),
    ],
)
def test_what_a_child_measured_before_it_failed_is_kept(
    does: str, limits: Limits, kind: str
) -> None:
    result = Result("a", 1, "eager", 1)
    with Child([sys.executable, "-c", SPEAKS + does], {}, limits) as child:
        result.take(child.figures())
        result.failure = child.failure
    assert result.pairs == [(2.0, 3.0)]
    assert result.failure is not None and result.failure.kind == kind


def test_a_ratio_is_of_figures_that_were_taken_together() -> None:
    result = Result("a", 1, "eager", recorded=100, plain_peak=1000, peak=1150)
    result.take([{"plain": 9.0}, {"plain": 1.0, "picture": 2.0}])
    result.take([{"plain": 10.0, "picture": 11.0}, {"plain": 2.0, "picture": 3.0}])
    assert result.times == spread([2.0, 1.1, 1.5])
    assert (result.times.median, result.times.least, result.times.most) == (1.5, 1.1, 2.0)
    assert result.memory == 1.5
    assert Result("a", 1, "eager", 100, peak=1).memory is None


def test_bytes_of_q_k_and_v() -> None:
    assert SHAPES["gpt2"].recorded(1024, 4) == 12 * 3 * 1024 * 768 * 4
    assert SHAPES["llama"].recorded(10, 2) == 4 * 10 * 64 * (8 + 2 + 2) * 2


def report() -> Report:
    ours = Result("GPT", 1024, "attntui", 100, pairs=[(1.0, 1.1)], another=[0.02, 0.04])
    eager = Result("GPT", 1024, "eager", 100, pairs=[(1.0, 12.0)], plain_peak=0, peak=1234)
    late = Result("GPT", 4096, "attntui", 100, pairs=[(1.0, 1.0), (1.0, 1.2)])
    fails = Result("GPT", 4096, "eager", 100, failure=Failure("memory", "over 20 GiB"))
    later = Result("GPT", 8192, "attntui", 100, pairs=[(1.0, 1.0)])
    versions = {"torch": "2", "matplotlib": "3"}
    results = [ours, eager, late, fails, later]
    return Report("a machine", "cpu", versions, "python -m tests.bench", "limits", results)


def test_the_table_says_what_failed_and_leaves_out_what_was_not_tried() -> None:
    lines = table.table(report(), table.first_picture).splitlines()
    assert lines[0] == "|  | GPT, 1,024 | GPT, 4,096 | GPT, 8,192 |"
    assert (
        lines[2] == "| attntui | 1.10 (1.10 to 1.10) | 1.10 (1.00 to 1.20) | 1.00 (1.00 to 1.00) |"
    )
    assert lines[3].endswith("| 12 (12 to 12) | fails: over 20 GiB | – |")
    memory = table.table(report(), table.memory).splitlines()
    assert memory[3].endswith("| 12.34 | – | – |")
    another = table.table(report(), table.another, {}, table.overview).splitlines()
    assert another[2] == "| attntui | 30 (40) | – | – |"


def test_only_what_stands_between_the_marks_is_written(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"before\n\n{table.marks('cpu')[0]}\nold\n{table.marks('cpu')[1]}\n\nafter\n")
    table.write(file, report())
    table.write(file, report())
    text = file.read_text()
    assert text.startswith("before\n\n<!-- benchmark cpu -->\n")
    assert text.endswith("\n<!-- /benchmark cpu -->\n\nafter\n")
    assert "old" not in text and text.count("**Another head**") == 1
    file.write_text("no marks")
    with pytest.raises(table.NoPlace):
        table.write(file, report())


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    save(report(), tmp_path / "kept.json")
    assert load(tmp_path / "kept.json") == report()
