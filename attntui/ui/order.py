"""Words swapped, pair by pair: what is asked next, and what it has come to so far."""

from attntui.core.protocol import GetOrder, Stack
from attntui.core.word_order import WordOrder, neighbours
from attntui.ui.state import Look

Swept = tuple[int, Stack]
"""A run's number, and its stack."""


class OrderSweep:
    """The swaps of every run and stack. What is done stays, whatever is looked at next."""

    def __init__(self) -> None:
        self._found: dict[Swept, WordOrder] = {}
        self._stopped: set[Swept] = set()

    def next(self, look: Look) -> GetOrder | None:
        """The pair to swap next; None where all were, or none are to be."""
        key = _key(look)
        if key is None or key in self._stopped:
            return None
        done, words = self.done(look)[0], _words(look)
        return GetOrder(*key, words[done]) if done < len(words) else None

    def put(self, request: GetOrder, sums: object, count: object) -> None:
        self._found.setdefault((request.run, request.stack), WordOrder()).add((sums, count))  # type: ignore[arg-type]

    def found(self, look: Look) -> WordOrder | None:
        key = _key(look)
        return self._found.get(key) if key is not None else None

    def done(self, look: Look) -> tuple[int, int]:
        """How many pairs were swapped, of how many."""
        found = self.found(look)
        return 0 if found is None else found.pairs + found.left_out, len(_words(look))

    def stop(self, look: Look) -> bool:
        """Swap no more of this run; False where nothing is being swapped."""
        key = _key(look)
        if key is None or self.next(look) is None:
            return False
        self._stopped.add(key)
        return True

    def go_on(self) -> None:
        self._stopped.clear()


def _key(look: Look) -> Swept | None:
    is_wanted = look.map == "order" and look.run is not None
    return (look.run.run, look.stack) if is_wanted and look.run is not None else None


def _words(look: Look) -> list[int]:
    return neighbours(look.run.sides[0]) if look.run is not None else []
