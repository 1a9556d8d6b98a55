"""The keys that change the model's attention, and see what changes."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from msgspec import structs
from textual import on
from textual.worker import Worker

from attntui.core.protocol import (
    AblateWith,
    Cut,
    Edits,
    Head,
    Prediction,
    PromptInput,
    RunInfo,
)
from attntui.render.names import edits_name
from attntui.ui.beside import same_model
from attntui.ui.choices import SHOWN
from attntui.ui.messages import EditReady, EditRefused
from attntui.ui.screens.looking import Looking, after, of_a_run

if TYPE_CHECKING:
    from attntui.ui.painter import Painter
    from attntui.ui.session import Session

FROM_FILE = "This attention is from a file: there is no model to change."
ABLATE_WITH: tuple[AblateWith, ...] = get_args(AblateWith)
WRITING = "The model is adding tokens: Esc stops it, and what came stays."
BUSY = "The engine is at work; Esc cancels that."
NO_RUN = "The prompt has not run in the model that is loaded: i, then Enter, runs it."
NOTHING = "Nothing is changed: x switches a head off, Ctrl+X cuts the edge at the cursor."
STILL = "Nothing is other than what is pinned: change text, heads, m, w, or K the model."


class Editing(Looking):
    """A screen whose model can be changed: heads off, edges cut. Each change runs the prompt."""

    session: Session
    painter: Painter
    _unedited: RunInfo | None = None
    """The run of the prompt as it is."""
    _pinned: RunInfo | None = None
    """The run that others are compared with, until it is let go."""
    _origin: tuple[PromptInput, RunInfo] | None = None
    """A changed text, and the run that it was made from, which its own is compared with."""
    _kept: tuple[PromptInput, Edits] | None = None
    """A prompt that is to run with edits of its own, not with the present ones."""
    _pending: Edits | None = None
    """What runs now: a key pressed before it is done changes this, not what is shown."""

    @property
    def _edits(self) -> Edits:
        return self.look.edits if self._pending is None else self._pending

    @of_a_run
    def action_ablate(self) -> None:
        """The head at the cursor off, or on again."""
        head = Head(self.look.stack, self.look.layer, self.look.head)
        edits = self._edits
        off = tuple(each for each in edits.ablated if each != head)
        if len(off) == len(edits.ablated):
            off = (*off, head)
        self.edit(structs.replace(edits, ablated=off))

    @of_a_run
    def action_ablate_with(self) -> None:
        """Zeros in place of what a head gives, or its mean."""
        edits = self._edits
        other = structs.replace(
            edits, ablate_with="mean" if edits.ablate_with == "zero" else "zero"
        )
        if edits.ablated:
            self.edit(other)
        else:
            self.change(replace(self.look, edits=other))
        what = "zeros" if other.ablate_with == "zero" else "its mean over this prompt"
        self.say(f"A head that is off gives {what} in place of its own.")

    @of_a_run
    def action_cut(self) -> None:
        """The edge at the cursor cut in this head, in all heads of the layer, of all layers; whole
        again."""
        look, edits = self.look, self._edits
        at, layer = (look.token("queries"), look.token("keys")), look.layer
        last = len(look.stack_info.layers) - 1 if look.stack_info is not None else 0
        steps = [
            Cut(look.stack, *at, layer, layer, look.head),
            Cut(look.stack, *at, layer, layer),
            Cut(look.stack, *at, 0, last),
        ]
        held = next((number for number, cut in enumerate(steps) if cut in edits.cuts), -1)
        cuts = tuple(cut for cut in edits.cuts if cut not in steps)
        if held + 1 < len(steps):
            cuts = (*cuts, steps[held + 1])
        self.edit(structs.replace(edits, cuts=cuts))

    @of_a_run
    def action_pin(self) -> None:
        """What comes next is compared with this run; again: no longer."""
        if self.session.file is not None:
            self.say(FROM_FILE)
        elif self._pinned is not None:
            self.let_go()
            self.say("No run is pinned any more.")
        else:
            self._origin = None
            self.keep_run()
            self.say("Pinned: change text, view (m, w), heads or model (K); D and B compare.")

    def let_go(self) -> None:
        """Compare with nothing any more, but for the run without edits."""
        self._pinned = self.session.pinned = None
        alone = self.look.showing("after").compare(None, None)
        look = replace(alone, facing=None, before_edits=Edits(), beside=False)
        if look.edits and self._unedited is not look.run:
            look = look.compare(self._unedited, look.run)
        self.change(look)

    def keep_run(self) -> None:
        """Pin what is in sight: the run, and the way it is looked at."""
        look = self.look
        run = look.run
        if run is None:
            return
        edits = look.before_edits if look.shown == "before" else look.edits
        self._pinned, self.session.pinned = run, run.run
        alone = replace(look, before=None, after=None, shown="after", facing=None)
        now = replace(look.showing("after"), facing=alone, before_edits=edits, shown="after")
        self.change(now.compare(run, now.run))

    @of_a_run
    def action_restore(self) -> None:
        """All heads on, all edges whole."""
        if not self._edits:
            pinned = "" if self._pinned is None else " c lets the pinned run go."
            self.say(f"{NOTHING}{pinned}")
            return
        self.edit(Edits(ablate_with=self._edits.ablate_with))
        self.say("The model is as it was.")

    @of_a_run
    def action_next_shown(self) -> None:
        """The run with changes, without, or the difference."""
        look = self.look
        if not look.is_compared:
            self.say(NOTHING if look.before is None else STILL)
            return
        shown = after(SHOWN, look.shown)
        if shown == "before" and look.beside:
            shown = "difference"
        self.change(look.showing(shown))
        if self.look.shown != "difference":
            return
        if self.look.why_apart:
            why = self.look.why_apart
            beside = "" if look.beside else " B shows them side by side."
            self.change(self.look.showing("after"))
            self.say(f"There is no difference to draw: {why}.{beside}")
            return
        if not self.page.shows_differences:
            self.say("Differences are drawn in views 1, 3, 4 and 5; this is the changed run.")
        elif self._pinned is None and not look.edits.cuts and look.layer <= self._first_off:
            self.say(f"Up to layer {self._first_off} nothing changes: later layers read it.")

    @property
    def _first_off(self) -> int:
        """The first layer with a head off, whose output changes and whose weights do not."""
        return min((head.layer for head in self.look.edits.ablated), default=-1)

    @property
    def is_present(self) -> bool:
        """Whether the run in sight is one of the present text: not a pinned one, nor one of the
        text before."""
        look = self.look
        return look.shown != "before" or look.before is None or look.before is self._unedited

    @property
    def likeliest(self) -> list[Prediction]:
        """What is listed, the likeliest in the run in sight first: of two runs, what is likely in
        either is listed."""
        found = self.painter.predicted
        entries = () if found is None else found.entries
        return sorted(entries, key=lambda each: -each.probability)

    @property
    def is_writing(self) -> bool:
        """Whether the model adds tokens now."""
        return False

    def engage(self, work: Coroutine[Any, Any, None]) -> Worker[None]:
        """Put the engine to this work, in place of whatever it does now."""
        self.painter.rest()
        self.session.busy = True
        return self.run_worker(
            work, group="session", description="engine", exclusive=True, exit_on_error=False
        )

    @on(Worker.StateChanged)
    def _engaged_no_more(self, event: Worker.StateChanged) -> None:
        """Work that was given up before it began could not say that it ended."""
        at_work = (each for each in self.workers if each.group == "session")
        if event.worker.group == "session" and all(each.is_finished for each in at_work):
            self.session.rest()

    def edit(self, edits: Edits) -> None:
        """Run the prompt with these edits, or show the run without any."""
        if self.session.file is not None or self.is_writing:
            self._pending = None
            self.say(FROM_FILE if self.session.file is not None else WRITING)
            return
        if self.session.model is None or self.session.base is None:
            self.say(BUSY if self.session.busy else NO_RUN)
            return
        self._origin = None  # of two changes, the newer one is compared
        self._run_with(edits)

    def _run_with(self, edits: Edits) -> None:
        if edits:
            self._pending = edits
            self.engage(self.session.edit(edits))
        elif self._unedited is not None:
            self._pending = None
            self.workers.cancel_group(self, "session")
            look = replace(self.look, edits=edits, run=self._unedited)
            self.change(look.compare(self._pinned, self._unedited))
            self.ran()

    def compare_next(self, prompt: PromptInput) -> None:
        """The run of this changed prompt is compared with the present one, if none is pinned."""
        run = self.look.after or self.look.run
        if run is not None:
            self._origin = prompt, run
            if self._pinned is None:
                self.session.pinned = run.run

    @property
    def _standard(self) -> RunInfo | None:
        """What the present text is compared with: the pinned run, or that of the text before."""
        if self._pinned is not None or self._origin is None:
            return self._pinned
        prompt, run = self._origin
        is_there = prompt is self.session.prompt and run.run in self.session.held
        return run if is_there else None

    def new_run(self, run: RunInfo) -> None:
        """A prompt ran as it is: heads that are off are switched off in it, too."""
        edits, was, self._unedited = self._edits, self._unedited, run
        if self._kept is not None and self._kept[0] is self.session.prompt:
            edits = self._kept[1]
        else:
            if edits and not same_model(was, run):
                self.say("In another model all heads are on.")
                edits = Edits(ablate_with=edits.ablate_with)
            cuts = self.whole_cuts(edits.cuts)
            if len(cuts) < len(edits.cuts):
                self.say("The text changed, so the cut edges are whole again.")
            edits = structs.replace(edits, cuts=cuts)
        self._pending = self._kept = None
        self.look = replace(self.look, edits=edits)
        if self._pinned is not None and self._pinned.run not in self.session.held:
            self._pinned = self.session.pinned = None
            self.look = replace(self.look, facing=None, before_edits=Edits(), beside=False)
            self.say("The pinned run went with its model.")
        if self._standard is None:
            self._origin = self.session.pinned = None
        if edits:
            self._run_with(edits)
            return
        if self._standard is not None:
            is_retyped = self._standard is not self._pinned
            self.change(self.look.compare(self._standard, run, is_retyped))
        self.ran()

    def ran(self) -> None:
        """A run is in sight, as it is to be: nothing runs after it by itself."""

    def whole_cuts(self, cuts: tuple[Cut, ...]) -> tuple[Cut, ...]:
        """The cut edges that another text has too."""
        return ()

    @on(EditReady)
    def _edit_ready(self, message: EditReady) -> None:
        self._pending = None
        is_new = message.edits != self.look.edits
        look = replace(self.look, edits=message.edits)
        standard = self._standard
        is_retyped = standard is not None and standard is not self._pinned
        self.change(look.compare(standard or self._unedited, message.run, is_retyped))
        if is_new:  # else another text, which says what it is itself
            told = ", ".join(edits_name(message.edits))
            self.say(f"{told[:1].upper()}{told[1:]}. D shows the difference, Backspace undoes.")
        self.ran()

    @on(EditRefused)
    def _edit_refused(self, message: EditRefused) -> None:
        self._pending = None
        self.say(message.sentence, severe=True)
