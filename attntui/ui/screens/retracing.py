"""The keys that go back and forth among the runs of the session."""

from textual import on

from attntui.ui.history import NO_EDITS, History, Node, State
from attntui.ui.messages import Idle
from attntui.ui.screens.editing import FROM_FILE, WRITING
from attntui.ui.screens.looking import of_a_run
from attntui.ui.screens.retyping import Landing, Retyping


class Retracing(Retyping):
    """A screen that keeps its runs. To go to one is to run it again: it gives the same."""

    history: History
    _goal: Node | None = None
    """The run that is being gone to."""

    @of_a_run
    def action_step_back(self) -> None:
        """To the run that the present one was made from."""
        here = self._here
        if here is not None and self.is_retyping and self._goal is None:
            self.go_to(here)  # from a changed text that has not run yet
        elif here is not None and here.before is not None:
            self.go_to(here.before)
        elif here is not None:
            self.say("This is the first run of the session.")

    @of_a_run
    def action_step_on(self) -> None:
        """To the newest run that was made from the present one."""
        here = self._here
        if here is not None and here.after:
            self.go_to(here.after[-1])
        elif here is not None:
            self.say("No run was made from this one.")

    @of_a_run
    def action_history(self) -> None:
        """All runs as a tree."""
        from attntui.ui.screens.history_window import HistoryWindow

        def chosen(node: Node | None) -> None:
            if node is not None:
                self.go_to(node)

        if self._here is not None:
            self.app.push_screen(HistoryWindow(self.history), chosen)

    @property
    def _here(self) -> Node | None:
        """Where one is or is going; None, and the user is told, where there is no history."""
        if self.session.file is not None:
            self.say(FROM_FILE)
            return None
        return self._goal or self.history.here

    def go_to(self, node: Node) -> None:
        """Run one of the runs before again: its model, its text, its edits."""
        if self.is_writing:
            self.say(WRITING)
            return
        state, self._goal = node.state, node
        self._origin = None
        is_loaded = state.model == self.session.options and self.session.model is not None
        is_there = state.prompt == self._ran and self.session.prompt is self._ran
        if is_loaded and is_there and self.session.base is not None:
            self.edit(state.edits)
            self.say(f"Back to: {node.change}.")
            return
        self._kept = state.prompt, state.edits
        landing = Landing(state.prompt, says=f"Back to: {node.change}.")
        self.run_prompt(landing, None if is_loaded else state.model)

    @on(Idle)
    def _arrived_or_not(self) -> None:
        """What failed or was cancelled is not gone to any more."""
        if not self.session.busy:
            self._goal = None

    def ran(self) -> None:
        """Keep the run that is in sight."""
        if self.session.file is not None or self._ran is None:
            return
        state = State(self.session.options, self._ran, self.look.edits or NO_EDITS)
        if self._goal is not None and self._goal.state == state:
            self.history.here = self._goal
        self._goal = None
        self.history.add(state)
        super().ran()
