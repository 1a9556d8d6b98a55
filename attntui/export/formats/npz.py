"""NumPy's archive."""

import io
import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, BinaryIO

import numpy as np

from attntui.export.formats.format import NOWHERE, Entry, Format, Place, is_integers


class Npz(Format):
    """NumPy's archive, uncompressed: `numpy.load(file)` needs no pickle."""

    bytes_per_weight = 4

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._archive = zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED)
        self._member: IO[bytes] | None = None
        self._shapes: Mapping[str, tuple[int, ...]] = {}

    def start(self, entries: Mapping[str, Entry], shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = shapes
        for name, value in entries.items():
            data = json.dumps(value) if isinstance(value, Mapping) else value
            array = np.asarray(data, dtype=np.int64 if is_integers(value) else None)
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            self._archive.writestr(f"{name}.npy", buffer.getvalue())

    def begin(self, name: str) -> None:
        self._end_member()
        # Without force_zip64 a member that turns out larger than 2 GiB fails at its end.
        self._member = self._archive.open(f"{name}.npy", "w", force_zip64=True)
        header = {"descr": "<f4", "fortran_order": False, "shape": self._shapes[name]}
        np.lib.format.write_array_header_1_0(self._member, header)

    def add(self, rows: np.ndarray, place: Place = NOWHERE) -> None:
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
