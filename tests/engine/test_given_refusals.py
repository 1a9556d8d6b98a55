"""What is no file of attention is refused with a sentence, and nothing in it is run."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from attntui.core.errors import UserError
from attntui.engine import devices
from tests.engine.given_files import TOKENS, A, Opened


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_no_pickle_is_ever_read(saved: Callable[..., Path], tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    trap = np.array([Trap(sprung)] * 5, dtype=object)
    for arrays in (
        {"attention": A, "tokens": trap},
        {"attention": trap, "tokens": TOKENS},
        {"attention": A, "tokens": TOKENS, "layers": trap},
    ):
        with pytest.raises(UserError, match="Python objects, which could run code"):
            Opened(saved(**arrays))
    bare = tmp_path / "bare.npz"
    bare.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(UserError, match="cannot be read as"):
        Opened(bare)
    assert not sprung.exists()


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_a_damaged_file_is_a_sentence(saved: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"given.npz cannot be read as .npz: \S+"):
        Opened(cut(saved(attention=A, tokens=TOKENS)))
    tensors = tmp_path / "given.safetensors"
    save_file({"attention": torch.from_numpy(A)}, tensors, {"tokens": json.dumps(TOKENS)})
    with pytest.raises(UserError, match=r"given.safetensors cannot be read as .safetensors: \S+"):
        Opened(cut(tensors))
    flipped = saved(attention=A, tokens=TOKENS)
    data = bytearray(flipped.read_bytes())
    data[data.index(A.tobytes()[:64]) + 8] ^= 1
    flipped.write_bytes(data)
    with pytest.raises(UserError, match=r"cannot be read.*Bad CRC"):
        Opened(flipped)


def test_what_is_no_such_file_is_a_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", A)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    (tmp_path / "attention.pt").touch()
    for name, sentence in {
        "none.npz": "is no file that can be read",
        ".": "is a folder: name a file",
        "attention.pt": "is neither .npz nor .safetensors: save the attention as one of them",
        "one.npz": "a single array without a name",
    }.items():
        with pytest.raises(UserError, match=sentence):
            Opened(tmp_path / name)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"pattern": A, "tokens": TOKENS}, "holds no array named attention, but pattern, tokens"),
        ({}, "holds no array named attention, but nothing"),
        ({"attention": A}, "attention needs tokens"),
        ({"attention": A, "tokens": [1, 2, 3, 4, 5]}, "tokens of given.npz must be a list of text"),
        ({"attention": A, "tokens": [TOKENS]}, "tokens of given.npz must be a list of texts"),
        ({"attention": A, "tokens": TOKENS[1:]}, "there are 4 tokens"),
        ({"attention": A - 0.5, "tokens": TOKENS}, "no attention weights"),
        ({"attention": A, "tokens": TOKENS, "layers": [1.0, 2, 3]}, "a list of whole numbers"),
        ({"attention": A, "tokens": TOKENS, "layers": [1, 2]}, "a number for each of the 3 layers"),
        ({"attention": A, "tokens": TOKENS, "heads": [0, 10**12]}, "for each of the 2 heads"),
    ],
)
def test_what_is_wrong_is_said(
    saved: Callable[..., Path], arrays: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        Opened(saved(**arrays))


@pytest.mark.parametrize("heads", [None, [0, 9_999]])
def test_a_file_larger_than_memory_is_refused_unread(
    saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, heads: list[int] | None
) -> None:
    chosen = {} if heads is None else {"heads": heads}
    path = saved(attention=A, tokens=TOKENS, **chosen)
    monkeypatch.setattr(devices, "available", lambda: A.nbytes - 1 if heads is None else 10**6)
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", _not_read(A.shape))
    with pytest.raises(UserError, match=r"given.npz needs \S+ \wB of memory and \S+ \wB are free"):
        Opened(path)


def _not_read(shape: tuple[int, ...]) -> Callable[[Any, str], np.ndarray]:
    held = np.lib.npyio.NpzFile.__getitem__

    def read(archive: Any, name: str) -> np.ndarray:
        assert name != "attention", f"{shape} was read"
        return np.asarray(held(archive, name))

    return read
