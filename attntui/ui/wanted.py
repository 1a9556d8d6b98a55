"""What has to be asked for a look, whatever the page in sight."""

from typing import Literal

from attntui.core.costs import has_columns
from attntui.core.protocol import (
    GetAttribution,
    GetCellMap,
    GetPredictions,
    GetShares,
    GetShifts,
    GetStatistics,
    GetTop,
    GetWindow,
    Request,
)
from attntui.ui.measures import is_statistic
from attntui.ui.state import Look

Slot = Literal[
    "cell",
    "cell-beside",
    "cell-map",
    "shares",
    "shift",
    "direct",
    "statistics",
    "attends",
    "attended",
    "predictions",
]

TOP_COUNT = 32
PREDICTION_COUNT = 16
EAGER_WEIGHTS = 2**23
"""Up to so many weights, statistics are asked for unasked: they take a fraction of a second."""


def wanted(look: Look) -> dict[Slot, Request]:
    """Requests by slot."""
    if look.run is None or look.stack_info is None or not look.queries or not look.keys:
        return {}
    run, view, reading = look.run.run, look.view, look.reading
    here = (look.query, look.query + 1), (look.key, look.key + 1)
    requests: dict[Slot, Request] = {
        "cell": GetWindow(run, view, *here, reading=reading),
        "attends": GetTop(run, view, listed_queries(look), "attends_to", TOP_COUNT, reading),
    }
    if has_columns(view, max(len(look.queries), len(look.keys))):
        requests["attended"] = GetTop(
            run, view, listed_keys(look), "attended_by", TOP_COUNT, reading
        )
    other = look.other if look.beside and look.is_compared else None
    if other is not None and other.run is not None and min(other.query, other.key) >= 0:
        there = (other.query, other.query + 1), (other.key, other.key + 1)
        requests["cell-beside"] = GetWindow(
            other.run.run, other.view, *there, reading=other.reading
        )
    if look.map == "cell":
        requests["cell-map"] = GetCellMap(run, look.stack, look.query, look.key, look.heads_reading)
    if look.map == "pair":
        requests["shares"] = GetShares(run, look.stack, look.heads_reading)
    if look.map == "shift" and look.before is not None and look.after is not None:
        requests["shift"] = shifts(look)
    if look.map == "direct" and look.aim is not None:
        requests["direct"] = GetAttribution(run, look.aim)
    if is_statistic(look) or weights(look) <= EAGER_WEIGHTS:
        requests["statistics"] = GetStatistics(run, look.stack, look.basis)
    at = look.predicted_at
    if predicts(look) and at >= 0:
        is_alone = look.before is None or look.before is look.after or look.shown == "before"
        against = 0 if is_alone or look.before is None else look.before.run
        requests["predictions"] = GetPredictions(run, at, PREDICTION_COUNT, against)
    return requests


def shifts(look: Look) -> GetShifts:
    """How far each head of the run after is from that of the run before."""
    assert look.before is not None and look.after is not None
    return GetShifts(look.after.run, look.stack, look.before.run)


def weights(look: Look) -> int:
    """How many weights the present stack has, all heads together."""
    stack = look.stack_info
    sides = look.side("queries"), look.side("keys")
    if stack is None or sides[0] is None or sides[1] is None:
        return 0
    heads = sum(layer.heads for layer in stack.layers)
    return heads * len(sides[0].tokens) * len(sides[1].tokens)


def listed_queries(look: Look) -> tuple[int, ...]:
    """Whose rows are listed: the marked ones together, else the one at the cursor."""
    return tuple(sorted(look.marked_queries)) or (look.query,)


def listed_keys(look: Look) -> tuple[int, ...]:
    """Whose columns are listed: the marked ones, else the query's own token, or the key at the
    cursor where keys are other tokens."""
    stack = look.stack_info
    same = stack is None or stack.queries == stack.keys
    return tuple(sorted(look.marked_keys)) or (look.query if same else look.key,)


def predicts(look: Look) -> bool:
    """Whether the model predicts something at the queries of this stack."""
    stack = look.stack_info
    return (
        stack is not None
        and look.model is not None
        and look.model.predicts is not None
        and stack.queries in {"text", "decoder"}
    )
