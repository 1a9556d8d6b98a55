"""The keys that change the model's attention, and see what changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from msgspec import structs
from textual import on

from attntui.core.protocol import AblateWith, Cut, Edits, Head, Measure, RunInfo
from attntui.render.labels import quote
from attntui.render.names import edits_name
from attntui.ui.messages import EditReady, EditRefused
from attntui.ui.screens.looking import Looking, after, of_a_run
from attntui.ui.state import SHOWN

if TYPE_CHECKING:
    from attntui.ui.painter import Painter
    from attntui.ui.session import Session

FROM_FILE = "This attention is from a file: there is no model to change."
ABLATE_WITH: tuple[AblateWith, ...] = get_args(AblateWith)
PREDICTS_NOTHING = "The model predicts nothing here, so there is nothing to measure."
NOTHING = "Nothing is changed: x switches a head off, Ctrl+X cuts the edge at the cursor."


class Editing(Looking):
    """A screen whose model can be changed: heads off, edges cut. Each change runs the prompt."""

    session: Session
    painter: Painter
    _unedited: RunInfo | None = None
    """The run of the prompt as it is."""
    _pinned: RunInfo | None = None
    """The run that others are compared with, until it is let go."""
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
            self._pinned = self.session.pinned = None
            self.change(self.look.compare(None, None))
            self.say("No run is pinned any more.")
        elif self.look.run is not None:
            self._pinned, self.session.pinned = self.look.run, self.look.run.run
            self.say("Pinned: what you change next, text or model, is compared with this run.")

    @of_a_run
    def action_restore(self) -> None:
        """All heads on, all edges whole."""
        if not self._edits:
            self.say(NOTHING)
            return
        self.edit(Edits(ablate_with=self._edits.ablate_with))
        self.say("The model is as it was.")

    @of_a_run
    def action_next_shown(self) -> None:
        """The run with changes, without, or the difference."""
        if self.look.before is None:
            self.say(NOTHING)
            return
        self.change(self.look.showing(after(SHOWN, self.look.shown)))
        if self.look.shown != "difference":
            return
        if not self.page.shows_differences:
            self.say("Differences are drawn in views 1, 3, 4 and 5; this is the changed run.")
        elif not self.look.edits.cuts and self.look.layer <= self._first_off:
            self.say(f"Up to layer {self._first_off} nothing changes: later layers read it.")

    @property
    def _first_off(self) -> int:
        """The first layer with a head off, whose output changes and whose weights do not."""
        return min((head.layer for head in self.look.edits.ablated), default=-1)

    @of_a_run
    def action_next_effect(self) -> None:
        """Colour the head map by what each head's being off does; again: to something else."""
        self._sweep_for(estimates=False)

    @of_a_run
    def action_estimate(self) -> None:
        """The same, estimated from one backward pass."""
        self._sweep_for(estimates=True)

    def _sweep_for(self, estimates: bool) -> None:
        targets = self._targets()
        if self.session.file is not None or not targets:
            self.say(FROM_FILE if self.session.file is not None else PREDICTS_NOTHING)
            return
        look = self.look
        is_here = look.map == "effect" and look.estimates == estimates
        target = targets[0]
        if look.target is not None and look.target in targets:
            target = after(targets, look.target) if is_here else look.target
        self.change(replace(look, map="effect", target=target, estimates=estimates))
        self.painter.show_effects()
        self.say(f"Each head off in turn: what it does to {self._told(target)}.")

    def _targets(self) -> tuple[Measure, ...]:
        """What there is to measure at the query at the cursor; none where nothing is predicted."""
        found = self.painter.predicted
        if found is None or len(found.entries) < 2:
            return ()
        first, second = found.entries[:2]
        at = found.position
        kinds = [
            Measure("logprob", at, first.id),
            Measure("logit_difference", at, first.id, second.id),
            Measure("divergence", at),
        ]
        if self.look.model is not None and self.look.model.predicts == "next":
            kinds.append(Measure("loss"))
        return tuple(kinds)

    def _told(self, target: Measure) -> str:
        """A target in words."""
        found = self.painter.predicted
        names = {each.id: quote(each.text) for each in found.entries} if found is not None else {}
        token, foil = names.get(target.token, "?"), names.get(target.foil, "?")
        return {
            "logprob": f"log p of {token} at {target.position}",
            "logit_difference": f"the logit of {token} less that of {foil} at {target.position}",
            "divergence": f"all that is predicted at {target.position}, as KL",
            "loss": "the loss of the whole prompt",
        }[target.kind]

    def edit(self, edits: Edits) -> None:
        """Run the prompt with these edits, or show the run without any."""
        if self.session.file is not None:
            self.say(FROM_FILE)
        elif edits:
            self._pending = edits
            self.run_worker(
                self.session.edit(edits),
                group="session",
                description="engine",
                exclusive=True,
                exit_on_error=False,
            )
        elif self._unedited is not None:
            self._pending = None
            self.workers.cancel_group(self, "session")
            look = replace(self.look, edits=edits, run=self._unedited)
            self.change(look.compare(self._beside(self._unedited), self._unedited))

    def new_run(self, run: RunInfo) -> None:
        """A prompt ran as it is: heads that are off are switched off in it, too."""
        edits, self._unedited = self._edits, run
        cuts = self.whole_cuts(edits.cuts)
        if len(cuts) < len(edits.cuts):
            self.say("The text changed, so the cut edges are whole again.")
        self._pending, edits = None, structs.replace(edits, cuts=cuts)
        self.look = replace(self.look, edits=edits)
        if self._pinned is not None and self._pinned.run not in self.session.held:
            self._pinned = self.session.pinned = None
            self.say("The pinned run went with its model.")
        if edits:
            self.edit(edits)
        elif self._pinned is not None:
            self.change(self.look.compare(self._pinned, run))

    def whole_cuts(self, cuts: tuple[Cut, ...]) -> tuple[Cut, ...]:
        """The cut edges that another text has too."""
        return ()

    def _beside(self, run: RunInfo) -> RunInfo | None:
        """What a run without edits is compared with."""
        return None if self._pinned is run else self._pinned

    @on(EditReady)
    def _edit_ready(self, message: EditReady) -> None:
        self._pending = None
        is_new = message.edits != self.look.edits
        look = replace(self.look, edits=message.edits)
        self.change(look.compare(self._pinned or self._unedited, message.run))
        if not is_new:  # another text, which says what it is itself
            return
        changed = ", ".join(edits_name(message.edits))
        self.say(f"{changed[:1].upper()}{changed[1:]}. D shows the difference, Backspace undoes.")

    @on(EditRefused)
    def _edit_refused(self, message: EditRefused) -> None:
        self._pending = None
        self.say(message.sentence, severe=True)
