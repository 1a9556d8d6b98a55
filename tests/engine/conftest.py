"""Tiny models, built once and loaded once, and the engine's process."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.pipe import Pipe, started
from tests.engine.tiny_models import save_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with a tiny random model of a kind and its tokenizer."""
    root = tmp_path_factory.mktemp("models")

    def folder(kind: str) -> Path:
        where = root / kind
        if not where.exists():
            save_tiny(kind, where)
        return where

    return folder


@pytest.fixture(scope="session")
def start_engine() -> Callable[..., AbstractContextManager[Pipe]]:
    """Starts the engine's process."""
    return started


class Quiet:
    """Work that nobody watches; `stages` and `notes` keep what was told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int, int, str]] = []
        self.notes: list[str] = []

    def check_cancel(self) -> None: ...

    def progress(
        self,
        stage: str,
        done: int = 0,
        total: int = 0,
        unit: str = "",
        rate: float = 0.0,
        note: str = "",
    ) -> None:
        self.stages.append((stage, done, total, unit))
        self.notes.append(note)


@pytest.fixture
def work() -> Quiet:
    return Quiet()


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Saves arrays as .npz."""

    def save(name: str = "given.npz", **arrays: Any) -> Path:
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return save


@pytest.fixture(scope="session")
def load(tiny: Callable[[str], Path]) -> Callable[[str], Any]:
    """A loaded tiny model of a kind, loaded once."""
    from attntui.core.protocol import ModelOptions
    from attntui.engine import loading

    held: dict[str, Any] = {}

    def loaded(kind: str) -> Any:
        if kind not in held:
            options = ModelOptions(model=str(tiny(kind)), device="cpu")
            work = Quiet()
            held[kind], _ = loading.load(loading.prepare(options, work), work)
        return held[kind]

    return loaded
