"""Texts spread over engines: the same table to the last byte, in whatever order they answer."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from attntui.cli.jobs import in_order
from attntui.client.engine import Engine
from attntui.core.errors import UserError
from tests.cli.conftest import Command


async def test_results_come_in_order_from_whoever_is_free() -> None:
    busy: set[int] = set()
    asked: dict[int, int] = {}

    async def ask(engine: Engine, number: int) -> int:
        name = id(engine)
        assert name not in busy, "an engine is asked one thing at a time"
        busy.add(name)
        asked[name] = asked.get(name, 0) + 1
        await asyncio.sleep((number * 7 % 5) / 500)
        busy.remove(name)
        if number == 5:
            raise UserError("too long")
        return number

    engines = cast("Sequence[Engine]", [object(), object(), object()])
    found = [each async for each in in_order(engines, range(2, 20), ask)]
    assert [str(each) for each in found] == ["2", "3", "4", "too long", *map(str, range(6, 20))]
    assert len(asked) == 3


async def test_a_fault_or_an_interrupt_gives_up_what_was_begun() -> None:
    given_up = []

    async def ask(engine: Engine, number: int) -> int:
        try:
            await asyncio.sleep(0 if number == 0 else 60)
        except asyncio.CancelledError:
            given_up.append(number)
            raise
        if number == 0:
            raise RuntimeError
        return number

    engines = cast("Sequence[Engine]", [object(), object()])
    with pytest.raises(RuntimeError):
        async for _ in in_order(engines, range(9), ask):
            pass
    assert 1 in given_up and set(given_up) <= {1, 2}  # the others had not begun


def test_a_scan_by_two_engines_is_that_of_one(attntui: Command, gpt2: Path, tmp_path: Path) -> None:
    words = "When Mary and John went home ,".split()
    texts = [" ".join(words[at % 7 :] + words[: at % 5]) for at in range(40)]
    texts[11] = "went " * 40  # too long for it
    (tmp_path / "corpus.txt").write_text("\n".join(texts))
    said = []
    for jobs in ("1", "2"):
        done = attntui(
            "scan", "corpus.txt", "-m", str(gpt2), "--jobs", jobs, "--csv", f"{jobs}.csv"
        )
        assert done.returncode == 0, done.stderr
        said.append((done.stdout, done.stderr))
    assert said[0] == said[1] and "number 12: The prompt is 40 tokens" in said[0][1]
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_a_task_by_two_engines_is_that_of_one(attntui: Command, gpt2: Path, tmp_path: Path) -> None:
    asked = [{"prompt": "Mary and John", "answer": each} for each in ("went", "home", "Mary")]
    (tmp_path / "task.jsonl").write_text("\n".join(map(json.dumps, asked)))
    task = ("ablate", "--task", "task.jsonl", "-m", str(gpt2))
    done = [attntui(*task, "--jobs", jobs, "-o", f"{jobs}.csv") for jobs in ("1", "2")]
    assert [each.returncode for each in done] == [0, 0], done[1].stderr
    assert done[0].stdout == done[1].stdout
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
