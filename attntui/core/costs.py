"""How much there is to compute for a request, so that what takes no time need not wait."""

from collections.abc import Sequence

from attntui.core.protocol import (
    SIDES,
    Chosen,
    GetCellMap,
    GetHidden,
    GetMaps,
    GetPredictions,
    GetReach,
    GetScores,
    GetShares,
    GetShifts,
    GetStatistics,
    GetStrongest,
    GetTop,
    GetWindow,
    Head,
    Mean,
    Reading,
    Relevance,
    Request,
    Rollout,
    SideInfo,
    Stack,
    StackInfo,
    View,
)

QUICK = 2**23
"""Weights that are computed in some 20 ms on two cores."""
MOST_JOINT = 8192
"""Tokens up to which a view of all layers at once is one matrix, 256 MB; beyond, some rows of it at
a time, and never all of them: each takes all weights."""


def has_columns(view: View, tokens: int) -> bool:
    """Whether all rows of a view can be had, and with them a column."""
    return tokens <= MOST_JOINT or not isinstance(view, Rollout | Relevance)


def weights(request: Request, stacks: Sequence[StackInfo], sides: Sequence[SideInfo]) -> int | None:
    """How many weights are computed for an answer, about; at least 1.

    None where that is not all: where the model runs, or a lens needs more than the weights.
    """
    sizes = _Sizes(stacks, sides)
    match request:
        case GetWindow(view=view, rows=(start, stop), reading=reading):
            rows = stop - start
            if request.sampled:
                rows = min(rows, -(-rows // request.row_step) * request.sampled)
            return sizes.of(view, rows, reading)
        case GetTop(view=view, positions=positions, direction=direction, reading=reading):
            rows = len(positions) if direction == "attends_to" else sizes.queries(view.stack)
            return sizes.of(view, rows, reading)
        case GetCellMap(stack=stack, reading=reading):
            return sizes.of(Mean(stack), 1, reading)
        case GetMaps(stack=stack, layer=layer, reading=reading):
            return sizes.of(Mean(stack, layer), sizes.queries(stack), reading)
        case GetStatistics(basis="calibration") | GetShifts():
            return None
        case GetShares(stack=stack) | GetStatistics(stack=stack) | GetHidden(stack=stack):
            return sizes.all(stack)
        case GetStrongest(stack=stack) | GetReach(stack=stack, times=1):
            return sizes.all(stack)
        case GetScores():
            return 1
        case GetPredictions(against=0):  # the model's output head, over one row
            return QUICK
    return None


class _Sizes:
    def __init__(self, stacks: Sequence[StackInfo], sides: Sequence[SideInfo]) -> None:
        self._heads = {stack.name: [layer.heads for layer in stack.layers] for stack in stacks}
        self._tokens = {side.name: len(side.tokens) for side in sides}

    def queries(self, stack: Stack) -> int:
        return self._tokens.get(SIDES[stack][0], 0)

    def all(self, stack: Stack) -> int:
        """Every weight of a stack."""
        keys = self._tokens.get(SIDES[stack][1], 0)
        return max(1, sum(self._heads.get(stack, ())) * self.queries(stack) * keys)

    def of(self, view: View, rows: int, reading: Reading) -> int | None:
        """Those of some rows of a view."""
        if reading.against or not isinstance(view, Head | Mean | Chosen | Rollout):
            return None
        if reading.sinks != "show" or isinstance(view, Rollout):
            return self.all(view.stack)  # to know the sinks, everything was measured before
        heads = self._heads.get(view.stack, [])
        if isinstance(view, Chosen):
            count = len(view.heads)
        elif isinstance(view, Head):
            count = 1
        elif view.layer is None:
            count = sum(heads)
        else:
            count = heads[view.layer] if 0 <= view.layer < len(heads) else 0
        return max(1, count * rows * self._tokens.get(SIDES[view.stack][1], 0))
