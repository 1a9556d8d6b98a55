"""The engine as its own process, over real pipes: exactly what the client talks to."""

import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import attntui
from attntui.core.frames import PREFIX, decode_answer, decode_prefix, encode_call
from attntui.core.protocol import (
    PROTOCOL_VERSION,
    Arrays,
    Call,
    Cancel,
    Done,
    Failed,
    GetLogits,
    GetPredictions,
    GetScores,
    GetStatistics,
    GetTop,
    GetWindow,
    Head,
    Hello,
    Load,
    Loaded,
    ModelOptions,
    Predictions,
    Progress,
    PromptInput,
    Request,
    Scores,
    Top,
    Trace,
    Traced,
    Unload,
)
from attntui.engine import server
from attntui.engine.server import Job, Server, Writer

LONG = "the boy went into the garden " * 400


@pytest.fixture(scope="module")
def engine(start_engine: Any) -> Iterator[Any]:
    """One engine for all tests that leave it alive: importing torch takes seconds."""
    with start_engine() as pipe:
        yield pipe


@pytest.fixture
def own_engine(start_engine: Any) -> Iterator[Any]:
    """An engine for a test that ends it."""
    with start_engine() as pipe:
        yield pipe


def load(folder: Path) -> Load:
    return Load(ModelOptions(model=str(folder), device="cpu"))


def trace(run: int, text: str) -> Trace:
    return Trace(run, PromptInput(text=text))


