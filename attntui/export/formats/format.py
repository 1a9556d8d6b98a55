"""What every format of numbers can do: take arrays row by row, so that none is ever held whole."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import BinaryIO, ClassVar, NamedTuple

import numpy as np

Entry = Sequence[str] | Sequence[int] | Mapping[str, object]


class Place(NamedTuple):
    """Where a block of rows belongs. Words stand for what has no number, such as a mean."""

    layer: int | str
    head: int | str
    query: int


NOWHERE = Place("", "", 0)
"""The place of an array that is no matrix of weights."""


class Format(ABC):
    """How numbers become bytes on a stream.

    `start` takes the small entries and the shapes of all arrays; then each array comes in that
    order, as `begin` and blocks of rows in C order that together fill its shape; then `finish`.
    """

    bytes_per_weight: ClassVar[int]
    """At least so many, to see early whether a disk is too small."""
    text: ClassVar[bool] = False
    """Whether a terminal or a pipe can take it."""
    matrices_only: ClassVar[bool] = False
    """Whether it has no place for arrays other than matrices of weights."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    @abstractmethod
    def start(
        self, entries: Mapping[str, Entry], shapes: Mapping[str, tuple[int, ...]]
    ) -> None: ...

    @abstractmethod
    def begin(self, name: str) -> None: ...

    @abstractmethod
    def add(self, rows: np.ndarray, place: Place = NOWHERE) -> None: ...

    @abstractmethod
    def finish(self) -> None: ...

    def abandon(self) -> None:
        """Let go of the stream, finished or not; without complaint."""
        return


def is_integers(value: Entry) -> bool:
    """Whether an entry is a list of integers; an empty list is one."""
    return not isinstance(value, Mapping) and all(isinstance(one, int) for one in value)
