"""The state behind the pipe, one model and its runs, and the answer to each request."""

import gc
from collections.abc import Sequence

from msgspec.structs import replace

from attntui.core import costs
from attntui.core.errors import UserError
from attntui.core.protocol import (
    Arrays,
    Done,
    Edit,
    Generate,
    GetAnswers,
    Keep,
    Load,
    Loaded,
    Open,
    Request,
    RunInfo,
    Trace,
    Traced,
    Unload,
)
from attntui.engine import devices, encoding, given, loading, ranks, room, run
from attntui.engine.again import NO_MODEL
from attntui.engine.answers import Answer, answer
from attntui.engine.edits import changes
from attntui.engine.failures import is_out_of_memory
from attntui.engine.finite import all_finite
from attntui.engine.generating import generate
from attntui.engine.given import GivenRun
from attntui.engine.late_logits import LateLogits, Logits
from attntui.engine.model import Encoded, LoadedModel, Work
from attntui.engine.questions import answers
from attntui.engine.room import Plan
from attntui.engine.run import Run


class Session:
    """Answers requests. Whatever goes wrong is raised; the last good run stays."""

    def __init__(self) -> None:
        self._model: LoadedModel | None = None
        self._given: GivenRun | None = None
        """A file of attention, in a model's place."""
        self._runs: dict[int, Run] = {}

    def answer(self, request: Request, work: Work) -> Answer:
        """
        Raises:
            UserError: the user can mend it.
            Cancelled: the call was given up.
        """
        match request:
            case Load():
                return self._load(request, work)
            case Open(path=path):
                return self._open(path, work)
            case Keep(runs=runs, tight=tight):
                self._runs = {number: self._runs[number] for number in runs if number in self._runs}
                gc.collect()
                if tight:
                    devices.release()
                return Done(), []
            case Unload():
                self._forget()
                return Done(), []
            case Trace():
                return self._trace(request, work)
            case Edit():
                return self._edit(request, work)
            case Generate():
                return self._generate(request, work)
            case GetAnswers():
                return Arrays(0, ("logprob", "logit_difference")), answers(
                    self._held_model(), request, work
                )
            case _:
                if self._given is None:
                    self._held_model()
                held, against = self._held_run(getattr(request, "run", 0)), compared_with(request)
                other = self._held_run(against) if against else None
                loaded = None if held.again is None else held.again.loaded
                return answer(loaded, held, request, work, other)

    def weights(self, request: Request) -> int | None:
        """See `costs.weights`; None also where the run is not held."""
        held = self._runs.get(getattr(request, "run", 0))
        return None if held is None else costs.weights(request, held.stacks, held.encoded.sides)

    def recover(self) -> None:
        """Give back memory after a failure, once nothing refers to it."""
        devices.release()

    def _load(self, request: Load, work: Work) -> Answer:
        plan = ranks.agreed(lambda: loading.prepare(request.options, work))
        # From here on the old model is gone, unless a run of it is kept; a mistyped name costs
        # nothing.
        before = self._model
        kept = {number: self._runs[number] for number in request.keep if number in self._runs}
        held = {id(each.again.loaded): each.again.loaded for each in kept.values() if each.again}
        self._forget()
        self._runs = kept
        if before is not None and id(before) in held:
            self._model = before
        del before
        self._model, info = loading.load(plan, work, tuple(held.values()))
        return Loaded(info), []

    def _open(self, path: str, work: Work) -> Answer:
        # Read before the old model goes: a mistyped name costs nothing.
        found = ranks.agreed(lambda: given.read(path, work))
        self._forget()
        self._given = found
        return Loaded(found.info), []

    def _forget(self) -> None:
        self._model = self._given = None
        self._runs = {}
        devices.release()

    def _trace(self, request: Trace, work: Work) -> Answer:
        if self._given is not None:
            self._runs = {request.run: self._given.run(request.run)}
            return Traced(self._describe(self._runs[request.run])), []
        loaded = self._held_model()
        encoded = encoding.encode(
            loaded, request.prompt, check_cancel=work.check_cancel, progress=work.progress
        )
        traced = self._traced(loaded, encoded, request, work)
        self._hold(traced, request.keep)
        return Traced(self._describe(traced)), []

    def _traced(self, loaded: LoadedModel, encoded: Encoded, request: Trace, work: Work) -> Run:
        """The run; where memory runs out on the way, of a smaller plan if there is one."""
        plan = self._planned(loaded, encoded, request)
        while True:
            try:
                return run.trace(
                    loaded,
                    encoded,
                    request.run,
                    plan=plan,
                    check_cancel=work.check_cancel,
                    progress=work.progress,
                )
            except (MemoryError, RuntimeError) as error:
                smaller = room.smaller(loaded, encoded, plan, request.record)
                if smaller is None or not is_out_of_memory(error):
                    raise
            # Not above: there the traceback's frames still hold the tensors.
            plan = smaller
            self._spare(request)
            work.progress("memory ran out, running again with less")

    def _planned(self, loaded: LoadedModel, encoded: Encoded, request: Trace) -> Plan:
        try:
            return room.plan(loaded, encoded, request.record)
        except UserError:
            if not any(number in self._runs for number in request.spare):
                raise
        self._spare(request)
        return room.plan(loaded, encoded, request.record)

    def _spare(self, request: Trace) -> None:
        """Drop the runs that may go."""
        for number in request.spare:
            self._runs.pop(number, None)
        devices.release()

    def _edit(self, request: Edit, work: Work) -> Answer:
        base = self._held_run(request.base)
        if base.again is None:
            raise UserError(NO_MODEL)
        traced = run.trace(
            base.again.loaded,
            base.encoded,
            request.run,
            plan=room.plan(base.again.loaded, base.encoded, base.plan.record, whole=True),
            changes=changes(base, request.edits),
            check_cancel=work.check_cancel,
            progress=work.progress,
        )
        self._hold(traced, (request.base, *request.keep))
        return Traced(self._describe(traced)), []

    def _generate(self, request: Generate, work: Work) -> Answer:
        base = self._held_run(request.base)
        if self._given is not None:
            raise UserError(NO_MODEL)
        traced, generated = generate(base, request, work)
        self._hold(traced, request.keep)
        return Traced(replace(self._describe(traced), generated=generated)), []

    def _hold(self, newest: Run, keep: Sequence[int]) -> None:
        self._runs = {number: self._runs[number] for number in keep if number in self._runs}
        self._runs[newest.number] = newest

    def _held_model(self) -> LoadedModel:
        if self._model is None:
            raise UserError("No model is loaded: load one first.")
        return self._model

    def _held_run(self, number: int) -> Run:
        if number not in self._runs:
            raise UserError(f"Run {number} is no longer held: run the prompt again.")
        return self._runs[number]

    def _describe(self, traced: Run) -> RunInfo:
        notes = [*traced.encoded.notes, *([traced.plan.note] if traced.plan.note else [])]
        if traced.logits is not None and not _are_finite(traced.logits):
            notes.append("The model's output holds NaN or infinity: its numbers cannot be trusted.")
        loaded = None if traced.again is None else traced.again.loaded
        given_info = None if self._given is None else self._given.info
        return RunInfo(
            run=traced.number,
            sides=traced.encoded.sides,
            stacks=traced.stacks,
            trust=traced.trust,
            seconds=traced.seconds,
            recorded_bytes=traced.recorded_bytes,
            device_bytes=devices.held(given.DEVICE if loaded is None else loaded.device),
            truncated=traced.encoded.truncated,
            notes=tuple(notes),
            model=given_info if loaded is None else loaded.info,
        )


def compared_with(request: Request) -> int:
    """The number of the run that another is compared with; 0 where there is none."""
    reading = getattr(request, "reading", None)
    return int(reading.against if reading is not None else getattr(request, "against", 0))


def _are_finite(logits: Logits) -> bool:
    return all_finite(logits.states if isinstance(logits, LateLogits) else logits)
