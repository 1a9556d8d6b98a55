"""A model split over two real ranks, started by torchrun, against one process; and ranks that end.

transformers needs accelerate to split a model on CPUs.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest

from attntui.client.engine import Engine, EngineGone
from attntui.client.place import Place, behind, split
from attntui.core.errors import UserError
from attntui.core.protocol import (
    AblateWith,
    Chosen,
    Cut,
    Edit,
    Edits,
    GetAnswers,
    GetEffects,
    GetLogits,
    GetMaps,
    GetPredictions,
    GetReach,
    GetScores,
    GetShifts,
    GetStatistics,
    GetWindow,
    Gradient,
    Head,
    Load,
    Mean,
    Measure,
    ModelOptions,
    Norm,
    PromptInput,
    Question,
    Relevance,
    Request,
    Rollout,
    Target,
    Trace,
    Traced,
    View,
)
from attntui.engine.room import SPARE
from attntui.engine.session import Session
from tests.cli.engine_here import Work

pytest.importorskip("accelerate")

PROMPT = PromptInput(text="When Mary and John went to the store")
LAYERS, HEADS = 4, 4


def torchrun() -> Place:
    """As `--engine-command` starts ranks."""
    run = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python")
    engine = ("-P", "-m", "attntui", "engine", "--parallel", "pipeline")
    return behind((sys.executable, *run, sys.executable, *engine))


PLACES = {
    "tensor": lambda: split(2, ("--ranks", "2", "--parallel", "tensor")),
    "pipeline": torchrun,
}
ONLY = {
    "tensor": {"norm of a layer": "choose one head, or use --parallel pipeline"},
    "pipeline": {
        name: "needs all layers in one process: use --parallel tensor"
        for name in ("gradient", "relevance", "estimate")
    },
}
"""What one of the two cannot do, and says so."""


def questions(count: int) -> Iterator[tuple[str, Request]]:
    """Of a prompt of so many tokens: a name, and what is asked."""
    whole = (0, count), (0, count)
    target = Target(count - 1, 7, 9)
    views: dict[str, View] = {
        "mean": Mean("self", None),
        "chosen": Chosen("self", ((0, 1), (1, 3))),
        "rollout": Rollout("self"),
        "largest": Rollout("self", head_fusion="max", discard_ratio=0.3),
        "norm": Norm("self", 1, 3),
        "norm of a layer": Norm("self", 1),
        "gradient": Gradient("self", 1, 3, target=target),
        "relevance": Relevance("self", target=target),
    }
    for layer in range(LAYERS):
        for head in range(HEADS):
            views[f"head {layer}.{head}"] = Head("self", layer, head)
    for name, view in views.items():
        yield name, GetWindow(1, view, *whole)
    yield "logits", GetLogits(1, (0, count))
    yield "statistics", GetStatistics(1, "self")
    yield "maps", GetMaps(1, "self", 1, 2, 2)
    yield "scores", GetScores(1, "self", 1, 3, count - 1, (0, count))
    yield "reach", GetReach(1, "self", (2,))
    yield "predictions", GetPredictions(1, count - 1, 5)
    ways: tuple[AblateWith, ...] = ("zero", "mean")
    for layer in range(LAYERS):
        for off in ways:
            yield f"effects {layer} {off}", GetEffects(1, "self", layer, Measure("loss"), off)
    yield "estimate", GetEffects(1, "self", 0, Measure("loss"), estimate=True)
    question = Question(prompt=PROMPT, answer=" the", foil=" Mary")
    heads = tuple((Head("self", layer, head),) for layer in range(LAYERS) for head in range(HEADS))
    yield "answers", GetAnswers(question, (*heads, (Head("self", 0, 0), Head("self", 1, 3))))
    edits = [
        Edits((Head("self", 0, 0), Head("self", 1, 3))),
        Edits((Head("self", 0, 3),), "mean", (Cut("self", 5, 2, 0, 1),)),
        Edits((), "zero", (Cut("self", count - 1, 3, 0, 0, 3), Cut("self", 6, 4, 1, 1, 0))),
    ]
    for run, edit in enumerate(edits, 2):
        yield f"edit {run}", Edit(run, 1, edit, (1,))
        for layer in range(LAYERS):
            for head in range(HEADS):
                yield (
                    f"edit {run}, {layer}.{head}",
                    GetWindow(run, Head("self", layer, head), *whole),
                )
        yield f"edit {run}, logits", GetLogits(run, (0, count))
        yield f"edit {run}, shifts", GetShifts(run, "self", 1)


def numbers(answer: tuple[Any, list[np.ndarray]]) -> list[np.ndarray]:
    """Everything that can be compared: arrays, and the numbers of a reply."""
    reply, arrays = answer
    if isinstance(reply, Traced):
        return []
    found: list[float] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for each in value:
                walk(each)
        elif isinstance(value, int | float):
            found.append(float(value))

    walk(msgspec.to_builtins(reply))
    return [*arrays, np.array(found)]


async def check_all(engine: Engine, model: Path, parallel: str) -> None:
    """Every number that ranks give is one process's."""
    one, work = Session(), Work()
    load, trace = Load(ModelOptions(model=str(model), device="cpu")), Trace(1, PROMPT)
    one.answer(load, work)
    (traced, _), (alone, _) = (await ask(engine, load, trace)), one.answer(trace, work)
    assert isinstance(traced, Traced) and isinstance(alone, Traced)
    assert traced.info.stacks == alone.info.stacks and traced.info.trust.exact
    assert traced.info.recorded_bytes == alone.info.recorded_bytes
    assert traced.info.model is not None and alone.info.model is not None
    assert traced.info.model.parameters == alone.info.model.parameters
    for name, request in questions(len(alone.info.sides[0].tokens)):
        expected = numbers(one.answer(request, work))
        if name in ONLY[parallel]:
            with pytest.raises(UserError, match=ONLY[parallel][name]):
                await engine.ask(request)
            continue
        for found, wanted in zip(numbers(await engine.ask(request)), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5, err_msg=name)


