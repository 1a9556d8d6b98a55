"""What is said of an answer that takes long, and how it is given up."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from attntui.core.protocol import Head, Progress
from attntui.ui.late import PLAIN, Late
from attntui.ui.state import RolloutOptions
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.bars import CursorLine
from tests.ui.conftest import Opener


class Timers:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.running: list[Callable[[], None]] = []

    def set(self, seconds: float, then: Callable[[], None]) -> Any:
        self.running.append(then)
        timers = self

        class Timer:
            def stop(self) -> None:
                if then in timers.running:
                    timers.running.remove(then)

        return Timer()

    def pass_(self) -> None:
        while self.running:
            self.running.pop(0)()


def test_what_comes_soon_is_not_said() -> None:
    said: list[tuple[str, float | None]] = []
    late, timers = Late(lambda *told: said.append(told), (timers := Timers()).set), timers
    with late.waiting("a") as tell:
        tell(Progress("rollout", 1, 4))
    timers.pass_()
    assert not said and not late.names


def test_of_what_takes_long_the_one_that_tells_most_is_said_and_then_the_other() -> None:
    said: list[tuple[str, float | None]] = []
    timers = Timers()
    late = Late(lambda *told: said.append(told), timers.set)
    with late.waiting("a"):
        with late.waiting("b") as tell:
            tell(Progress("roll\x1b[31mout", 1, 4))
            timers.pass_()
            assert said[0] == (PLAIN, None)
            assert said[-1][1] == 0.25 and "\x1b" not in said[-1][0]
            tell(Progress("rollout", 2, 4))
            assert said[-1] == ("rollout", 0.5) and late.names == {"a", "b"}
        assert said[-1] == (PLAIN, None)
    assert said[-1] == ("", None) and not late.names


def test_two_that_are_waited_for_under_one_name_are_told_apart() -> None:
    said: list[tuple[str, float | None]] = []
    timers = Timers()
    late = Late(lambda *told: said.append(told), timers.set)
    first, second = late.waiting("a"), late.waiting("a")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    timers.pass_()
    assert said == [(PLAIN, None)] and late.names == {"a"}
    second.__exit__(None, None, None)
    assert said[-1] == ("", None)


async def test_escape_gives_up_what_takes_long_and_another_view_asks_anew(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ROLLOUT_LASTS_FROM", "0")
    async with open_app(prompt="tokens 30", fake=True) as screen:
        trusted = screen.lines[0]
        await screen.pilot.press("r")
        await screen.until(lambda: "rollout 25%" in screen.lines[0], 5)
        await screen.pilot.press("escape")
        await screen.until(lambda: "Given up" in screen.text, 5)
        assert screen.lines[0] == trusted and screen.main.look.lens == "head"
        grid = screen.main.query_one(AttentionGrid)
        assert grid.window is not None and isinstance(grid.window.request.view, Head)
        assert "Head" in grid.border_title
        await screen.pilot.press("escape")
        await screen.until(lambda: "Nothing is running" in screen.text, 5)
        assert screen.main.query_one(CursorLine).weight is not None


async def test_escape_gives_up_a_rollout_before_it_is_said_to_take_long(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ROLLOUT_LASTS_FROM", "0")
    async with open_app(prompt="tokens 30", fake=True) as screen:
        await screen.pilot.press("r", "escape")
        await screen.until(lambda: "Given up" in screen.text, 5)
        assert screen.main.look.lens == "head"


async def test_what_was_given_up_is_asked_for_anew_at_the_next_move(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_ROLLOUT_LASTS_FROM", "1")
    async with open_app(prompt="tokens 30", fake=True) as screen:
        session, asked = screen.main.session, []
        latest = session.latest

        async def noted(slot: str, *more: Any) -> Any:
            asked.append(slot)
            return await latest(slot, *more)

        await screen.press("r")
        screen.main.change(replace(screen.main.look, rollout=RolloutOptions(start_layer=1)))
        await screen.until(lambda: "rollout 25%" in screen.lines[0], 5)
        await screen.pilot.press("escape")
        await screen.until(lambda: "another row, head or key asks anew" in screen.text, 5)
        monkeypatch.setattr(session, "latest", noted)
        screen.main._follow()  # as when a pane asks: the look is the same
        assert "grid.window" not in asked
        await screen.pilot.press("up")
        await screen.until(lambda: "grid.window" in asked, 5)


async def test_what_waited_for_what_is_given_up_is_asked_for_again(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(prompt="tokens 30", fake=True) as screen:
        session, asked = screen.main.session, []
        latest = session.latest

        async def waits(slot: str, *more: Any) -> Any:
            asked.append(slot)
            if len(asked) == 1:
                await asyncio.sleep(60)
            return await latest(slot, *more)

        monkeypatch.setattr(session, "latest", waits)
        await screen.pilot.press("{")
        await screen.until(lambda: screen.main.painter._late.names, 5)
        first = asked[0]
        await screen.pilot.press("escape")
        await screen.until(lambda: asked.count(first) == 2, 5)
