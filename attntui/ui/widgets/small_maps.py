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

    def put(self, request: GetMaps, weights: np.ndarray, in_sight: Collection[int]) -> bool:
        """Keep an answer; whether it is of another kind, and took the place of all before.

        Beyond the budget the oldest are dropped, but none of the layers in sight.
        """
        kind = replace(request, layer=0)
        is_other = kind != self._kind
        if is_other:
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
        return is_other

    def holds(self, request: GetMaps) -> bool:
        """Whether the answer to a request is here."""
        return replace(request, layer=0) == self._kind and request.layer in self._weights

    def weights(self, layer: int) -> np.ndarray | None:
        """(heads, rows, keys) of a layer; None where they have not come."""
        return self._weights.get(layer)

    def dots(self, layer: int, shading: Shading) -> np.ndarray | None:
        """(heads, dots, columns) of a layer, levels; None where its maps have not come."""
        if shading != self._shading:
            self._shading = shading
            self._dots.clear()
        if layer not in self._dots and layer in self._weights:
            self._dots[layer] = shading.dots(self._weights[layer])
        return self._dots.get(layer)
