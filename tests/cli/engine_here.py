"""The engine in this process, so that a test of a command waits for no other."""

from typing import Any, Self

import numpy as np

from attntui.core.protocol import Reply, Request
from attntui.engine.session import Session


class Work:
    """Work that nobody watches."""

    def check_cancel(self) -> None: ...

    def progress(self, stage: str, *_: object, **__: object) -> None: ...


class EngineHere:
    """As `Engine`, to whoever asks. `interrupt_after` answers, ctrl+c is pressed."""

    interrupt_after: int | None = None

    def __init__(self) -> None:
        self.log: list[str] = []
        self._session = Session()
        self._answers = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def ask(self, request: Request, progress: Any = None) -> tuple[Reply, list[np.ndarray]]:
        if self._answers == self.interrupt_after:
            raise KeyboardInterrupt
        self._answers += 1
        return self._session.answer(request, Work())
