"""What is waited for, said once it takes long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attntui.core.protocol import Progress
from attntui.core.tokens import sanitise

if TYPE_CHECKING:
    from textual.timer import Timer

LATE = 1.0
"""Seconds of silence after which it is said what an answer waits for."""
PLAIN = "computing"
"""Said of an answer whose progress is not told."""


@dataclass(eq=False)
class Awaited:
    """An answer that is waited for, and how far it is (`share`: 0 to 1, where the end is known)."""

    name: str
    stage: str = PLAIN
    share: float | None = None


class Late:
    """Answers that are waited for; `show` is told of one that takes long, or of none."""

    def __init__(
        self,
        show: Callable[[str, float | None], object],
        set_timer: Callable[[float, Callable[[], None]], "Timer"],
    ) -> None:
        self._show, self._set_timer = show, set_timer
        self._awaited: list[Awaited] = []
        self._late: list[Awaited] = []

    @property
    def awaited(self) -> set[str]:
        """All that are waited for, however short."""
        return {each.name for each in self._awaited}

    @property
    def names(self) -> set[str]:
        """Those that take long."""
        return {each.name for each in self._late}

    @contextmanager
    def waiting(self, name: str) -> Iterator[Callable[[Progress], None]]:
        """While an answer is waited for; what is inside tells how far it is."""
        awaited = Awaited(name)

        def is_late() -> None:
            self._late.append(awaited)
            self.say()

        def tell(progress: Progress) -> None:
            awaited.stage = sanitise(progress.stage)
            awaited.share = progress.done / progress.total if progress.total else None
            if awaited in self._late:
                self.say()

        timer = self._set_timer(LATE, is_late)
        self._awaited.append(awaited)
        try:
            yield tell
        finally:
            self._awaited.remove(awaited)
            timer.stop()
            if awaited in self._late:
                self._late.remove(awaited)
                self.say()

    def say(self) -> None:
        """Show one whose progress is told, if there is any; or that there is none."""
        told = sorted(self._late, key=lambda each: each.stage == PLAIN)
        first = told[0] if told else Awaited("", "")
        self._show(first.stage, first.share)
