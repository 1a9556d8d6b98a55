"""The keys that set two runs beside each other: side by side, another model, which heads moved."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from attntui.core.protocol import ModelOptions
from attntui.ui.beside import names
from attntui.ui.screens.editing import FROM_FILE, NOTHING, STILL
from attntui.ui.screens.lensing import Lensing
from attntui.ui.screens.looking import of_a_run
from attntui.ui.screens.opening import another
from attntui.ui.wanted import shifts
from attntui.ui.widgets.attention_grid import AttentionGrid

if TYPE_CHECKING:
    from attntui.ui.memory import Memory
    from attntui.ui.widgets.side_grid import SideGrid

LEAST_WIDTH, LEAST_HEIGHT = 100, 34
"""Columns for two grids beside each other; with fewer, lines for one above the other."""


class Comparing(Lensing):
    """A screen that shows two runs, of one model or of two."""

    memory: Memory
    side_grid: SideGrid | None = None
    """The second grid, once two were in sight; it is hidden while there is one."""

    @of_a_run
    def action_beside(self) -> None:
        """Both grids, or one."""
        look = self.look
        if look.beside:
            self.change(replace(look, beside=False))
        elif not look.is_compared:
            self.say(f"{NOTHING} c pins this run." if look.before is None else STILL)
        elif look.page != "grid":
            self.say("Two runs are side by side in the grid: 1, then B.")
        elif not self._has_room:
            self.say(
                f"There is no room for two grids: {LEAST_WIDTH} columns or {LEAST_HEIGHT} lines"
                " are needed. D goes from one to the other."
            )
        else:
            shown = "after" if look.shown == "before" else look.shown
            self.change(replace(look.showing(shown), beside=True))

    @property
    def _has_room(self) -> bool:
        return self.size.width >= LEAST_WIDTH or self.size.height >= LEAST_HEIGHT

    def show_beside(self) -> None:
        """The second grid, with what the first is compared with, where both are wanted."""
        look = self.look
        other = look.other if look.beside and look.is_compared and look.page == "grid" else None
        self.set_class(other is not None, "-beside")
        side = self.side_grid
        if other is None:
            if side is not None:
                side.part()
            return
        if side is None:
            from attntui.ui.widgets.side_grid import SideGrid

            self.side_grid = side = SideGrid(self.query_one("#grid", AttentionGrid))
            self.query_one("#panes").mount(side, before="#pages")
        side.face(look, other)

    @of_a_run
    def action_compare_with(self) -> None:
        """Pin this run, and run its text in another model."""
        from attntui.ui.screens.model_picker import ModelPicker

        if self.session.file is not None:
            self.say(FROM_FILE)
            return
        recent = [options.model for options in self.memory.models()]
        picker = ModelPicker(self.session.options.model, recent, "Compare with another model")
        self.app.push_screen(picker, self._other_picked)

    def _other_picked(self, name: str | None) -> None:
        if name is not None:
            self.compare_with(another(self.session.options, name))

    def compare_with(self, other: ModelOptions) -> None:
        """Pin the run in sight, load another model and run the text in it."""
        self.keep_run()
        self.change(replace(self.look, beside=self._has_room))
        self.engage(self.session.open(other))

    @of_a_run
    def action_changed(self) -> None:
        """The heads, by how much they changed."""
        if self.look.before is None or self.look.before is self.look.after:
            self.say(f"{NOTHING} c pins this run." if self.look.before is None else STILL)
            return
        self.run_worker(self._list_changed(), group="changed", exclusive=True, exit_on_error=False)

    async def _list_changed(self) -> None:
        from attntui.ui.screens.changed_heads import ChangedHeads

        look = self.look
        found = await self.painter.ask(shifts(look))
        if found is None:
            return
        before, after = names(look)
        here = (look.layer, look.head)
        window = ChangedHeads(f"{after} against {before}", found[1][0], here, look.stack)
        self.app.push_screen(window, self._changed_picked)

    def _changed_picked(self, head: tuple[int, int] | None) -> None:
        if head is not None:
            layer, number = head
            self.change(replace(self.look, layer=layer, head=number, lens="head", map="shift"))
