"""The answer to whatever is asked of a finished run."""

from typing import TypeVar

import numpy as np

from attntui.core.errors import UserError
from attntui.core.protocol import (
    Arrays,
    GetAttribution,
    GetCellMap,
    GetEffects,
    GetHidden,
    GetLogitLens,
    GetLogits,
    GetMaps,
    GetOrder,
    GetPredictions,
    GetReach,
    GetScores,
    GetShares,
    GetShifts,
    GetStatistics,
    GetStrongest,
    GetTarget,
    GetTop,
    GetWindow,
    Reading,
    Reply,
    Request,
    Stack,
    Statistics,
)
from attntui.engine import predict, windows
from attntui.engine.again import NO_MODEL
from attntui.engine.aim import aim
from attntui.engine.calibration import calibrated
from attntui.engine.comparison import compared
from attntui.engine.direct import attribution
from attntui.engine.logit_lens import logit_lens
from attntui.engine.model import LoadedModel, Work
from attntui.engine.order import order
from attntui.engine.reach import reach
from attntui.engine.reading import Reader
from attntui.engine.run import Run
from attntui.engine.scores import take_apart
from attntui.engine.shifts import shifts
from attntui.engine.strongest import strongest
from attntui.engine.sweep import effects
from attntui.engine.tops import tops

Known = TypeVar("Known")
Answer = tuple[Reply, list[np.ndarray]]


def answer(
    loaded: LoadedModel | None, run: Run, request: Request, work: Work, other: Run | None = None
) -> Answer:
    """`loaded` is None where the run was read from a file; `other` is a run to compare with.

    Raises:
        UserError: the user can mend it.
        Cancelled: the call was given up.
    """
    watch = work.check_cancel, work.progress

    def reader_of(stack: Stack, reading: Reading) -> Reader:
        reader = run.reader(stack, reading, *watch)
        return reader if other is None else compared(reader, run, other, stack, reading)

    match request:
        case GetWindow(view=view, reading=reading):
            reader = reader_of(view.stack, reading)
            names, arrays = windows.window(reader, request, *watch)
            return Arrays(run.number, names), arrays
        case GetMaps(stack=stack, layer=layer, reading=reading):
            reader = reader_of(stack, reading)
            found = windows.maps(reader, run.views.layer(stack, layer), request, work.check_cancel)
            return Arrays(run.number, ("maps",)), [found]
        case GetCellMap(stack=stack, query=query, key=key, reading=reading):
            reader = reader_of(stack, reading)
            found = windows.cell_map(reader, query, key, work.check_cancel)
            return Arrays(run.number, ("map",)), [found]
        case GetShares(stack=stack, reading=reading):
            found = windows.shares(reader_of(stack, reading), work.check_cancel)
            return Arrays(run.number, ("map",)), [found]
        case GetTop(view=view, reading=reading):
            return tops(reader_of(view.stack, reading), request, *watch), []
        case GetHidden(stack=stack, words=words):
            return run.hidden(stack, words, *watch), []
        case GetEffects():
            arrays = effects(_needed(loaded), run, request, work)
            return Arrays(run.number, ("effects", "value")), arrays
        case GetStatistics():
            return _statistics(loaded, run, request, work)
        case GetReach():
            return Arrays(run.number, ("distance", "beyond", "tokens")), reach(run, request, *watch)
        case GetStrongest():
            return Arrays(run.number, ("strongest",)), [strongest(run, request, work.check_cancel)]
        case GetScores(stack=stack, layer=layer):
            return take_apart(run.views.layer(stack, layer), request)
        case GetPredictions():
            return predict.predictions(_needed(loaded), run, request, other), []
        case GetShifts(stack=stack) if other is not None:
            found = shifts(run, other, stack, work.check_cancel)
            return Arrays(run.number, ("map",)), [found]
        case GetOrder():
            return Arrays(run.number, ("sums", "count")), order(run, request, work.check_cancel)
        case GetTarget():
            return aim(_needed(run.again), request), []
        case GetAttribution(target=target):
            arrays = attribution(_needed(run.again), run.views, target, *watch)
            return Arrays(run.number, ("heads", "rest", "logit")), arrays
        case GetLogitLens():
            return logit_lens(_needed(run.again), request, work.check_cancel), []
        case GetLogits(rows=(start, stop)):
            found = predict.logits(_needed(loaded), run, start, stop)
            return Arrays(run.number, ("logits",)), [found]
    raise TypeError(f"no answer to {type(request).__name__}")


def _needed(known: Known | None) -> Known:
    if known is None:
        raise UserError(NO_MODEL)
    return known


def _statistics(loaded: LoadedModel | None, run: Run, request: GetStatistics, work: Work) -> Answer:
    run.views.tower(request.stack)
    if request.basis == "calibration":
        found = calibrated(_needed(loaded), request.stack, work.check_cancel, work.progress)
    else:
        found = run.measured(request.stack, work.check_cancel, work.progress)
    return Statistics(run.number, found.eligible), [found.scores]
