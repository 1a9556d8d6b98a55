"""What passes through the modules of a model at one position, and norms as linear maps of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

CLOSE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""How exact a sum must be, of its largest number."""


def close(found: Tensor, expected: Tensor, dtype: torch.dtype) -> bool:
    """Whether two vectors are the same but for rounding in the model's dtype."""
    allowed = CLOSE.get(dtype, CLOSE[torch.float32]) * float(expected.abs().max())
    return bool((found - expected).abs().max() <= allowed)


@dataclass(frozen=True, eq=False)
class Passed:
    """What went into a module and came out, each (size) float64 on the CPU."""

    module: nn.Module
    given: Tensor
    gave: Tensor


@contextmanager
def watching(modules: Sequence[nn.Module], position: int, positions: int) -> Iterator[list[Passed]]:
    """Note what passes through modules at one of a text's positions; other shapes are left out."""
    passed: list[Passed] = []

    def after(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        out = out[0] if isinstance(out, tuple) and out else out
        given = args[0] if args else kwargs.get("hidden_states")
        if _is_stream(given, positions) and _is_stream(out, positions):
            passed.append(Passed(module, _at(given, position), _at(out, position)))

    handles = [module.register_forward_hook(after, with_kwargs=True) for module in modules]
    try:
        yield passed
    finally:
        for handle in handles:
            handle.remove()


def _is_stream(value: Any, positions: int) -> TypeGuard[Tensor]:
    """(1, positions, size), or (positions, size) as some flatten it."""
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.ndim not in (2, 3):
        return False
    return value.numel() == positions * value.shape[-1]


def _at(value: Tensor, position: int) -> Tensor:
    row = value.reshape(-1, value.shape[-1])[position]
    return row.detach().cpu().double()


@dataclass(frozen=True, eq=False)
class Affine:
    """A norm with its scale frozen: gain · x + bias, or gain · (x - mean of x) + bias."""

    gain: Tensor
    bias: Tensor
    centred: bool

    def linear(self, vectors: Tensor) -> Tensor:
        """All but the bias, of vectors (..., size)."""
        if self.centred:
            vectors = vectors - vectors.mean(-1, keepdim=True)
        return vectors * self.gain


def frozen(passed: Passed, dtype: torch.dtype) -> Affine | None:
    """A norm as it was, found by what it makes of 0 and of ±1, whose mean is 0 and whose square 1;
    None where the module is no such map."""
    size = passed.given.shape[0]
    if passed.gave.shape != passed.given.shape:
        return None
    signs = torch.ones(size, dtype=torch.float64)
    signs[1::2] = -1
    where = next(passed.module.parameters(), None)
    # What is on disk is on no device: accelerate moves what it is given.
    device = torch.device("cpu") if where is None or where.is_meta else where.device
    try:
        with torch.no_grad():
            probes = torch.stack([torch.zeros_like(signs), signs])[None].to(device, dtype)
            bias, gain = passed.module(probes)[0].cpu().double()
    except (RuntimeError, TypeError, ValueError, AttributeError):  # a module of another kind
        return None
    gain = (gain - bias) * signs
    for centred in (False, True):
        bare = Affine(gain, bias, centred).linear(passed.given)
        scale = (bare @ (passed.gave - bias)) / (bare @ bare)
        if close(bare * scale + bias, passed.gave, dtype):
            return Affine(gain * scale, bias, centred)
    return None
