"""Keys that come after the one that leaves a field."""

from typing import TYPE_CHECKING

from textual import events

if TYPE_CHECKING:
    from textual.widget import Widget as Field
else:
    Field = object  # a widget has the styles and keys of its first base alone


class Leaving(Field):
    """A field that a key leaves. The focus moves a message later, and whoever types fast, or over a
    slow line, has sent the next keys by then: they are meant for what comes after the field."""

    _is_left = False

    def leave(self) -> None:
        """From now on, until the focus has moved, keys are not for this field."""
        self._is_left = True

    def stay(self) -> None:
        """Keys are for this field after all."""
        self._is_left = False

    def on_blur(self) -> None:
        self.stay()

    def passes_on(self, event: events.Key) -> bool:
        """Whether a key is not for this field; it is then sent to what has the focus next."""
        if self._is_left:
            event.stop()
            event.prevent_default()
            self.app.post_message(events.Key(event.key, event.character))
        return self._is_left
