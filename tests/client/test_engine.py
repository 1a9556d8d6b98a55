"""The engine as the screen sees it, with a fake child where time and failure must be controlled."""

import asyncio
import os
import signal
import time

import numpy as np
import pytest

from attntui.client import engine as engine_module
from attntui.client.engine import Engine, EngineFault, EngineGone, Superseded
from attntui.client.place import Place
from attntui.core.errors import UserError
from attntui.core.protocol import (
    GetPredictions,
    GetWindow,
    Head,
    Load,
    Loaded,
    ModelOptions,
    Predictions,
    Progress,
    PromptInput,
    Trace,
    Traced,
    Unload,
)


def tell(commands: str, run: int = 1) -> Trace:
    return Trace(run, PromptInput(text=commands))


def slow(milliseconds: int) -> GetPredictions:
    return GetPredictions(1, milliseconds, 1)


def gone(pid: int) -> bool:
    """Whether no process of that number is left, not even a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def pid_of(engine: Engine) -> int:
    assert engine._child is not None
    return engine._child._process.pid


async def test_answers_carry_their_arrays(fake: Engine) -> None:
    assert isinstance((await fake.ask(Load(ModelOptions(model="fake"))))[0], Loaded)
    reply, arrays = await fake.ask(GetWindow(1, Head("self", 1, 0), (1, 3), (0, 2)))
    assert reply.run == 1
    np.testing.assert_array_equal(arrays[0], [[1010, 1011], [1020, 1021]])


async def test_an_array_larger_than_every_buffer_arrives_whole(fake: Engine) -> None:
    _, [weights] = await fake.ask(GetWindow(1, Head("self", 0, 0), (0, 3000), (0, 3000)))
    assert weights.shape == (3000, 3000)
    assert weights[2999, 2999] == 2999 * 11


async def test_calls_at_once_each_get_their_own_answer(fake: Engine) -> None:
    replies = await asyncio.gather(*(fake.ask(slow(at)) for at in (20, 3, 7, 1)))
    assert [reply.position for reply, _ in replies] == [20, 3, 7, 1]


async def test_progress_comes_before_the_answer(fake: Engine) -> None:
    seen: list[Progress] = []
    await fake.ask(tell("progress reading; sleep 0.05; progress running"), seen.append)
    assert [progress.stage for progress in seen] == ["reading", "running"]


async def test_a_fault_in_a_progress_callback_does_not_stop_the_answers(fake: Engine) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

    def fail(progress: Progress) -> None:
        raise ZeroDivisionError

    assert isinstance((await fake.ask(tell("progress reading"), fail))[0], Traced)


async def test_failures_become_the_right_errors_and_safe_sentences(fake: Engine) -> None:
    with pytest.raises(UserError, match=r"^no layer ␛ 12$"):
        await fake.ask(tell("fail user no layer ESC 12"))
    with pytest.raises(EngineFault, match=r"^oops$"):
        await fake.ask(tell("fail fault oops"))
    assert fake.alive


async def test_a_fatal_failure_ends_the_engine_with_its_own_sentence(fake: Engine) -> None:
    heard: list[EngineGone] = []
    fake.on_exit = heard.append
    with pytest.raises(EngineGone, match="the device is lost"):
        await fake.ask(tell("fail fatal the device is lost"))
    assert not fake.alive
    assert fake._listening is not None
    await fake._listening
    assert [str(error) for error in heard] == ["the device is lost"]


async def test_cancelling_tells_the_engine_and_frees_it(fake: Engine) -> None:
    task = asyncio.create_task(fake.ask(tell("sleep 30")))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        assert isinstance((await fake.ask(slow(1)))[0], Predictions)
    assert any(line.startswith("cancel") for line in fake.log)


@pytest.mark.parametrize(
    ("commands", "sentence"),
    [
        ("kill SIGKILL", r"killed \(SIGKILL\), as it is where the machine runs out of memory"),
        ("kill SIGSEGV", "ended by SIGSEGV"),
        ("exit 3", r"ended with exit status 3\.$"),
        ("exit 0", r"^The engine ended\.$"),
        ("say out of ESC]0;x; exit 1", "exit status 1; its last words: out of ␛]0$"),
    ],
)
async def test_a_death_halfway_is_one_plain_sentence(
    fake: Engine, commands: str, sentence: str
) -> None:
    heard: list[EngineGone] = []
    fake.on_exit = heard.append
    pid = pid_of(fake)
    with pytest.raises(EngineGone, match=sentence):
        await fake.ask(tell(commands))
    assert len(heard) == 1
    assert not fake.alive
    assert gone(pid)
    with pytest.raises(EngineGone, match=sentence):
        await fake.ask(slow(1))


async def test_killed_from_outside_while_a_call_is_under_way(fake: Engine) -> None:
    call = asyncio.create_task(fake.ask(tell("sleep 30")))
    await asyncio.sleep(0.05)
    os.kill(pid_of(fake), signal.SIGKILL)
    with pytest.raises(EngineGone, match="SIGKILL"):
        await call


async def test_it_starts_again_after_a_death(fake: Engine) -> None:
    with pytest.raises(EngineGone):
        await fake.ask(tell("say once; exit 1"))
    await fake.start()
    assert isinstance((await fake.ask(slow(1)))[0], Predictions)
    assert "once" in fake.log
    # What it said in its former life does not explain the second death.
    with pytest.raises(EngineGone, match=r"exit status 2\.$"):
        await fake.ask(tell("exit 2"))


async def test_noise_where_answers_belong_ends_the_engine(fake: Engine) -> None:
    with pytest.raises(EngineGone, match="not an attntui engine's answer"):
        await fake.ask(tell("garbage"))
    assert not fake.alive


@pytest.mark.parametrize(
    ("manner", "error", "sentence"),
    [
        ("greeting", EngineGone, "not an attntui engine's answer"),
        (
            "crash",
            EngineGone,
            "exit status 1; its last words: Traceback: no module named ␛.31mtorch",
        ),
        ("stranger", UserError, "speaks protocol 99"),
        ("mute", EngineGone, "said nothing"),
    ],
)
async def test_a_bad_start_is_said_and_leaves_no_child(
    fake_argv: tuple[str, ...],
    manner: str,
    error: type[Exception],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("attntui.client.process.GRACE", 0.1)
    patience = 0.5 if manner == "mute" else 30
    engine = Engine(Place((*fake_argv, manner), hello_seconds=patience))
    heard: list[EngineGone] = []
    engine.on_exit = heard.append
    with pytest.raises(error, match=sentence):
        await engine.start()
    assert not heard
    assert not engine.alive
    assert engine._child is None


async def test_a_program_that_is_not_there() -> None:
    engine = Engine(["/nowhere/\x1bpython"])
    with pytest.raises(EngineGone, match="could not be started: /nowhere/␛python: No such file"):
        await engine.start()
    await engine.stop()


async def test_stop_is_idempotent_and_leaves_no_child(fake: Engine) -> None:
    heard: list[EngineGone] = []
    fake.on_exit = heard.append
    pid = pid_of(fake)
    call = asyncio.create_task(fake.ask(tell("sleep 30")))
    await asyncio.sleep(0.05)
    await asyncio.gather(fake.stop(), fake.stop())
    await fake.stop()
    with pytest.raises(EngineGone, match="stopped"):
        await call
    assert gone(pid)
    assert not heard


async def test_a_child_that_does_not_end_is_killed(fake_argv: tuple[str, ...]) -> None:
    engine = Engine([*fake_argv, "deaf"])
    await engine.start()
    pid = pid_of(engine)
    began = time.monotonic()
    await engine.stop()
    assert gone(pid)
    assert time.monotonic() - began < 10


async def test_stop_that_is_cancelled_still_kills(fake_argv: tuple[str, ...]) -> None:
    engine = Engine([*fake_argv, "deaf"])
    await engine.start()
    pid = pid_of(engine)
    stopping = asyncio.create_task(engine.stop())
    await asyncio.sleep(0.1)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    await engine.stop()
    assert gone(pid)


async def test_the_log_is_bounded_and_cuts_endless_lines(fake: Engine) -> None:
    await fake.ask(tell(";".join(f"say line {at}" for at in range(2100))))
    await fake.ask(tell("say " + "x" * 10_000))
    await asyncio.sleep(0.1)
    assert len(fake.log) == 2000
    assert fake.log[-2] == "line 2099"
    assert len(fake.log[-1]) == 4000


async def test_the_child_leads_its_own_session(fake: Engine) -> None:
    assert os.getsid(pid_of(fake)) == pid_of(fake) != os.getsid(0)


async def test_half_characters_are_refused_in_words(fake: Engine) -> None:
    with pytest.raises(UserError, match="half a character"):
        await fake.ask(tell("\udcff"))
    assert isinstance((await fake.ask(slow(1)))[0], Predictions)


class TestNewestWins:
    """One call in flight and one waiting."""

    async def test_a_replaced_call_is_never_sent(self, fake: Engine) -> None:
        calls = [asyncio.create_task(fake.latest("grid", slow(60 + at))) for at in range(5)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results[1:4]] == [Superseded] * 3
        first, last = results[0], results[4]
        assert isinstance(first, tuple) and isinstance(last, tuple)
        assert (first[0].position, last[0].position) == (60, 64)

    async def test_slots_do_not_wait_for_each_other(self, fake: Engine) -> None:
        replies = await asyncio.gather(
            *(fake.latest(slot, slow(1)) for slot in ("grid", "table", "map"))
        )
        assert len(replies) == 3

    async def test_a_failure_hands_the_turn_on(self, fake: Engine) -> None:
        first = asyncio.create_task(fake.latest("grid", tell("sleep 0.05; fail user no")))
        second = asyncio.create_task(fake.latest("grid", slow(1)))
        with pytest.raises(UserError):
            await first
        assert isinstance((await second)[0], Predictions)

    async def test_cancelling_the_one_in_flight_lets_the_next_go(self, fake: Engine) -> None:
        first = asyncio.create_task(fake.latest("grid", slow(30_000)))
        second = asyncio.create_task(fake.latest("grid", slow(1)))
        await asyncio.sleep(0.05)
        first.cancel()
        async with asyncio.timeout(5):
            assert isinstance((await second)[0], Predictions)

    async def test_cancelling_the_one_waiting_frees_its_place(self, fake: Engine) -> None:
        first = asyncio.create_task(fake.latest("grid", slow(100)))
        second = asyncio.create_task(fake.latest("grid", slow(1)))
        await asyncio.sleep(0.02)
        second.cancel()
        third = asyncio.create_task(fake.latest("grid", slow(2)))
        async with asyncio.timeout(5):
            assert (await third)[0].position == 2
        assert (await first)[0].position == 100
        assert second.cancelled()

    async def test_cancelled_just_as_its_turn_comes(self, fake: Engine) -> None:
        slot = engine_module.Slot()
        async with slot.turn():
            second = asyncio.create_task(slot.turn().__aenter__())
            await asyncio.sleep(0)
        second.cancel()  # The turn has been handed over, the task has not run since.
        with pytest.raises(asyncio.CancelledError):
            await second
        async with asyncio.timeout(1), slot.turn():
            pass

    async def test_a_death_reaches_the_one_in_flight_and_the_one_waiting(
        self, fake: Engine
    ) -> None:
        first = asyncio.create_task(fake.latest("grid", tell("sleep 0.05; exit 1")))
        second = asyncio.create_task(fake.latest("grid", slow(1)))
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(result) for result in results] == [EngineGone, EngineGone]


async def test_unload_is_answered(fake: Engine) -> None:
    await fake.ask(Unload())
