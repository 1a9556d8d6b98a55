"""What the program has to say: one sentence at a time, over the keys at the bottom."""

from time import monotonic
from typing import NamedTuple

from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

SECONDS, SEVERE_SECONDS = 5.0, 12.0
FRESH = 0.3
"""Seconds an answer stays whatever happens: what it tells of may still change the screen."""
READ = 1.5
"""Seconds after which a sentence does not come back, once the answer to a key took its place."""


class Saying(NamedTuple):
    """A sentence made safe. One that can wait comes in its turn; others answer a key, at once."""

    sentence: str
    severe: bool = False
    can_wait: bool = False


class MessageLine(Static):
    """Shows each sentence for a while. An answer takes the place of the answer before it."""

    def __init__(self) -> None:
        super().__init__(id="message")
        self._left: list[Saying] = []
        self._timer: Timer | None = None
        self._since = 0.0
        """When the first of them came into sight."""

    def show(self, saying: Saying) -> None:
        """Say a sentence; one that is said already, or waits, is not said twice."""
        left = [each for each in self._left if each.sentence != saying.sentence]
        if saying.can_wait:
            self._say([*left, saying])
            return
        is_read = left[:1] == self._left[:1] and monotonic() - self._since > READ
        kept = left[1:] if is_read else left
        self._say([saying, *(each for each in kept if each.severe or each.can_wait)])

    def _say(self, sayings: list[Saying]) -> None:
        """Show the first, which keeps its time while it stays the first."""
        before, self._left = self._left[:1], sayings
        if before == sayings[:1] and self._timer is not None and len(sayings) > 1:
            return
        if self._timer is not None:
            self._timer.stop()
        self.display, self._since = bool(sayings), monotonic()
        if sayings:
            first = sayings[0]
            self.set_class(first.severe, "-severe")
            self.update(Content(first.sentence))
            seconds = SEVERE_SECONDS if first.severe else SECONDS
            self._timer = self.set_timer(seconds, self.go_on)

    def take_back(self, sentence: str) -> None:
        """Say it no more: it is not so any longer."""
        left = [each for each in self._left if each.sentence != sentence]
        if left != self._left:
            self._say(left)

    def act(self) -> None:
        """The screen changed after an answer: it is read, or of no use any more."""
        if self._left and not self._left[0].severe and not self._left[0].can_wait:
            if monotonic() - self._since > FRESH:
                self.go_on()

    def go_on(self) -> None:
        """Say what is next; after the last, the keys are in sight again."""
        self._say(self._left[1:])
