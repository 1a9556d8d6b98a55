"""Answers kept, so that going back to a head or a cell asks nobody."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from attntui.core.protocol import Reply, Request

if TYPE_CHECKING:
    import numpy as np

BUDGET = 64 * 2**20
OVERHEAD = 1000
"""Bytes that a reply without arrays is taken to hold."""


class AnswerCache:
    """The answers used last, within a budget of bytes. A request names its run: none is stale."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._answers: OrderedDict[Request, tuple[Reply, list[np.ndarray]]] = OrderedDict()
        self._budget = budget
        self._held = 0

    def get(self, request: Request) -> tuple[Reply, list[np.ndarray]] | None:
        """The answer to an equal request, if it is still held."""
        answer = self._answers.get(request)
        if answer is not None:
            self._answers.move_to_end(request)
        return answer

    def put(self, request: Request, reply: Reply, arrays: list[np.ndarray]) -> None:
        """Keep an answer, dropping those used longest ago; one over the budget is not kept."""
        if request in self._answers or _size(arrays) > self._budget:
            return
        self._answers[request] = (reply, arrays)
        self._held += _size(arrays)
        while self._held > self._budget:
            _, (_, dropped) = self._answers.popitem(last=False)
            self._held -= _size(dropped)

    def clear(self) -> None:
        """Forget everything, as when a new run has come."""
        self._answers.clear()
        self._held = 0


def _size(arrays: list[np.ndarray]) -> int:
    return OVERHEAD + sum(array.nbytes for array in arrays)
