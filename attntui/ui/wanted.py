"""What has to be asked for a look: one request for each thing shown."""

from typing import Literal

from attntui.core.protocol import (
    GetCellMap,
    GetPredictions,
    GetStatistics,
    GetTop,
    GetWindow,
    Request,
    StackInfo,
)
from attntui.ui.state import Look

Slot = Literal["window", "largest", "cell", "map", "attends", "attended", "predictions"]

TOP_COUNT = 32
PREDICTION_COUNT = 16


def wanted(look: Look, window: GetWindow | None) -> dict[Slot, Request]:
    """Requests by slot; `window` is what the grid has in sight."""
    stack = look.stack_info
    if look.run is None or stack is None or window is None:
        return {}
    run, view = look.run.run, look.view
    requests: dict[Slot, Request] = {
        "window": window,
        "cell": GetWindow(run, view, (look.query, look.query + 1), (look.key, look.key + 1)),
        "attends": GetTop(run, view, (look.query,), "attends_to", TOP_COUNT),
        "attended": GetTop(run, view, (attended_key(look),), "attended_by", TOP_COUNT),
    }
    if look.map == "cell":
        requests["map"] = GetCellMap(run, look.stack, look.query, look.key)
    else:
        requests["map"] = GetStatistics(run, look.stack)
    if look.scale == "row" and window.keys != (0, len(look.keys)):
        requests["largest"] = GetWindow(
            run, view, window.rows, (0, len(look.keys)), window.row_step, len(look.keys)
        )
    if predicts(look, stack):
        requests["predictions"] = GetPredictions(run, look.query, PREDICTION_COUNT)
    return requests


def attended_key(look: Look) -> int:
    """Whose column is listed: the query's own token, or the key where keys are other tokens."""
    stack = look.stack_info
    same = stack is None or stack.queries == stack.keys
    return look.query if same else look.key


def predicts(look: Look, stack: StackInfo) -> bool:
    """Whether the model predicts something at the queries of this stack."""
    return (
        look.model is not None
        and look.model.predicts is not None
        and stack.queries in {"text", "decoder"}
    )
