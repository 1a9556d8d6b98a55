"""A run: one prompt through the model once, and what is kept of it for whoever looks after."""

from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from attntui.core.protocol import SIDES, Hidden, Reading, SideInfo, Stack, StackInfo, Trust, View
from attntui.engine import hidden, room, targets, trust
from attntui.engine.again import Again
from attntui.engine.axis import axis
from attntui.engine.capture import Changes
from attntui.engine.chunks import chunked
from attntui.engine.forward import CheckCancel, Report, forward, held_bytes, never, silent
from attntui.engine.late_logits import LateLogits, Logits, last_row_only, late_head
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.patterns import Measured, measure
from attntui.engine.reading import Reader
from attntui.engine.room import Plan
from attntui.engine.sentences import apart
from attntui.engine.stacks import Tower
from attntui.engine.variants import Variants
from attntui.engine.views import Views


def trace(
    loaded: LoadedModel,
    encoded: Encoded,
    run: int,
    *,
    plan: Plan | None = None,
    changes: Changes | None = None,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> "Run":
    """Run the model on a prompt once and record its attention, as planned (see `room.plan`).

    `check_cancel` is called before every layer and may raise `Cancelled`. `changes`: see `edits`.

    Raises:
        UserError: the model has no attention that can be shown, or the prompt needs more memory
            than there is.
    """
    plan = room.plan(loaded, encoded, whole=bool(changes)) if plan is None else plan
    started = perf_counter()
    head = late_head(loaded, encoded)
    with last_row_only(None if head is None else head.body) as states:
        if plan.in_chunks:
            towers, outputs = chunked(loaded, encoded, check_cancel, progress, plan.recording)
        else:
            towers, outputs = forward(
                loaded, encoded, check_cancel, progress, changes=changes, what=plan.recording
            )
    seconds = perf_counter() - started
    logits = getattr(outputs, "logits", None)
    kept: Logits | None = logits[0] if isinstance(logits, Tensor) else None
    if head is not None and isinstance(kept, Tensor):
        kept = LateLogits(head, torch.cat(states, dim=1)[0], kept.shape[-1])
    return Run(
        number=run,
        encoded=encoded,
        towers=towers,
        trust=trust.check(loaded, towers),
        seconds=seconds,
        recorded_bytes=held_bytes(towers),
        logits=kept,
        separators=targets.separators(loaded.tokenizer),
        again=Again(loaded, encoded, changes or {}, kept),
        plan=plan,
    )


@dataclass(eq=False, repr=False)
class Run:
    """A finished run. Views are computed when somebody looks; means, rollouts, statistics kept."""

    number: int
    encoded: Encoded
    towers: tuple[Tower, ...]
    trust: Trust
    seconds: float
    recorded_bytes: int
    logits: Logits | None
    """(positions, vocabulary) or (classes,), on the model's device and in its dtype."""
    separators: frozenset[int] | None = None
    """Ids of separator tokens, see `targets.text_of`; None: not known, as in a file."""

    again: Again | None = None
    """What it was made of; None where it was read from a file."""
    plan: Plan = field(default_factory=Plan)

    def __post_init__(self) -> None:
        self.stacks: tuple[StackInfo, ...] = tuple(tower.info for tower in self.towers)
        self.views = Views(self.towers, self.again)
        self.variants: Variants | None = None
        """Made by the first sweep."""
        self._measured: dict[Stack, Measured] = {}

    def sides(self, stack: Stack) -> tuple[SideInfo, SideInfo]:
        """The tokens of a stack's queries and keys."""
        by_name = {side.name: side for side in self.encoded.sides}
        queries, keys = SIDES[stack]
        return by_name[queries], by_name[keys]

    def rows(self, view: View, start: int, stop: int) -> np.ndarray:
        """(rows, keys) float32 of a view, by tokens.

        Raises:
            UserError: the view or the rows do not exist.
        """
        rows: np.ndarray = self.views.rows(view, start, stop).cpu().numpy()
        return rows

    def measured(
        self, stack: Stack, check_cancel: CheckCancel = never, progress: Report = silent
    ) -> Measured:
        """The statistics of a stack's heads: measured once, then kept.

        Raises:
            UserError: the run has no such stack.
        """
        tower = self.views.tower(stack)
        if stack not in self._measured:
            text = targets.text_of(*self.sides(stack), self.separators)
            self._measured[stack] = measure(tower, text, check_cancel, progress)
        return self._measured[stack]

    def hidden(
        self,
        stack: Stack,
        words: bool = False,
        check_cancel: CheckCancel = never,
        progress: Report = silent,
    ) -> Hidden:
        """What a reading hides among a stack's keys; sinks are found by its statistics.

        Raises:
            UserError: the run has no such stack.
        """
        received = self.measured(stack, check_cancel, progress).received
        keys = self.sides(stack)[1]
        return hidden.hidden(self.number, keys, received, axis(keys, words))

    def reader(
        self,
        stack: Stack,
        reading: Reading,
        check_cancel: CheckCancel = never,
        progress: Report = silent,
    ) -> Reader:
        """What reads a stack's matrices in a way.

        Raises:
            UserError: the run has no such stack.
        """
        tower = self.views.tower(stack)
        queries, keys = (axis(side, reading.words) for side in self.sides(stack))
        reader = Reader(self.views, tower, queries, keys)
        if reading.sinks != "show":
            found = self.hidden(stack, reading.words, check_cancel, progress)
            hides, scale = hidden.columns(found, keys), reading.sinks == "renormalise"
            reader = replace(reader, hidden=hides, scale=scale)
        if reading.between != "all":
            reader = replace(reader, apart=apart(*self.sides(stack), reading))
        return reader
