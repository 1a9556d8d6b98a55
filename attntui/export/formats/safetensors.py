"""The format of model weights: one header with all shapes, then the numbers."""

import json
import math
import struct
from collections.abc import Mapping

import numpy as np

from attntui.export.formats.format import NOWHERE, Entry, Format, Place, is_integers

ALIGNMENT = 8


class Safetensors(Format):
    """Arrays and lists of integers are tensors; all other entries are JSON in the metadata."""

    bytes_per_weight = 4

    def start(self, entries: Mapping[str, Entry], shapes: Mapping[str, tuple[int, ...]]) -> None:
        integers = {
            name: np.asarray(value, "<i8") for name, value in entries.items() if is_integers(value)
        }
        texts = {name: json.dumps(value) for name, value in entries.items() if name not in integers}
        header: dict[str, object] = {"__metadata__": texts}
        at = 0
        tensors = [
            *((name, "I64", 8, array.shape) for name, array in integers.items()),
            *((name, "F32", 4, shape) for name, shape in shapes.items()),
        ]
        for name, dtype, size, shape in tensors:
            end = at + size * math.prod(shape)
            header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
            at = end
        text = json.dumps(header).encode("ascii")
        text += b" " * (-len(text) % ALIGNMENT)
        self._stream.write(struct.pack("<Q", len(text)) + text)
        for array in integers.values():
            self._stream.write(array.tobytes())

    def begin(self, name: str) -> None:
        pass

    def add(self, rows: np.ndarray, place: Place = NOWHERE) -> None:
        self._stream.write(np.ascontiguousarray(rows, dtype="<f4").data.cast("B"))

    def finish(self) -> None:
        pass
