"""The small maps that came, layer by layer, within a budget of bytes."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from msgspec.structs import replace

from attntui.core.protocol import GetMaps
from attntui.render.thumbnails import Shading

if TYPE_CHECKING:
    import numpy as np

BUDGET = 32 * 2**20


class SmallMaps:
    """Maps of all heads, by layer: those of one run, read and pooled in one way, at a time."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._kind: GetMaps | None = None
        self._weights: dict[int, np.ndarray] = {}
        self._shading: Shading | None = None
        self._dots: dict[int, np.ndarray] = {}

    def put(self, request: GetMaps, weights: np.ndarray, in_sight: Collection[int]) -> None:
        """Keep an answer; one of another kind takes the place of all before.

        Beyond the budget the oldest are dropped, but none of the layers in sight.
        """
        kind = replace(request, layer=0)
        if kind != self._kind:
            self._kind = kind
            self._weights.clear()
            self._dots.clear()
        self._weights[request.layer] = weights
        self._dots.pop(request.layer, None)
        held = sum(each.nbytes for each in self._weights.values())
        for layer in [layer for layer in self._weights if layer not in in_sight]:
            if held <= self._budget:
                break
            held -= self._weights.pop(layer).nbytes
            self._dots.pop(layer, None)

    def holds(self, request: GetMaps) -> bool:
        """Whether the answer to a request is here."""
        return replace(request, layer=0) == self._kind and request.layer in self._weights

    def dots(self, request: GetMaps, shading: Shading) -> np.ndarray | None:
        """The answer to a request as levels, (heads, dots, columns); None where it is not here."""
        if not self.holds(request):
            return None
        if shading != self._shading:
            self._shading = shading
            self._dots.clear()
        layer = request.layer
        if layer not in self._dots:
            self._dots[layer] = shading.dots(self._weights[layer])
        return self._dots[layer]
