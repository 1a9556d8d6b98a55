"""The key that shows something other than weights: what is passed on, what counts for a logit."""

from dataclasses import replace

from attntui.core.protocol import Target
from attntui.render.labels import quote
from attntui.ui.choices import LENS_PAGES, METHODS, NEEDS_AIM
from attntui.ui.screens.editing import Editing
from attntui.ui.screens.looking import after, of_a_run


class Lensing(Editing):
    """A screen that looks at attention through attribution lenses."""

    @of_a_run
    def action_next_method(self) -> None:
        """Weights, length passed on, x gradient, relevance, flow."""
        look = self.look
        if look.page not in LENS_PAGES:
            self.say("Lenses are seen in the grid and in the text: 1 and 3.")
            return
        method = after(METHODS, look.method)
        found = self.painter.predicted
        while method in NEEDS_AIM and (found is None or not found.entries):
            method = after(METHODS, method)
        if method in NEEDS_AIM and found is not None:
            best = self.likeliest[0]
            aim = Target(found.position, best.id)
            look = replace(look, aim=aim, aim_text=f"{quote(best.text)} at {found.position}")
        self.change(replace(look, method=method))
