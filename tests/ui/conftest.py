"""The real app through Pilot, with the real engine unless a test needs to control time."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
import pytest_asyncio
from textual.pilot import Pilot

from attntui.client.engine import Engine
from attntui.core.protocol import ModelOptions, PromptInput
from attntui.ui.app import AttnApp
from attntui.ui.screens.main import MainScreen
from attntui.ui.start import Start
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.prompt_box import PromptBox

FAKE = (sys.executable, str(Path(__file__).parents[1] / "client" / "fake_engine.py"))
Shown = TypeVar("Shown", bound=Page)
PROMPT = "The cat saw the dog. The cat saw the dog."


class Screen:
    """An open app: what a test asks of it."""

    def __init__(self, app: AttnApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def main(self) -> MainScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    async def until(self, holds: Callable[[], object], seconds: float = 60) -> None:
        """Wait until something holds, or fail."""
        for _ in range(int(seconds / 0.02)):
            if holds():
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"not within {seconds} s; the screen shows:\n{self.text}")

    async def settled(self) -> None:
        """Wait until nothing is asked or waited for any more."""
        await self.pilot.pause()
        while any(not worker.is_finished for worker in self.app.workers):
            await self.app.workers.wait_for_complete()
            await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settled()

    async def run(self, prompt: str) -> None:
        """Put a prompt in the place of what is in the box, and run it."""
        self.main.query_one(PromptBox).give(prompt)
        await self.pilot.press("i", "enter")

    async def show(self, key: str, kind: type[Shown]) -> Shown:
        """Bring a page into sight by its key."""
        await self.press(key)
        return self.main.query_one(kind)

    @property
    def lines(self) -> list[str]:
        """What is on the screen, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for these tests: a child process that outlives one is bound to its loop."""
    for item in items:
        is_here = Path(__file__).parent in item.path.parents
        if is_here and iscoroutinefunction(getattr(item, "function", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


class KeptEngine(Engine):
    """The real engine, which outlives a screen: to start one takes longer than most tests.

    What a screen asked is given up by the screen itself; the next one loads its own model.
    """

    async def stop(self) -> None:
        if not self.alive:
            await super().stop()

    async def end(self) -> None:
        await super().stop()


class Opener(Protocol):
    def __call__(
        self,
        model: str = "demo",
        prompt: PromptInput | str | None = PROMPT,
        size: tuple[int, int] = (120, 36),
        start: Start | None = None,
        fake: bool = False,
        wait: bool = True,
    ) -> AbstractAsyncContextManager[Screen]: ...


@pytest.fixture(autouse=True)
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test leaves behind is not found by the next."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def other_engines(warm_engine: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that the program starts besides the kept one has its imports done."""
    monkeypatch.setattr("attntui.client.engine.ENGINE", warm_engine)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kept_engine(warm_engine: tuple[str, ...]) -> AsyncIterator[KeptEngine]:
    engine = KeptEngine(warm_engine)
    yield engine
    await engine.end()


@pytest.fixture
def open_app(kept_engine: KeptEngine) -> Opener:
    """Opens the app, and by default waits for its first picture."""

    @asynccontextmanager
    async def opened(
        model: str = "demo",
        prompt: PromptInput | str | None = PROMPT,
        size: tuple[int, int] = (120, 36),
        start: Start | None = None,
        fake: bool = False,
        wait: bool = True,
    ) -> AsyncIterator[Screen]:
        given = PromptInput(text=prompt) if isinstance(prompt, str) else prompt
        kept_engine.log.clear()
        engine = Engine(FAKE) if fake else kept_engine
        app = AttnApp(ModelOptions(model=model), given, start, engine)
        async with app.run_test(size=size, notifications=True) as pilot:
            screen = Screen(app, pilot)
            if wait:
                await screen.until(lambda: screen.main.look.run is not None)
                await screen.settled()
            yield screen

    return opened
