"""The state behind the pipe, one model and one run, and the answer to each request."""

import numpy as np

from attntui.core.errors import UserError
from attntui.core.protocol import (
    Arrays,
    Done,
    GetCellMap,
    GetLogits,
    GetPredictions,
    GetStatistics,
    GetTop,
    GetWindow,
    Load,
    Loaded,
    Reply,
    Request,
    RunInfo,
    Statistics,
    Top,
    Trace,
    Traced,
    Unload,
)
from attntui.engine import devices, encoding, loading, predict, run
from attntui.engine.finite import all_finite
from attntui.engine.model import LoadedModel, Work
from attntui.engine.run import Run

Answer = tuple[Reply, list[np.ndarray]]


class Session:
    """Answers requests. Whatever goes wrong is raised; the last good run stays."""

    def __init__(self) -> None:
        self._model: LoadedModel | None = None
        self._run: Run | None = None

    def answer(self, request: Request, work: Work) -> Answer:
        """
        Raises:
            UserError: the user can mend it.
            Cancelled: the call was given up.
        """
        match request:
            case Load():
                return self._load(request, work)
            case Unload():
                self._forget()
                return Done(), []
            case Trace():
                return self._trace(request, work)
            case _:
                return self._look(request, work)

    def recover(self) -> None:
        """Give back memory after a failure, once nothing refers to it."""
        devices.release()

    def _load(self, request: Load, work: Work) -> Answer:
        plan = loading.prepare(request.options, work)
        # From here on the old model is gone; a mistyped name costs nothing.
        self._forget()
        self._model, info = loading.load(plan, work)
        return Loaded(info), []

    def _forget(self) -> None:
        self._model = self._run = None
        devices.release()

    def _trace(self, request: Trace, work: Work) -> Answer:
        loaded = self._held_model()
        encoded = encoding.encode(
            loaded, request.prompt, check_cancel=work.check_cancel, progress=work.progress
        )
        self._run = traced = run.trace(
            loaded, encoded, request.run, check_cancel=work.check_cancel, progress=work.progress
        )
        return Traced(_describe(loaded, traced)), []

    def _look(self, request: Request, work: Work) -> Answer:
        """Answer what is asked of a finished run."""
        loaded, held = self._held_model(), self._held_run(request)
        match request:
            case GetWindow():
                names, arrays = held.window(request)
                return Arrays(held.number, names), arrays
            case GetCellMap(stack=stack, query=query, key=key):
                return Arrays(held.number, ("map",)), [held.cell_map(stack, query, key)]
            case GetStatistics(stack=stack):
                scores, eligible = held.statistics(
                    stack, check_cancel=work.check_cancel, progress=work.progress
                )
                return Statistics(held.number, eligible), [scores]
            case GetTop():
                entries, rest, sink = held.top(request)
                return Top(held.number, tuple(entries), rest, sink), []
            case GetPredictions(position=position, count=count):
                return predict.predictions(loaded, held, position, count), []
            case GetLogits(rows=(start, stop)):
                logits = predict.logits(loaded, held, start, stop)
                return Arrays(held.number, ("logits",)), [logits]
        raise TypeError(f"no answer to {type(request).__name__}")

    def _held_model(self) -> LoadedModel:
        if self._model is None:
            raise UserError("No model is loaded: load one first.")
        return self._model

    def _held_run(self, request: Request) -> Run:
        number = getattr(request, "run", None)
        if self._run is None or self._run.number != number:
            raise UserError(f"Run {number} is no longer held: run the prompt again.")
        return self._run


def _describe(loaded: LoadedModel, traced: Run) -> RunInfo:
    notes = list(traced.encoded.notes)
    if traced.logits is not None and not all_finite(traced.logits):
        notes.append("The model's output holds NaN or infinity: its numbers cannot be trusted.")
    return RunInfo(
        run=traced.number,
        sides=traced.encoded.sides,
        stacks=traced.stacks,
        trust=traced.trust,
        seconds=traced.seconds,
        recorded_bytes=traced.recorded_bytes,
        device_bytes=devices.held(loaded.device),
        truncated=traced.encoded.truncated,
        notes=tuple(notes),
    )
