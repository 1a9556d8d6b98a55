"""Every head off in turn, layer by layer: what is asked next, and what is known so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from attntui.core.protocol import GetEffects
from attntui.ui.session import Session
from attntui.ui.state import Look

if TYPE_CHECKING:
    import numpy as np


class Sweep:
    """The effects that came, by what was asked. What is done stays, whatever is looked at next."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._found: dict[GetEffects, np.ndarray] = {}

    def put(self, request: GetEffects, effects: np.ndarray) -> None:
        self._found[request] = effects

    def next(self, look: Look) -> GetEffects | None:
        """The first layer that is not known yet; None where all are, or nothing is to be."""
        wanted = (request for request in self._requests(look) if request not in self._found)
        return next(wanted, None)

    def values(self, look: Look) -> np.ndarray | None:
        """(layers, heads) of the effects, NaN where one is not known; None where none is."""
        import numpy as np

        requests = self._requests(look)
        found = {
            request.layer: self._found[request] for request in requests if request in self._found
        }
        stack = look.stack_info
        if not found or stack is None:
            return None
        if look.estimates:
            return found[0]
        most = max(layer.heads for layer in stack.layers)
        values = np.full((len(stack.layers), most), np.nan, np.float32)
        for layer, row in found.items():
            values[layer, : len(row)] = row
        return values

    def done(self, look: Look) -> tuple[int, int]:
        """How many layers are known, of how many."""
        requests = self._requests(look)
        return sum(request in self._found for request in requests), len(requests)

    def _requests(self, look: Look) -> list[GetEffects]:
        """One for each layer with attention, or one estimate of all; of the model as it is."""
        base, stack = self._session.base, look.stack_info
        is_here = look.shown != "before" or look.before is None or look.before.run == base
        if look.map != "effect" or look.target is None or base is None or stack is None:
            return []
        if not is_here:  # the target is of the present text
            return []
        first = GetEffects(base, look.stack, 0, look.target, look.edits.ablate_with)
        if look.estimates:
            return [replace(first, estimate=True)]
        layers = [number for number, layer in enumerate(stack.layers) if layer.heads]
        return [replace(first, layer=layer) for layer in layers]