async def check_one_without_room(engine: Engine, rank: psutil.Process) -> None:
    """A run for which one rank alone has no room is refused by all; none waits for another."""
    run = Trace(8, PROMPT)
    rank.rlimit(psutil.RLIMIT_AS, (rank.memory_info().vms + SPARE // 2, -1))
    with pytest.raises(UserError, match=r"needs .* are free .*: .*shorten it"):
        await asyncio.wait_for(engine.ask(run), 30)
    rank.rlimit(psutil.RLIMIT_AS, (-1, -1))
    await ask(engine, run)


async def ask(engine: Engine, *requests: Request) -> tuple[Any, list[np.ndarray]]:
    """The answer to the last."""
    for request in requests:
        answer = await engine.ask(request)
    return answer


def ranks_of(engine: Engine) -> list[psutil.Process]:
    """torchrun's children, by rank."""
    assert engine._child is not None
    found: list[psutil.Process] = psutil.Process(engine._child._process.pid).children()
    return found


async def ended(processes: list[psutil.Process]) -> None:
    _, left = await asyncio.to_thread(psutil.wait_procs, processes, 10)
    assert not left, "no process is left"


async def test_tensor_parallel_gives_what_one_process_gives_and_starts_again(
    tiny: Callable[[str], Path],
) -> None:
    model, prompt = tiny("deep"), Trace(9, PROMPT)
    load = Load(ModelOptions(model=str(model), device="cpu"))
    engine, gone = Engine(PLACES["tensor"]()), asyncio.Queue[EngineGone]()
    engine.on_exit = gone.put_nowait
    async with engine:
        await check_all(engine, model, "tensor")
        with pytest.raises(UserError, match="transformers has no plan to split the heads of"):
            await engine.ask(Load(ModelOptions(model=str(tiny("gpt2")), device="cpu")))
        await ask(engine, prompt)  # the model before is still there

        # A call is given up on all ranks, at the same layer.
        await ask(engine, Load(ModelOptions(model=str(tiny("slow")), device="cpu")))
        begun = asyncio.Event()
        long = Trace(9, PromptInput(text=PROMPT.text * 60))
        call = asyncio.create_task(engine.ask(long, lambda progress: begun.set()))
        await begun.wait()
        call.cancel()
        await ask(engine, prompt)

        # One rank ends: which, is said, and the others end with it.
        first = ranks_of(engine)
        os.kill(first[1].pid, signal.SIGKILL)
        told = await asyncio.wait_for(gone.get(), 10)
        assert str(told) == "Rank 1 of the engine's 2 has ended, and so the others do."
        await ended(first)
        await engine.start()
        await ask(engine, load, prompt)
        second = ranks_of(engine)
        assert len(second) == 2
    await ended(second)


async def test_a_pipeline_gives_what_one_process_gives(tiny: Callable[[str], Path]) -> None:
    engine = Engine(PLACES["pipeline"]())
    async with engine:
        await check_all(engine, tiny("deep"), "pipeline")
        with pytest.raises(UserError, match="transformers cannot split the layers of"):
            await engine.ask(Load(ModelOptions(model=str(tiny("gpt2")), device="cpu")))
        both = ranks_of(engine)
        await check_one_without_room(engine, both[1])
        os.kill(both[0].pid, signal.SIGKILL)  # the one that speaks
        await ended(both)
        with pytest.raises(EngineGone):
            await engine.ask(Trace(9, PROMPT))


def test_nothing_is_left_of_ranks_that_have_not_met() -> None:
    """Rank 0 ends with its pipe, and the other waits for it in the libraries' own code."""
    argv = PLACES["tensor"]().argv
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as torchrun:
        assert torchrun.stdin is not None and torchrun.stdout is not None
        torchrun.stdout.read(1)  # rank 0 greets before it imports torch
        both = psutil.Process(torchrun.pid).children()
        torchrun.stdin.close()
        _, left = psutil.wait_procs([psutil.Process(torchrun.pid), *both], 30)
        torchrun.kill()
    assert len(both) == 2 and not left
