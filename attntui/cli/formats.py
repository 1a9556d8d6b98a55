"""Arrays as .npz, .json and .csv, written row by row: no array is ever held whole.

Each format takes small entries with `entry`, and large arrays as `begin` with a shape and then
`add` with blocks of rows, in C order, together exactly filling the shape; at the end `finish`.
"""

import io
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import IO, BinaryIO, Literal, NamedTuple

import numpy as np

FormatName = Literal["npz", "json", "csv"]
Entry = Sequence[str] | Sequence[int] | dict[str, object]


class Place(NamedTuple):
    """Where a block of rows belongs. Words stand for what has no number, such as a mean."""

    layer: int | str
    head: int | str
    query: int


class Format(ABC):
    """How numbers become bytes on a stream."""

    bytes_per_weight: int
    """At least so many, to see early whether a disk is too small."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    @abstractmethod
    def entry(self, name: str, value: Entry) -> None: ...

    @abstractmethod
    def begin(self, name: str, shape: tuple[int, ...]) -> None: ...

    @abstractmethod
    def add(self, rows: np.ndarray, place: Place) -> None: ...

    @abstractmethod
    def finish(self) -> None: ...

    def abandon(self) -> None:
        """Let go of the stream, finished or not; without complaint."""
        return


class Npz(Format):
    """NumPy's archive, uncompressed: `numpy.load(file)` needs no pickle."""

    bytes_per_weight = 4

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._archive = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED)
        self._member: IO[bytes] | None = None

    def entry(self, name: str, value: Entry) -> None:
        self._end_member()
        data = json.dumps(value) if isinstance(value, dict) else value
        empty = not isinstance(value, dict) and not len(value)
        array = np.asarray(data, dtype=np.int64 if empty else None)
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, allow_pickle=False)
        self._archive.writestr(f"{name}.npy", buffer.getvalue())

    def begin(self, name: str, shape: tuple[int, ...]) -> None:
        self._end_member()
        # Without force_zip64 a member that turns out larger than 2 GiB fails at its end.
        self._member = self._archive.open(f"{name}.npy", "w", force_zip64=True)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._member, header)

    def add(self, rows: np.ndarray, place: Place) -> None:
        assert self._member is not None
        self._member.write(np.ascontiguousarray(rows, dtype="<f4").data.cast("B"))

    def finish(self) -> None:
        self._end_member()
        self._archive.close()

    def abandon(self) -> None:
        # Left to the garbage collector, both would print what went wrong a second time.
        with suppress(OSError, ValueError):
            self._end_member()
        with suppress(OSError, ValueError):
            self._archive.close()

    def _end_member(self) -> None:
        member, self._member = self._member, None
        if member is not None:
            member.close()


class Json(Format):
    """One object with the names of the .npz; nested lists, null for NaN, ASCII only.

    ASCII, so that a token's control characters stay escaped when the file is printed.
    """

    bytes_per_weight = 3

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._opening = "{\n"
        self._outer: tuple[int, ...] = ()
        self._row = 0

    def entry(self, name: str, value: Entry) -> None:
        self._name(name)
        self._write(json.dumps(value))

    def begin(self, name: str, shape: tuple[int, ...]) -> None:
        self._name(name)
        self._outer, self._row = shape[:-1], 0

    def add(self, rows: np.ndarray, place: Place) -> None:
        for row in rows:
            opened = _trailing(self._row, self._outer)
            self._row += 1
            closed = _trailing(self._row, self._outer)
            comma = "" if opened == len(self._outer) else ","
            weights = ",".join(_numbers(row, "null"))
            self._write(f"{comma}\n{'[' * opened}[{weights}]{']' * closed}")

    def finish(self) -> None:
        self._write("\n}\n")

    def _name(self, name: str) -> None:
        self._write(f"{self._opening}{json.dumps(name)}: ")
        self._opening = ",\n"

    def _write(self, text: str) -> None:
        self._stream.write(text.encode("ascii"))


class Csv(Format):
    """One line a weight: layer, head, query, key, weight. Tokens and meta have no place in it."""

    bytes_per_weight = 10

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        stream.write(b"layer,head,query,key,weight\n")

    def entry(self, name: str, value: Entry) -> None:
        pass

    def begin(self, name: str, shape: tuple[int, ...]) -> None:
        pass

    def add(self, rows: np.ndarray, place: Place) -> None:
        for query, row in enumerate(rows, place.query):
            start = f"{place.layer},{place.head},{query}"
            lines = (f"{start},{key},{weight}\n" for key, weight in enumerate(_numbers(row, "nan")))
            self._stream.write("".join(lines).encode("ascii"))

    def finish(self) -> None:
        pass


FORMATS: dict[FormatName, type[Format]] = {"npz": Npz, "json": Json, "csv": Csv}


def _trailing(row: int, outer: tuple[int, ...]) -> int:
    """How many of the lists around row number `row` begin (or, for the next row, end) there."""
    count = 0
    for length in reversed(outer):
        if row % length:
            break
        row //= length
        count += 1
    return count


def _numbers(row: np.ndarray, nan: str) -> Iterable[str]:
    """Float32 values as text that reads back as the same float32 (9 digits always do)."""
    if np.isfinite(row).all():
        return ["%.9g" % weight for weight in row.tolist()]  # noqa: UP031
    return ["%.9g" % weight if np.isfinite(weight) else nan for weight in row.tolist()]  # noqa: UP031
