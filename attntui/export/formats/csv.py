"""Comma-separated values."""

from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from attntui.export.formats.format import NOWHERE, Entry, Format, Place
from attntui.export.formats.numerals import numerals


class Csv(Format):
    """One line a weight: layer, head, query, key, weight. Tokens and meta have no place in it."""

    bytes_per_weight = 10
    text = True
    matrices_only = True

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        stream.write(b"layer,head,query,key,weight\n")

    def start(self, entries: Mapping[str, Entry], shapes: Mapping[str, tuple[int, ...]]) -> None:
        pass

    def begin(self, name: str) -> None:
        pass

    def add(self, rows: np.ndarray, place: Place = NOWHERE) -> None:
        for query, row in enumerate(rows, place.query):
            start = f"{place.layer},{place.head},{query}"
            lines = (f"{start},{key},{weight}\n" for key, weight in enumerate(numerals(row, "nan")))
            self._stream.write("".join(lines).encode("ascii"))

    def finish(self) -> None:
        pass
