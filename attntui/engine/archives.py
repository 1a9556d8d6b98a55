"""Named arrays and texts in a file: an .npz or a .safetensors, never a pickle.

Shapes are known before any array is read.
"""

import json
import math
import zipfile
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from attntui.core.errors import UserError
from attntui.core.tokens import sanitise, whole_text
from attntui.engine.weights import FLOATS

DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, SafetensorError)
"""What the readers raise for a file that is cut short, or not what its name says."""

MOST_INTEGERS = 10**7
LARGEST_ITEM = 8
"""Bytes of the largest integer."""


def open_archive(path: Path) -> "Archive":
    """
    Raises:
        UserError: there is no such file, it is damaged, or of another kind.
    """
    if not path.is_file():
        what = "is a folder: name a file" if path.is_dir() else "is no file that can be read"
        raise UserError(f"{sanitise(str(path))} {what}.")
    kinds: dict[str, type[Archive]] = {".npz": Npz, ".safetensors": Safetensors}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise UserError(
            f"{sanitise(path.name)} is neither .npz nor .safetensors: save the attention as one of"
            ' them, as with numpy.savez("attention.npz", attention=..., tokens=...).'
        )
    try:
        return kind(path)
    except DAMAGE as error:
        raise UserError(
            f"{sanitise(path.name)} cannot be read as {kind.suffix}: {_reason(error)}."
        ) from error


def _reason(error: BaseException) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return sanitise(reason.splitlines()[0] if reason else type(error).__name__).rstrip(".")


class Archive(ABC):
    """An open file: arrays by name, texts by name."""

    suffix: str

    def __init__(self, path: Path) -> None:
        self.name = sanitise(path.name)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.dtypes: dict[str, str] = {}
        self.item_sizes: dict[str, int] = {}

    def size(self, name: str) -> int:
        """Bytes that an array takes as it is stored; 0 where there is none."""
        return math.prod(self.shapes[name]) * self.item_sizes[name] if name in self.shapes else 0

    def array(self, name: str) -> np.ndarray:
        """
        Raises:
            UserError: the array is damaged, or a pickle.
        """
        if self.dtypes[name] == "object":
            raise UserError(
                f"{name} of {self.name} holds Python objects, which could run code when read: save"
                " it as an array of numbers, tokens as numpy.array(tokens, dtype=str)."
            )
        try:
            return self._read(name)
        except DAMAGE as error:
            raise UserError(f"{name} of {self.name} cannot be read: {_reason(error)}.") from error

    def integers(self, name: str) -> list[int] | None:
        """A list of whole numbers, None where there is none.

        Raises:
            UserError: it holds something else.
        """
        if name not in self.shapes:
            return None
        wrong = UserError(f"{name} of {self.name} must be a list of whole numbers.")
        if math.prod(self.shapes[name]) > MOST_INTEGERS:
            raise wrong
        found = self.array(name)
        if found.ndim > 1 or found.dtype.kind not in "iu":
            raise wrong
        return [int(number) for number in found.reshape(-1)]

    @property
    def meta(self) -> dict[str, Any]:
        """What attntui wrote of where the numbers come from; empty where it did not."""
        try:
            found = json.loads(self._meta_text())
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @abstractmethod
    def texts(self, name: str) -> list[str] | None:
        """A list of texts that can be written as UTF-8, None where there is none.

        Raises:
            UserError: it holds something else.
        """

    @abstractmethod
    def _read(self, name: str) -> np.ndarray: ...

    @abstractmethod
    def _meta_text(self) -> str: ...


class Npz(Archive):
    """NumPy's archive."""

    suffix = ".npz"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        opened = np.load(path, allow_pickle=False)
        if not isinstance(opened, np.lib.npyio.NpzFile) or opened.zip is None:
            raise ValueError("it is a single array without a name")
        self._archive = opened
        for member in opened.zip.namelist():
            if member.endswith(".npy"):
                name = member.removesuffix(".npy")
                self.shapes[name], dtype = _header(opened.zip, member)
                self.dtypes[name], self.item_sizes[name] = dtype.name, dtype.itemsize

    def texts(self, name: str) -> list[str] | None:
        if name not in self.shapes:
            return None
        found = self.array(name)
        if found.ndim != 1 or found.dtype.kind not in "US":
            raise UserError(f"{name} of {self.name} must be a list of texts, one for each token.")
        if found.dtype.kind == "S":
            return [text.decode("utf-8", "replace") for text in found.tolist()]
        return [whole_text(text) for text in found.tolist()]

    def _read(self, name: str) -> np.ndarray:
        return np.asarray(self._archive[name])

    def _meta_text(self) -> str:
        return str(self.array("meta")) if "meta" in self.shapes else ""


def _header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an array in an archive; the array itself is not read."""
    npy = np.lib.format
    with archive.open(member) as stream:
        first = npy.read_magic(stream) == (1, 0)
        shape, _, dtype = (npy.read_array_header_1_0 if first else npy.read_array_header_2_0)(
            stream
        )
    return shape, dtype


class Safetensors(Archive):
    """The format of model weights; texts are JSON in its metadata."""

    suffix = ".safetensors"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = _open_tensors(path)
        self._metadata: dict[str, str] = self._file.metadata() or {}
        for name in self._file.keys():
            tensor = self._file.get_slice(name)
            self.shapes[name] = tuple(tensor.get_shape())
            stored = tensor.get_dtype()
            known = FLOATS.get(stored)
            self.dtypes[name] = str(known or stored).removeprefix("torch.")
            self.item_sizes[name] = known.itemsize if known else LARGEST_ITEM

    def texts(self, name: str) -> list[str] | None:
        if name not in self._metadata:
            return None
        try:
            found = json.loads(self._metadata[name])
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise UserError(
                f"{name} in the metadata of {self.name} must be a JSON list of texts, one for each"
                " token."
            )
        return [whole_text(text) for text in found]

    def _read(self, name: str) -> np.ndarray:
        tensor = self._file.get_tensor(name)
        array: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        return array

    def _meta_text(self) -> str:
        return self._metadata.get("meta", "")


def _open_tensors(path: Path) -> Any:
    return safe_open(path, framework="pt")  # numpy has no bfloat16
