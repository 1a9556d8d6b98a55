"""The keys that look into what is said: each head's part of a logit, and what layers would say."""

from dataclasses import replace

from attntui.core.errors import UserError
from attntui.core.head_tables import HeadTable
from attntui.core.protocol import GetAttribution, GetLogitLens, LogitLens, ModelInfo, Target
from attntui.render.labels import quote
from attntui.render.names import direct_parts
from attntui.ui.choices import LENS_SHOWN, NEEDS_AIM, LensShown
from attntui.ui.screens.editing import FROM_FILE
from attntui.ui.screens.lensing import Lensing
from attntui.ui.screens.looking import after, of_a_run
from attntui.ui.wanted import predicts

LIKELIEST = 3
"""Tokens that the logit lens lists for each layer."""
LENS_WORDS: dict[LensShown, str] = {
    "lens": "The lens.",
    "weights": "The weights that the lens is of; D goes on to the difference.",
    "difference": "The lens less the weights, both as shares of their row; D: the lens.",
}
NOTHING_SAID = "The model predicts nothing here, so there is no logit to look at."


class Seeing(Lensing):
    """A screen that takes logits apart."""

    tables: tuple[HeadTable, ...] = ()
    """What files say of heads, of whatever model."""

    def note(self, sentence: str) -> None:
        """Tell the user what nobody asked for."""
        raise NotImplementedError

    def lay_tables(self, model: ModelInfo) -> None:
        """Tables of heads that fit this model colour the head map, from the first of them on."""
        tables, shown, why = [], self.look.map, dict[str, None]()
        for table in self.tables:
            try:
                table.check(model.stacks)
                tables.append(table)
            except UserError as error:
                why[str(error)] = None
        for sentence in why:
            self.note(sentence)
        if tables != [*self.look.tables]:
            kept = shown if not isinstance(shown, HeadTable) else "cell"
            self.look = replace(self.look, tables=tuple(tables), map=tables[0] if tables else kept)

    @of_a_run
    def action_attribution(self) -> None:
        """Colour the head map by what each head adds to a logit directly; again: less another."""
        aims = self._aims()
        if self.session.file is not None or not aims:
            self.say(FROM_FILE if self.session.file is not None else NOTHING_SAID)
            return
        look = self.look
        aim = after(aims, look.aim) if look.map == "direct" and look.aim else self._chosen_aim()
        self.run_worker(
            self._attribute(aim or aims[0]), group="direct", exclusive=True, exit_on_error=False
        )

    @of_a_run
    def action_next_shown(self) -> None:
        """Where a lens is looked at: the lens, the weights it is of, their difference."""
        look = self.look
        if not look.has_lens or (look.before is not None and look.lens_shown == "lens"):
            super().action_next_shown()
            return
        self.change(replace(look, lens_shown=after(LENS_SHOWN, look.lens_shown)))
        self.say(LENS_WORDS[self.look.lens_shown])

    def _aims(self) -> tuple[Target, ...]:
        """The likeliest token's logit at the query at the cursor; the same less the second's."""
        found = self.painter.predicted if predicts(self.look) else None
        if found is None or len(found.entries) < 2:
            return ()
        first, second = self.likeliest[:2]
        return Target(found.position, first.id), Target(found.position, first.id, second.id)

    def _chosen_aim(self) -> Target | None:
        """What a lens or a sweep is about already."""
        look = self.look
        if look.method in NEEDS_AIM:
            return look.aim
        sweep = look.target
        if look.map == "effect" and sweep is not None and sweep.kind == "logit_difference":
            return Target(sweep.position, sweep.token, sweep.foil)
        return None

    async def _attribute(self, aim: Target) -> None:
        run = self.look.run
        answer = None if run is None else await self.painter.ask(GetAttribution(run.run, aim))
        if answer is None or self.look.run is not run:
            return
        heads, rest, logit = answer[1]
        words = self._aim_text(aim)
        self.change(replace(self.look, map="direct", aim=aim, aim_text=words))
        parts = ", ".join(f"{name} {value:+.2f}" for name, value in direct_parts(heads, rest))
        self.say(f"The logit of {words} is {logit[0]:+.2f}: {parts}.")

    def _aim_text(self, aim: Target) -> str:
        """An aim in words; of one that is not listed here, the words that it has."""
        found = self.painter.predicted
        texts = {} if found is None else {each.id: quote(each.text) for each in found.entries}
        if aim == self.look.aim or aim.token not in texts:
            return self.look.aim_text or f"output {aim.token} at {aim.position}"
        less = "" if aim.foil is None else f" less {texts.get(aim.foil, aim.foil)}"
        return f"{texts[aim.token]}{less} at {aim.position}"

    @of_a_run
    def action_logit_lens(self) -> None:
        """Show what the model would say after each layer, at the query at the cursor."""
        if self.session.file is not None or not predicts(self.look):
            self.say(FROM_FILE if self.session.file is not None else NOTHING_SAID)
            return
        self.run_worker(self._logit_lens(), group="lens", exclusive=True, exit_on_error=False)

    async def _logit_lens(self) -> None:
        from attntui.ui.screens.windows import logit_lens_window

        look = self.look
        assert look.run is not None
        at, aim = look.token("queries"), look.aim
        token = aim.token if aim is not None and aim.position == at else None
        answer = await self.painter.ask(GetLogitLens(look.run.run, at, LIKELIEST, token))
        if answer is not None and isinstance(answer[0], LogitLens):
            self.app.push_screen(logit_lens_window(answer[0]))
