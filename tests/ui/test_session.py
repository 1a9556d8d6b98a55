"""What the screen does when the engine is slow, fails or dies: nothing is lost, and it says so.

The fake engine takes its orders from the prompt (tests/client/fake_engine.py).
"""

from typing import Any

import numpy as np
import pytest

from attntui.client.engine import Engine
from attntui.core.errors import UserError
from attntui.core.protocol import Arrays, Edit, GetTop, GetWindow, Head, Progress, Request, Trace
from attntui.ui import session
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.prompt_box import PromptBox
from tests.ui.conftest import Opener, Screen


def said(screen: Screen) -> str:
    """All that is in sight, as one line: sentences wrap."""
    return " ".join(screen.text.split())


async def test_escape_cancels_a_run_and_keeps_the_prompt(open_app: Opener) -> None:
    async with open_app(prompt="tokens 3", fake=True) as screen:
        run = screen.main.look.run
        await screen.run("sleep 60")
        await screen.until(lambda: screen.main.session.busy)
        await screen.until(lambda: "running the prompt" in screen.text)
        assert "─Prompt · running─" in screen.text
        await screen.pilot.press("escape")
        await screen.until(lambda: not screen.main.session.busy, 5)
        await screen.until(lambda: "Prompt · not run yet, Enter runs it" in screen.text)
        assert screen.main.query_one(PromptBox).text == "sleep 60"
        assert screen.main.look.run is run
        await screen.run("tokens 5")
        await screen.until(lambda: len(screen.main.look.queries) == 5, 5)


async def test_a_failure_is_one_sentence_and_keeps_the_run(open_app: Opener) -> None:
    async with open_app(prompt="tokens 3", fake=True) as screen:
        run = screen.main.look.run
        await screen.run("fail user The prompt is too long: [/] ESC[31m.")
        await screen.until(lambda: "The prompt is too long" in screen.text, 5)
        assert "[/] ␛[31m." in screen.text
        assert screen.main.look.run is run
        await screen.run("fail fault ValueError: no")
        await screen.until(lambda: "This is a fault of attntui" in screen.text, 5)


async def test_what_may_succeed_another_time_names_the_key(open_app: Opener) -> None:
    async with open_app(prompt="tokens 3", fake=True) as screen:
        await screen.run("fail again The line broke.")
        await screen.until(lambda: "The line broke. R tries again." in screen.text, 5)


async def test_a_download_shows_bytes_rate_and_time_left(open_app: Opener) -> None:
    async with open_app(prompt="tokens 3", fake=True) as screen:
        await screen.run("download fetching ESC[31m; sleep 60")
        told = "1.5 GB of 4.0 GB, 25.0 MB/s, 1 min 40 s left, nothing came for 6 s"
        await screen.until(lambda: told in screen.lines[0], 5)
        await screen.pilot.press("escape")


async def test_a_prompt_that_kills_the_engine_is_not_run_for_ever(open_app: Opener) -> None:
    async with open_app(prompt="tokens 3", fake=True) as screen:
        await screen.press("k", "shift+right")
        look = screen.main.look
        await screen.run("exit 7")
        await screen.until(lambda: "no model loaded" in screen.lines[0], 20)
        await screen.until(lambda: "It ended 3 times" in screen.text, 5)
        assert screen.main.query_one(PromptBox).text == "exit 7"
        await screen.run("tokens 4")
        await screen.until(lambda: len(screen.main.look.queries) == 4, 10)
        now = screen.main.look
        assert (now.layer, now.head, now.query) == (look.layer, look.head, look.query)


