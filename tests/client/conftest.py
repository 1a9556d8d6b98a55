"""Engines for the client's tests."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from attntui.client.engine import Engine


@pytest.fixture
def fake_argv() -> tuple[str, ...]:
    """The fake engine's program."""
    return sys.executable, str(Path(__file__).with_name("fake_engine.py"))


@pytest.fixture
async def fake(fake_argv: tuple[str, ...]) -> AsyncIterator[Engine]:
    """A started fake engine."""
    engine = Engine(fake_argv)
    await engine.start()
    yield engine
    await engine.stop()
