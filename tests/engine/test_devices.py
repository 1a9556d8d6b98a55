"""Which device is taken, and what memory is told of it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from attntui.engine import devices


def test_auto_is_the_cpu_where_there_is_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert devices.choose("auto") == devices.choose("cpu") == torch.device("cpu")


def test_auto_is_the_visible_gpu_with_most_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Three GPUs, of which CUDA sees two; the driver's list has another order."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\necho 'GPU-c, 90000'\necho 'GPU-b, 70000'\necho 'GPU-a, 2000'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    class Properties:
        def __init__(self, device: torch.device) -> None:
            self.uuid = "ab"[device.index]

    monkeypatch.setattr(torch.cuda, "get_device_properties", Properties)
    assert devices.choose("auto") == devices.choose("cuda") == torch.device("cuda", 1)
    with pytest.raises(Exception, match="cuda:0 to cuda:1"):
        devices.choose("cuda:2")


def test_memory_held_grows_with_what_is_held() -> None:
    before = devices.resident()
    ballast = torch.ones(50 * 2**20 // 4)
    assert devices.resident() - before > 40 * 2**20
    del ballast
    devices.release()
    assert devices.resident() - before < 20 * 2**20
    assert (devices.available() or 0) > 2**20


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_unloading_frees_the_gpu(tiny: Callable[[str], Path], work: Any) -> None:
    from attntui.core.protocol import Load, ModelOptions, Unload
    from attntui.engine.session import Session

    session, device = Session(), devices.choose("cuda")
    session.answer(Load(ModelOptions(model=str(tiny("gpt2")), device=str(device))), work)
    assert torch.cuda.memory_allocated(device) > 0
    session.answer(Unload(), work)
    assert torch.cuda.memory_allocated(device) == 0
