"""What the engine and the process that fetches for it say to each other: one JSON line each."""

from typing import Literal

from msgspec import Struct


class Wanted(Struct, frozen=True):
    """Which files of a repository; without `names`, those that a model needs."""

    model: str
    revision: str | None = None
    remote_code: bool = False
    names: tuple[str, ...] = ()


class Needs(Struct, frozen=True, tag="needs"):
    """The bytes of all files, and how many are on this machine."""

    total: int
    here: int


class Got(Struct, frozen=True, tag="got"):
    """The bytes that are here now, and what is done besides fetching.

    `hold`: seconds in which nothing will come, because the hub asks to wait. `breaks`: how often
    the client has asked anew by itself.
    """

    here: int
    doing: str = ""
    hold: float = 0.0
    breaks: int = 0


class Fetched(Struct, frozen=True, tag="fetched"):
    folder: str


class Refused(Struct, frozen=True, tag="refused"):
    """Why not, as a sentence. `final`: a copy that is here will not do. `cut`: bytes were coming,
    and another try may go on. `again`: see `TryAgain`."""

    sentence: str
    kind: Literal["final", "unanswered", "cut"]
    again: bool = False


class Broken(Struct, frozen=True, tag="broken"):
    """A fault of ours: a traceback."""

    text: str


Told = Needs | Got | Fetched | Refused | Broken
