"""A download that can be watched and given up.

The hub's client has no cancel, and over plain HTTP its progress bars advance only every 10 MB. So
it runs in a thread of its own while the caller watches; a cancelled one ends at its next update,
and what it had fetched is kept for the next try.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from attntui.engine.model import Cancelled, Work

POLL = 0.1
STALL = 30
"""Seconds without a byte after which the progress says so."""


class Bar:
    """Stands in for a tqdm bar, counting and drawing nothing; `update` calls `tell`."""

    def __init__(self, *items: Any, tell: Callable[["Bar"], None], **options: Any) -> None:
        self.items = items[0] if items else options.get("iterable", ())
        self.n = options.get("initial") or 0
        self.total = options.get("total") or (
            len(self.items) if hasattr(self.items, "__len__") else 0
        )
        self.unit = options.get("unit", "")
        self.format_dict: dict[str, Any] = {}
        self._tell = tell

    def update(self, n: float | None = 1) -> None:
        self.n += n or 0
        self._tell(self)

    def __iter__(self) -> Any:
        for item in self.items:
            self._tell(self)
            yield item
            self.n += 1

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        """Every other method of a bar only draws."""
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **options: None


class Download:
    """What one model needs from the network; progress is told once `total` bytes are set."""

    def __init__(self, work: Work) -> None:
        self.total = 0
        self._work = work
        self._bars: list[Bar] = []
        self._abandoned = False

    @property
    def done(self) -> int:
        """Bytes so far."""
        return max((int(bar.n) for bar in self._bars), default=0)

    def run(self, function: Callable[[], Any]) -> Any:
        """Call `function` and wait for its value.

        Raises:
            Cancelled: the call was given up.
            Exception: whatever `function` raised.
        """
        outcome: dict[str, Any] = {}

        def call() -> None:
            try:
                outcome["value"] = function()
            except BaseException as error:
                outcome["error"] = error

        thread = threading.Thread(target=call, name="download", daemon=True)
        thread.start()
        self._watch(thread)
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def _watch(self, thread: threading.Thread) -> None:
        last, since = 0, time.monotonic()
        while thread.is_alive():
            try:
                self._work.check_cancel()
            except Cancelled:
                self._abandoned = True
                raise
            done, now = self.done, time.monotonic()
            if done != last:
                last, since = done, now
            silent = int(now - since)
            stage = "downloading" if silent < STALL else f"downloading: nothing came for {silent} s"
            if self.total:
                self._work.progress(stage, min(done, self.total), self.total, "B")
            thread.join(POLL)

    def bar(self, *items: Any, **options: Any) -> Bar:
        """A bar for the client, which counts the same bytes on two: from the network, to disk."""
        bar = Bar(*items, tell=self._check_abandoned, **options)
        if bar.unit == "B":
            self._bars.append(bar)
        return bar

    def _check_abandoned(self, _: Bar) -> None:
        """End the client's thread, by raising Cancelled, once nobody waits for it."""
        if self._abandoned:
            raise Cancelled