@pytest.mark.parametrize(
    "death", ["kill SIGKILL", "say what(): std::bad_alloc; kill SIGABRT", "exit 137"]
)
async def test_what_ends_the_engine_for_want_of_memory_is_tried_twice_and_then_smaller(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch, death: str
) -> None:
    monkeypatch.setenv("FAKE_HEADS", "2,2,2,2")
    async with open_app(prompt="tokens 3", fake=True) as screen:

        def traces() -> list[str]:
            log = screen.main.session.engine.log
            return [line.split()[1] for line in log if line.startswith("trace")]

        await screen.run(death)
        await screen.until(lambda: "no model loaded" in screen.lines[0], 20)
        await screen.until(lambda: "records layers 0,3 alone" in said(screen), 5)
        assert traces() == ["all"] * 3
        await screen.pilot.press("R")
        await screen.until(lambda: "records layers 0 alone" in said(screen), 20)
        await screen.pilot.press("R")
        await screen.until(lambda: "A shorter prompt (i)" in said(screen), 20)
        assert traces() == ["all"] * 3 + ["0,3", "0"]
        await screen.run("tokens 4")
        await screen.until(lambda: len(screen.main.look.queries) == 4, 10)


async def test_a_view_that_ends_the_engine_is_not_asked_for_ever(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ROLLOUT_KILLS", "1")
    async with open_app(prompt="tokens 3", fake=True) as screen:
        await screen.until(lambda: "memory" in screen.lines[0], 5)
        await screen.pilot.press("r")
        await screen.until(
            lambda: "R starts it again; choose another view first" in said(screen), 20
        )
        assert not screen.main.session.engine.alive
        await screen.until(lambda: "no model loaded · U loads it" in screen.lines[0], 5)
        assert "memory" not in screen.lines[0]
        await screen.pilot.press("r", "R")
        await screen.until(lambda: screen.main.session.engine.alive, 10)
        await screen.until(lambda: "rows sum to 1" in screen.lines[0], 10)
        assert "memory" in screen.lines[0]


async def test_what_does_not_fit_is_recorded_in_part_by_a_key(open_app: Opener) -> None:
    async with open_app(prompt="tokens 3", fake=True) as screen:
        await screen.run("fail room It needs 20 GB.")
        await screen.until(lambda: "It needs 20 GB. R records what fits." in said(screen), 5)
        await screen.pilot.press("R")
        await screen.until(lambda: "trace fit" in screen.main.session.engine.log, 5)


async def test_memory_goes_back_to_the_machine_once_the_engine_rests(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "RESTS", 2 * session.SOON)
    told: list[Any] = []
    monkeypatch.setattr(Engine, "tell", lambda engine, request: told.append(request))
    async with open_app(prompt="tokens 3", fake=True) as screen:
        await screen.run("tokens 4")
        await screen.until(lambda: told and told[-1].tight, 5)
        await screen.pilot.pause(session.SOON)
    newest = told[-1].runs
    assert [each.tight for each in told if each.runs == newest] == [False, True]


async def test_a_held_key_queues_nothing(open_app: Opener) -> None:
    async with open_app(prompt="tokens 4", fake=True) as screen:
        asked: list[GetWindow] = []
        engine, ask = screen.main.session.engine, screen.main.session.engine.ask

        async def slow(request, progress=None):  # type: ignore[no-untyped-def]
            if isinstance(request, GetWindow) and request.rows != (0, 1):
                asked.append(request)
                await screen.pilot.pause(0.3)
            return await ask(request, progress)

        engine.ask = slow  # type: ignore[method-assign]
        screen.main.session._cache.clear()
        for _ in range(20):
            await screen.pilot.press("shift+right", "shift+left", "shift+down", "shift+up")
        await screen.pilot.press("shift+right")
        await screen.settled()
        heads = [request for request in asked if isinstance(request.view, Head)]
        assert len(heads) <= 12
        window = screen.main.query_one(AttentionGrid).window
        assert window is not None and window.request.view == screen.main.look.view


async def test_a_reply_for_an_old_run_is_dropped(open_app: Opener) -> None:
    async with open_app(prompt="tokens 4", fake=True) as screen:
        grid, look = screen.main.query_one(AttentionGrid), screen.main.look
        assert look.run is not None
        old = grid.window
        request = GetWindow(look.run.run - 1, look.view, (0, 4), (0, 4))
        weights = np.ones((4, 4), np.float32)
        screen.main.painter._accept(
            ("grid", "window"), request, 10**6, Arrays(look.run.run - 1), [weights]
        )
        assert grid.window is old


async def test_an_answer_overtaken_by_a_newer_one_is_dropped(open_app: Opener) -> None:
    async with open_app(prompt="tokens 4", fake=True) as screen:
        grid, look = screen.main.query_one(AttentionGrid), screen.main.look
        assert look.run is not None
        run = look.run.run
        weights = np.ones((4, 4), np.float32)
        newer = GetWindow(run, Head("self", 1, 1), (0, 4), (0, 4))
        older = GetWindow(run, Head("self", 0, 0), (0, 4), (0, 4))
        accept = screen.main.painter._accept
        accept(("grid", "window"), newer, 10**6, Arrays(run), [weights])
        accept(("grid", "window"), older, 10**6 - 1, Arrays(run), [weights])
        assert grid.window is not None and grid.window.request == newer


@pytest.mark.parametrize("keys", [["U"], ["U", "U"]])
async def test_the_model_is_freed_and_comes_back(open_app: Opener, keys: list[str]) -> None:
    async with open_app(prompt="tokens 4", fake=True) as screen:
        await screen.press("j")
        query = screen.main.look.query
        for key in keys:
            await screen.press(key)
            await screen.until(lambda: not screen.main.session.busy, 5)
        assert (screen.main.session.model is None) == (len(keys) == 1)
        assert screen.main.look.query == query
        assert screen.main.query_one(PromptBox).text == "tokens 4"


async def test_a_prompt_in_place_of_a_running_one(open_app: Opener) -> None:
    async with open_app(prompt="tokens 3", fake=True) as screen:
        await screen.run("sleep 60")
        await screen.until(lambda: "running the prompt" in screen.text)
        await screen.run("sleep 1;tokens 5")
        await screen.pilot.pause(0.3)
        assert screen.main.session.busy
        assert "running the prompt" in screen.text
        await screen.until(lambda: len(screen.main.look.queries) == 5, 10)


async def test_a_run_in_sight_is_kept_until_the_next_one_is_there(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a call that was given up made its run is not known: it must not cost the old one."""
    async with open_app() as screen:
        session = screen.main.session
        ask, asked = session.engine.ask, []

        async def heard(request: Request, progress: Any = None) -> Any:
            asked.append((request, session.held))
            return await ask(request, progress)

        monkeypatch.setattr(session.engine, "ask", heard)
        await screen.press("x", "x", "x")
        await screen.press("i", *"The dog.", "enter")
        await screen.until(lambda: screen.main.look.run is not None and not session.busy)
        await screen.settled()
        making = [each for each in asked if isinstance(each[0], Trace | Edit)]
        assert len(making) >= 3
        for request, held in making:
            assert set(request.keep) >= held
        await screen.until(lambda: not session.busy)
        assert len(session.held) <= 2
        gone = min(held for _, runs in making for held in runs)
        with pytest.raises(UserError, match="no longer held"):
            await ask(GetTop(gone, Head("self", 0, 0), (0,), "attends_to", 1))


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (Progress("asking the hub", note="try 2: the line broke"), "try 2: the line broke"),
        (Progress("forward", 3, 12), "forward"),
        (Progress("asking \x1b[31m", note="[bold]\x1b[0m"), "asking ␛[31m, [bold]␛[0m"),
    ],
)
async def test_what_is_waited_for_is_told_with_what_is_to_note(
    open_app: Opener, progress: Progress, shown: str
) -> None:
    async with open_app(prompt="tokens 3", fake=True) as screen:
        screen.main.session.tell(progress)
        await screen.until(lambda: shown in screen.text, 5)
        assert "of 12" not in screen.text
