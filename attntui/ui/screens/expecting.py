"""The key that masks a token, or, where a model writes on, tells what it expected there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from attntui.core.expected import standing
from attntui.core.protocol import GetLogits, GetPredictions, Predictions, Token
from attntui.core.retyping import replaced
from attntui.render.labels import quote
from attntui.ui.screens.retyping import Retyping, once_it_ran, tokens_of
from attntui.ui.state import Look

if TYPE_CHECKING:
    import numpy as np

NONE = "This model has nothing to say about a single token: it does not predict any."


class Expecting(Retyping):
    """A screen that asks the model for the token at the cursor, as if it had not read it."""

    _masked: Token | None = None
    """What stood where the mask of the newest run is."""

    @once_it_ran
    def action_mask(self) -> None:
        """The token masked in the text; or the list of what was expected there, on and off."""
        model = self.look.model
        if model is None or model.predicts not in {"masked", "next"}:
            self.say(NONE)
        elif model.predicts == "masked":
            self._mask(model.mask_token or "")
        elif self.look.expects:
            self.change(replace(self.look, expects=False))
            self.say("The list is of what comes next again.")
        else:
            self._expect()

    def _mask(self, mask: str) -> None:
        """The token replaced by the mask token; a word, by as many as it has tokens."""
        place, side = self.place(self.look.query), self.look.side("queries")
        if place is None or side is None or self._ran is None:
            return
        first, last = tokens_of(self.look.queries[self.look.query], self.look.query)
        if side.tokens[first].text.strip() == mask:
            self.say("This is masked already; C writes something in its place.")
            return
        self._masked = side.tokens[first]
        change = replaced(self._ran, place, mask * (last - first + 1))
        self.retype(change, f"{quote(place.says)} is masked.")

    def _expect(self) -> None:
        look = replace(self.look, expects=True)
        side, at = look.side("queries"), look.predicted_at
        stack = look.stack_info
        if stack is not None and stack.queries == "encoder":
            self.say("The model writes the decoder's text, not this one: a goes there.")
        elif at < 0 or side is None:
            self.say("Nothing comes before the first token, so nothing was expected there.")
        else:
            self.change(look)
            self.say_how_likely(look, at, side.tokens[at + 1])

    def landed(self, before: Look, look: Look) -> Look | None:
        """See `Retyping`; of a mask also what the model puts there."""
        masked, self._masked = self._masked, None
        found = super().landed(before, look)
        if found is not None and masked is not None:
            self.say_how_likely(found, found.token("queries"), masked)
        return found

    def say_how_likely(self, look: Look, position: int, token: Token) -> None:
        self.run_worker(
            self._ask_how_likely(look, position, token),
            group="expected",
            exclusive=True,
            exit_on_error=False,
        )

    async def _ask_how_likely(self, look: Look, position: int, token: Token) -> None:
        """Say how likely a token is at a position, and what is likeliest."""
        if look.run is None:
            return
        found = await self.painter.ask(GetLogits(look.run.run, (position, position + 1)))
        best = await self.painter.ask(GetPredictions(look.run.run, position, 1))
        if found is None or best is None or not isinstance(best[0], Predictions):
            return
        (likeliest,) = best[0].entries
        self.say(_told(found[1][0][0], token, likeliest.text, likeliest.probability))


def _told(logits: np.ndarray, token: Token, likeliest: str, most: float) -> str:
    """`"cat" has 0.05 there, number 4; the likeliest is "dog" with 0.31.`"""
    probability, rank = standing(logits, token.id)
    has = f"{quote(token.text)} has {probability:.3f} there"
    if rank == 1:
        return f"{has}, more than all others."
    return f"{has}, number {rank:,}; the likeliest is {quote(likeliest)} with {most:.3f}."
