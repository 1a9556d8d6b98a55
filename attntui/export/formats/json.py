"""JSON, with the names of the .npz."""

import json
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from attntui.export.formats.format import NOWHERE, Entry, Format, Place
from attntui.export.formats.numerals import numerals


class Json(Format):
    """One object; arrays are nested lists, null for NaN, and all of it is ASCII.

    ASCII, so that a token's control characters stay escaped when the file is printed.
    """

    bytes_per_weight = 3
    text = True

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._opening = "{\n"
        self._shapes: Mapping[str, tuple[int, ...]] = {}
        self._outer: tuple[int, ...] = ()
        self._row = 0

    def start(self, entries: Mapping[str, Entry], shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = shapes
        for name, value in entries.items():
            self._name(name)
            self._write(json.dumps(value))

    def begin(self, name: str) -> None:
        self._name(name)
        self._outer, self._row = self._shapes[name][:-1], 0

    def add(self, rows: np.ndarray, place: Place = NOWHERE) -> None:
        for row in rows:
            opened = _trailing(self._row, self._outer)
            self._row += 1
            closed = _trailing(self._row, self._outer)
            comma = "" if opened == len(self._outer) else ","
            weights = ",".join(numerals(row, "null"))
            self._write(f"{comma}\n{'[' * opened}[{weights}]{']' * closed}")

    def finish(self) -> None:
        self._write("\n}\n")

    def _name(self, name: str) -> None:
        self._write(f"{self._opening}{json.dumps(name)}: ")
        self._opening = ",\n"

    def _write(self, text: str) -> None:
        self._stream.write(text.encode("ascii"))


def _trailing(row: int, outer: tuple[int, ...]) -> int:
    """How many of the lists around row number `row` begin (or, for the next row, end) there."""
    count = 0
    for length in reversed(outer):
        if row % length:
            break
        row //= length
        count += 1
    return count
