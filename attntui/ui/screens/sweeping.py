"""The keys that switch every head off in turn, to see which of them matters."""

from dataclasses import replace

from attntui.core.protocol import Measure
from attntui.render.labels import quote
from attntui.ui.screens.editing import FROM_FILE, Editing
from attntui.ui.screens.looking import after, of_a_run

PREDICTS_NOTHING = "The model predicts nothing here, so there is nothing to measure."


class Sweeping(Editing):
    """A screen whose head map can tell what each head's being off does."""

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
        if not self.is_present:
            self.say("Heads are switched off in the present run: D goes to it.")
            return
        is_here = look.map == "effect" and look.estimates == estimates
        target = targets[0]
        if look.target is not None and look.target in targets:
            target = after(targets, look.target) if is_here else look.target
        self.change(replace(look, map="effect", target=target, estimates=estimates))
        how = "Estimated in one pass" if estimates else "Each head off in turn"
        self.say(f"{how}: what that does to {self._told(target)}.")

    def _targets(self) -> tuple[Measure, ...]:
        """What there is to measure at the query at the cursor; none where nothing is predicted."""
        found = self.painter.predicted
        if found is None or len(found.entries) < 2:
            return ()
        first, second = self.likeliest[:2]
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
