"""The client with the real engine: a death in the middle of a call, and a second life."""

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from attntui.client.engine import Engine, EngineGone
from attntui.client.questions import load, matrix_rows, trace
from attntui.core.protocol import Head, Load, ModelOptions, Progress, PromptInput


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_killed_in_the_middle_of_a_call_and_started_again(gpt2: Path) -> None:
    options = ModelOptions(model=str(gpt2), device="cpu", offline=True)
    engine = Engine(env={"OMP_NUM_THREADS": "2"})
    await engine.start()
    assert engine._child is not None
    first = engine._child._process.pid
    stages: list[str] = []

    def kill(progress: Progress) -> None:
        stages.append(progress.stage)
        os.kill(first, signal.SIGKILL)

    with pytest.raises(EngineGone, match=r"was killed \(SIGKILL\)"):
        await engine.ask(Load(options), kill)
    assert stages
    assert not engine.alive and gone(first)

    await engine.start()
    model = await load(engine, options)
    assert model.architecture == "GPT2LMHeadModel"
    run = await trace(engine, 1, PromptInput(text="When Mary went home"))
    rows = [rows.weights async for rows in matrix_rows(engine, 1, Head("self", 2, 3), (4, 4))]
    np.testing.assert_allclose(np.concatenate(rows).sum(-1), 1, atol=1e-5)
    assert len(run.sides[0].tokens) == 4
    second = engine._child._process.pid
    await engine.stop()
    assert gone(second)


async def test_a_file_in_the_present_folder_does_not_replace_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -m` puts the present folder first on the path: there, any file could be run."""
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    engine = Engine()
    async with asyncio.timeout(60):
        await engine.start()
        assert engine.alive
        await engine.stop()
    assert "taken over" not in engine.log
