"""What widgets and the session tell the screen."""

from dataclasses import dataclass

from textual.message import Message

from attntui.core.protocol import Edits, ModelInfo, RunInfo
from attntui.ui.state import Look


@dataclass
class CellPicked(Message):
    """A cell was chosen with the mouse, or from a list; None leaves that axis where it is."""

    query: int | None
    key: int | None


@dataclass
class HeadPicked(Message):
    """A head was chosen on the head map; None leaves it where it is."""

    layer: int | None
    head: int | None


class RequestsChanged(Message):
    """The page in sight needs what it did not need before."""


@dataclass
class LookPicked(Message):
    """Another look was chosen with the mouse, inside a page."""

    look: Look


class PromptSubmitted(Message):
    """What is in the prompt's boxes shall run."""


class PromptEdited(Message):
    """Something was typed into one of the prompt's boxes."""


@dataclass
class SecondWanted(Message):
    """The keyboard shall go to the second box, or back to the first."""

    second: bool


class PromptLeft(Message):
    """The user has done with the prompt box."""


@dataclass
class Waiting(Message):
    """Something slow goes on; `share` (0 to 1) where the end is known."""

    what: str
    share: float | None = None


@dataclass
class ModelReady(Message):
    model: ModelInfo


@dataclass
class RunReady(Message):
    run: RunInfo


@dataclass
class EditReady(Message):
    """The prompt ran with edits."""

    edits: Edits
    run: RunInfo


@dataclass
class EditRefused(Message):
    """The prompt could not run with edits; one sentence says why."""

    sentence: str


@dataclass
class CandidatePicked(Message):
    """A prediction was chosen, to go on with: its place in the list."""

    number: int


@dataclass
class Written(Message):
    """The model added tokens; `run` is of the whole text, and `is_run`, whether it is the one that
    is shown now, or the prompt has to run as it is."""

    run: RunInfo
    is_run: bool


@dataclass
class NotWritten(Message):
    """The model adds no more; one sentence says why."""

    sentence: str


@dataclass
class Trouble(Message):
    """One sentence for the user; one that does not last is taken back once a prompt has run."""

    sentence: str
    lasts: bool = False


@dataclass
class Refused(Message):
    """A file of attention cannot be shown, so that there is nothing to stay for."""

    sentence: str


class Idle(Message):
    """Nothing is waited for any more."""
