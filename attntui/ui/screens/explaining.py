"""The keys that open windows of text: what a number means, a head's pattern, the keys, the log."""

from attntui.core.protocol import STATISTICS
from attntui.ui.messages import Idle, Waiting
from attntui.ui.painter import Painter
from attntui.ui.screens.looking import Looking
from attntui.ui.session import Session
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.pattern_pane import PatternPane


class Explaining(Looking):
    """A screen that says what it shows."""

    session: Session
    painter: Painter

    def action_meaning(self) -> None:
        from attntui.ui.meanings import meanings
        from attntui.ui.screens.windows import meaning_window

        self.app.push_screen(meaning_window(meanings(self.look)))

    def action_describe(self) -> None:
        """Not waited for here: keys go on while the heads of a long text are measured."""
        self.run_worker(
            self._describe(),
            group="describe",
            description="describe",
            exclusive=True,
            exit_on_error=False,
        )

    def stop_describing(self) -> bool:
        """Give the measuring up; False where there is none."""
        return bool(self.workers.cancel_group(self, "describe"))

    async def _describe(self) -> None:
        from attntui.ui.screens.windows import pattern_window

        pane = self.query_one(PatternPane)
        if pane.values() is None and self.look.run is not None:
            self.post_message(Waiting("measuring the heads"))
            try:
                await self.painter.measure(self.look)
            finally:
                self.post_message(Idle())
        rows = dict(zip(STATISTICS, self.query_one(HeadMap).eligible, strict=False))
        self.app.push_screen(pattern_window(self.look, pane.pattern(), pane.values(), rows))

    def action_help(self) -> None:
        from attntui.ui.screens.windows import help_window

        self.app.push_screen(help_window(self.app.keys))  # type: ignore[attr-defined]

    def action_log(self) -> None:
        from attntui.ui.screens.windows import log_window

        self.app.push_screen(log_window(self.session.engine.log))
