"""The key that swaps neighbouring words: which heads follow them, and which follow their order."""

from dataclasses import replace

from attntui.core.word_order import neighbours
from attntui.ui.screens.editing import FROM_FILE, Editing
from attntui.ui.screens.looking import of_a_run


class Swapping(Editing):
    """A screen whose head map can tell heads that follow words from heads that follow order."""

    @of_a_run
    def action_order(self) -> None:
        """Swap every two words beside each other, one pair at a time; the picture stays."""
        run = self.look.run
        if self.session.file is not None or run is None:
            self.say(FROM_FILE)
            return
        pairs = len(neighbours(run.sides[0]))
        if not pairs:
            self.say("No two words are beside each other here: there is nothing to swap.")
            return
        self.painter.order.go_on()
        self.change(replace(self.look, map="order", swaps=True))
        many = "one pair" if pairs == 1 else f"{pairs} pairs, one at a time"
        self.say(f"Swapping words beside each other, {many}; Esc stops it.")

    def stop_swapping(self) -> bool:
        """Leave the pair that is being swapped, which begins anew; False where none is."""
        done, total = self.painter.order.done(self.look)
        if not self.painter.order.stop(self.look):
            return False
        self.painter.stop(None, "order")
        self.say(f"Stopped after {done} of {total} pairs; Q goes on.")
        return True
