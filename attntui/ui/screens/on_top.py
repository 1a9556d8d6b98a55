"""A screen on top of another, which is left once."""

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

Result = TypeVar("Result")


class OnTop(ModalScreen[Result]):
    """Gives its result the first time that it is dismissed.

    Until it is gone more keys may come, two Enters in one packet: Textual would answer twice, and
    then take away the screen below, the last of the program.
    """

    _is_left = False

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """See `Screen.dismiss`."""
        if self._is_left:
            return AwaitComplete()
        self._is_left = True
        return super().dismiss(result)
