"""What weight files say of themselves, read from their headers before any weight is."""

import json
import math
import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from attntui.core.errors import UserError
from attntui.core.tokens import sanitise
from attntui.engine import files
from attntui.engine.refusals import size

FLOATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
MAX_HEADER = 100 * 10**6
"""The safetensors format's own limit on its header, in bytes."""
SAFE_UNPICKLER = (2, 10)
"""Older torch runs code from crafted .bin files even with weights_only (CVE-2026-24747)."""


@dataclass(frozen=True)
class Weights:
    """The weights in a folder. `dtype` is the commonest of the floats, None in a pickle."""

    pickled: bool
    stored_bytes: int
    numbers: int | None
    dtype: torch.dtype | None

    def bytes_as(self, dtype: torch.dtype) -> int:
        """Bytes of memory they take in a dtype."""
        return self.stored_bytes if self.numbers is None else self.numbers * dtype.itemsize


def inspect(folder: Path, model: str) -> Weights:
    """Read the headers of a folder's weight files.

    Raises:
        UserError: the folder is no model, or a weight file is missing, cut short or damaged.
    """
    names = [path.name for path in folder.iterdir() if path.is_file()]
    files.check(names, model)
    paths = _shards(folder, files.weights(names))
    stored = sum(path.stat().st_size for path in paths)
    if paths[0].suffix == ".bin":
        _check_unpickler(model)
        return Weights(True, stored, None, None)
    numbers: Counter[str] = Counter()
    for path in paths:
        numbers += _header(path)
    floats = {FLOATS[name]: count for name, count in numbers.items() if name in FLOATS}
    dtype = max(floats, key=lambda each: floats[each], default=None)
    return Weights(False, stored, numbers.total(), dtype)


def _check_unpickler(model: str) -> None:
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < SAFE_UNPICKLER:
        raise UserError(
            f"{sanitise(model)} holds its weights only as a pickle (.bin), which is safe to read "
            f"from torch 2.10 on; this is torch {torch.__version__}: upgrade it, or convert the "
            "weights to safetensors."
        )


def _shards(folder: Path, names: list[str]) -> list[Path]:
    """The files that hold the weights: one, or those that the index names, all of them there."""
    if not names[0].endswith(".index.json"):
        return [folder / names[0]]
    try:
        index = json.loads((folder / names[0]).read_bytes())
        wanted = sorted(set(index["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError):
        raise UserError(f"{names[0]} is damaged: download the model again.") from None
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(wanted)} weight files are missing, {sanitise(missing[0])} "
            "among them: download the model again."
        )
    return [folder / name for name in wanted]


def _header(path: Path) -> Counter[str]:
    """How many numbers of each type a safetensors file holds.

    The format: https://github.com/huggingface/safetensors, "Format".
    """
    name = sanitise(path.name)
    with path.open("rb") as file:
        start = file.read(8)
        if start == b"version ":
            raise UserError(f"{name} is a Git LFS pointer, not weights: run git lfs pull there.")
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else MAX_HEADER + 1
        text = file.read(length) if length <= MAX_HEADER else b""
    try:
        tensors = json.loads(text)
        tensors.pop("__metadata__", None)
        end = 8 + length + max((each["data_offsets"][1] for each in tensors.values()), default=0)
        numbers = Counter[str]()
        for each in tensors.values():
            numbers[each["dtype"]] += math.prod(each["shape"])
    except (ValueError, KeyError, AttributeError, TypeError, IndexError):
        raise UserError(
            f"{name} is damaged: its header cannot be read; download it again."
        ) from None
    held = path.stat().st_size
    if held < end:
        raise UserError(
            f"{name} is cut short: {size(held)} of {size(end)} are there; download it again."
        )
    return numbers