def test_it_greets_before_torch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    path = os.pathsep.join([str(tmp_path), str(Path(attntui.__file__).parents[1])])
    with subprocess.Popen(
        (sys.executable, "-m", "attntui.engine"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(encode_call(1, Unload()))
        process.stdin.flush()
        header, body = decode_prefix(process.stdout.read(PREFIX.size))
        hello, _ = decode_answer(process.stdout.read(header), process.stdout.read(body))
        header, body = decode_prefix(process.stdout.read(PREFIX.size))
        failed, _ = decode_answer(process.stdout.read(header), process.stdout.read(body))
        assert process.wait(10) == 1
    assert isinstance(hello.reply, Hello)
    assert (hello.reply.protocol, hello.reply.version) == (PROTOCOL_VERSION, attntui.__version__)
    assert hello.reply.pid == process.pid
    assert isinstance(failed.reply, Failed) and failed.id == 1
    assert failed.reply.kind == "fatal" and "no torch here" in failed.reply.message


def test_a_whole_visit(engine: Any, tiny: Callable[[str], Path]) -> None:
    """Load, trace, look, unload: every call answered once, numbers as the arrays say."""
    loaded, _ = engine.ask(load(tiny("gpt2")))
    assert isinstance(loaded, Loaded)
    assert (loaded.model.architecture, loaded.model.predicts) == ("GPT2LMHeadModel", "next")
    assert loaded.model.self_check is not None and loaded.model.self_check < 1e-5
    assert "starting PyTorch" in {progress.stage for progress in engine.progress}

    traced, _ = engine.ask(trace(7, "Mary went to the store"))
    assert isinstance(traced, Traced)
    count = len(traced.info.sides[0].tokens)
    assert "".join(token.text for token in traced.info.sides[0].tokens) == "Mary went to the store"

    view = Head("self", 1, 2)
    reply, (weights,) = engine.ask(GetWindow(7, view, (0, count), (0, count)))
    assert reply == Arrays(7, ("weights",))
    assert weights.shape == (count, count) and weights.dtype == np.float32
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert not np.triu(weights, 1).any()

    top, _ = engine.ask(GetTop(7, view, (count - 1,), "attends_to", 2))
    assert isinstance(top, Top)
    assert top.entries[0].weight == pytest.approx(float(weights[-1].max()), abs=1e-6)
    assert top.entries[0].position == int(weights[-1].argmax())

    last, keys = count - 1, (0, count)
    apart, (_, _, scores, same) = engine.ask(GetScores(7, "self", 1, 2, last, keys))
    assert apart == Scores(7, 8**-0.5)
    np.testing.assert_allclose(np.exp(scores) / np.exp(scores).sum(), weights[-1], atol=1e-6)
    np.testing.assert_array_equal(same, weights[-1])

    predicted, _ = engine.ask(GetPredictions(7, count - 1, 3))
    _, (logits,) = engine.ask(GetLogits(7, (count - 1, count)))
    assert isinstance(predicted, Predictions)
    assert predicted.entries[0].id == int(logits[0].argmax())

    gone, _ = engine.ask(GetTop(6, view, (0,), "attends_to", 2))
    assert gone == Failed("user", "Run 6 is no longer held: run the prompt again.")
    assert engine.ask(Unload())[0] == Done()
    unloaded, _ = engine.ask(GetTop(7, view, (0,), "attends_to", 2))
    assert isinstance(unloaded, Failed) and unloaded.kind == "user"


def test_a_failing_trace_keeps_the_last_run(engine: Any, tiny: Callable[[str], Path]) -> None:
    engine.ask(load(tiny("gpt2")))
    engine.ask(trace(1, "Mary went"))
    failed, _ = engine.ask(trace(2, "Mary went to the store " * 20))
    assert isinstance(failed, Failed) and failed.kind == "user"
    assert "at most 64" in failed.message and "--truncate" in failed.message
    window = GetWindow(1, Head("self", 0, 0), (0, 2), (0, 2))
    assert engine.ask(window)[0] == Arrays(1, ("weights",))


def test_a_failing_load_keeps_the_model(engine: Any, tiny: Callable[[str], Path]) -> None:
    engine.ask(load(tiny("gpt2")))
    failed, _ = engine.ask(load(Path("/nowhere/at/all")))
    assert failed == Failed("user", "There is no folder '/nowhere/at/all' on this machine.")
    assert isinstance(engine.ask(trace(1, "Mary went"))[0], Traced)


def test_cancel_during_a_forward_and_in_the_queue(engine: Any, tiny: Callable[[str], Path]) -> None:
    engine.ask(load(tiny("slow")))
    running = engine.send(trace(1, LONG))
    engine.await_stage("forward")
    waiting = engine.send(trace(2, LONG))
    engine.send(Cancel(waiting))
    answer, _ = engine.read()
    while isinstance(answer.reply, Progress):
        answer, _ = engine.read()
    assert (answer.id, answer.reply) == (waiting, Failed("cancelled", "Cancelled."))
    began = time.monotonic()
    engine.send(Cancel(running))
    assert engine.reply_to(running)[0] == Failed("cancelled", "Cancelled.")
    assert time.monotonic() - began < 2
    assert isinstance(engine.ask(trace(3, "Mary went"))[0], Traced)


def test_it_ends_when_its_input_closes_during_a_forward(
    own_engine: Any, tiny: Callable[[str], Path]
) -> None:
    own_engine.ask(load(tiny("slow")))
    own_engine.send(trace(1, LONG))
    own_engine.await_stage("forward")
    began = time.monotonic()
    assert own_engine.process.stdin is not None
    own_engine.process.stdin.close()
    assert own_engine.process.wait(5) == 0
    assert time.monotonic() - began < 2


def test_it_ends_with_its_parent_though_the_pipe_stays_open(tmp_path: Path) -> None:
    """The parent dies while another process still holds the pipe's other end."""
    read, write = os.pipe()
    script = (
        "import subprocess, sys\n"
        "engine = subprocess.Popen([sys.executable, '-m', 'attntui.engine'],"
        f" stdin={read}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "engine.stdout.read(12)\n"  # it has begun
        "print(engine.pid)"
    )
    parent = subprocess.run(
        (sys.executable, "-c", script), pass_fds=[read], capture_output=True, check=True
    )
    os.close(read)
    pid, deadline = int(parent.stdout), time.monotonic() + 10
    try:
        while _alive(pid):
            assert time.monotonic() < deadline, "the engine outlived its parent"
            time.sleep(0.05)
    finally:
        os.close(write)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_is_not_for_the_engine(engine: Any) -> None:
    engine.process.send_signal(signal.SIGINT)
    assert engine.ask(Unload())[0] == Done()


def test_noise_on_standard_output_is_no_frame(
    start_engine: Any, tiny: Callable[[str], Path]
) -> None:
    """Prints, C code on descriptor 1 and questions on descriptor 0 touch no frame."""
    noise = (
        "import os, runpy, sys, threading, time\n"
        "def shout():\n"
        "    for _ in range(500):\n"  # nobody reads the log yet: a pipe holds 64 kB
        "        print('hello from python'); sys.stdout.flush()\n"
        "        os.write(1, b'hello from C\\n'); time.sleep(0.002)\n"
        "        assert os.read(0, 1) == b''\n"
        "import attntui.engine.server as server\n"
        "serve = server.Server.serve\n"
        "def noisy(self):\n"
        "    threading.Thread(target=shout, daemon=True).start()\n"
        "    serve(self)\n"
        "server.Server.serve = noisy\n"
        "runpy.run_module('attntui.engine', run_name='__main__')\n"
    )
    with start_engine("-c", noise) as pipe:
        assert isinstance(pipe.ask(load(tiny("gpt2")))[0], Loaded)
        assert isinstance(pipe.ask(trace(1, "Mary went"))[0], Traced)
        log = pipe.close()
    assert "hello from python" in log and "hello from C" in log


def test_what_is_no_request_ends_it_with_a_word(own_engine: Any) -> None:
    assert own_engine.process.stdin is not None and own_engine.process.stderr is not None
    own_engine.process.stdin.write(b"GET / HTTP/1.1\r\n\r\n")
    own_engine.process.stdin.flush()
    assert own_engine.process.wait(10) == 1
    assert b"not an attntui engine" in own_engine.process.stderr.read()


def test_every_call_in_a_burst_is_answered_once(engine: Any, tiny: Callable[[str], Path]) -> None:
    engine.ask(load(tiny("gpt2")))
    engine.ask(trace(1, "Mary went to the store"))
    calls = [
        engine.send(GetWindow(1, Head("self", at % 2, at % 9), (0, 3), (0, 3))) for at in range(60)
    ]
    seen = [engine.read()[0] for _ in calls]
    assert [answer.id for answer in seen] == calls
    kinds = {type(answer.reply) for answer in seen}
    assert kinds == {Arrays, Failed}  # heads 4 to 8 are not there


def test_a_broken_gpu_context_ends_the_engine(
    start_engine: Any, tiny: Callable[[str], Path]
) -> None:
    """The errors of CUDA that no later call survives; raised here without a GPU."""
    broken = (
        "import runpy\n"
        "from attntui.engine import run\n"
        "def trace(*arguments, **options):\n"
        "    raise RuntimeError('CUDA error: device-side assert triggered')\n"
        "run.trace = trace\n"
        "runpy.run_module('attntui.engine', run_name='__main__')\n"
    )
    with start_engine("-c", broken) as pipe:
        pipe.ask(load(tiny("gpt2")))
        failed, _ = pipe.ask(trace(1, "Mary went"))
        assert isinstance(failed, Failed) and failed.kind == "fatal"
        assert "must restart" in failed.message
        assert pipe.process.wait(5) == 1


def test_a_row_is_had_in_the_middle_of_the_statistics(
    engine: Any, tiny: Callable[[str], Path]
) -> None:
    engine.ask(load(tiny("llama")))
    traced, _ = engine.ask(trace(1, LONG))
    assert isinstance(traced, Traced)
    count = len(traced.info.sides[0].tokens)
    row = GetWindow(1, Head("self", 0, 1), (count - 1, count), (0, count))
    expected = engine.ask(row)[1][0]
    statistics = engine.send(GetStatistics(1, "self"))
    window = engine.send(row)
    predictions = engine.send(GetPredictions(1, 3, 2))
    replies = []
    while len(replies) < 3:
        answer, arrays = engine.read()
        if not isinstance(answer.reply, Progress):
            replies.append(answer.id)
            if answer.id == window:
                np.testing.assert_array_equal(arrays[0], expected)
    assert replies == [window, predictions, statistics]


def test_the_window_in_sight_is_not_stopped_for_less(
    engine: Any, tiny: Callable[[str], Path]
) -> None:
    engine.ask(load(tiny("llama")))
    traced, _ = engine.ask(trace(1, LONG))
    assert isinstance(traced, Traced)
    keys = 0, len(traced.info.sides[0].tokens)
    view = Head("self", 0, 1)
    blocks = GetStatistics(1, "self", "calibration")
    asked = blocks, GetWindow(1, view, (0, 64), keys), GetWindow(1, view, (0, 1), keys)
    order = [engine.send(each) for each in asked]
    found = []
    while len(found) < 3:
        answer, _ = engine.read()
        if not isinstance(answer.reply, Progress):
            found.append(answer.id)
    assert found == order


def test_what_runs_the_model_waits_and_is_waited_for(
    engine: Any, tiny: Callable[[str], Path]
) -> None:
    engine.ask(load(tiny("llama")))
    engine.ask(trace(1, LONG))
    row = GetWindow(1, Head("self", 0, 1), (0, 1), (0, 1))
    order = [
        engine.send(each)
        for each in (
            GetStatistics(1, "self", "calibration"),
            row,
            trace(2, "the"),
            row,
        )
    ]
    found = []
    while len(found) < 4:
        answer, _ = engine.read()
        if not isinstance(answer.reply, Progress):
            found.append(answer.id)
    assert found == order


def test_memory_is_given_back_once_the_failed_work_is_gone() -> None:
    class Session:
        def answer(self, request: Request, work: Job) -> Any:
            tensor = torch.zeros(8)
            self.held = weakref.ref(tensor)
            raise torch.OutOfMemoryError("CUDA out of memory")

        def recover(self) -> None:
            self.freed = self.held() is None

    read, write = os.pipe()
    session: Any = Session()
    server = Server(os.dup(read), write)
    server._answer(session, Job(Call(4, trace(1, "x")), Writer(write)))
    assert session.freed
    with os.fdopen(read, "rb") as stream:
        header, _ = decode_prefix(stream.read(PREFIX.size))
        answer, _ = decode_answer(stream.read(header), b"")
    assert answer.id == 4
    assert isinstance(answer.reply, Failed) and answer.reply.kind == "room"
    assert "shorten" in answer.reply.message


@pytest.mark.parametrize(
    "error",
    [MemoryError(), ImportError("libtorch.so: failed to map segment from shared object")],
)
def test_an_engine_that_cannot_begin_for_want_of_memory_says_what_to_do(error: Exception) -> None:
    assert "raise its limit (ulimit -v)" in server.reason(error)
    for other in ("no torch", "failed to map segment: Operation not permitted"):
        assert server.reason(ImportError(other)) == f"ImportError: {other}"
