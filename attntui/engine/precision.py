"""Which dtype a model runs in, and whether its weights fit."""

from collections.abc import Iterator

import torch
from transformers import PreTrainedConfig

from attntui.core import limits
from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions
from attntui.core.tokens import sanitise
from attntui.engine import devices, placement, quantising, ranks
from attntui.engine.refusals import size
from attntui.engine.weights import Weights

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}
HALVES = {torch.float16, torch.bfloat16}


def check(name: str) -> None:
    """
    Raises:
        UserError: there is no dtype of this name.
    """
    if name != "auto" and name not in DTYPES:
        raise UserError(
            f"The dtype '{sanitise(name)}' is unknown: use auto, float32, bfloat16 or float16."
        )


def choose(
    name: str, config: PreTrainedConfig, weights: Weights, device: torch.device
) -> tuple[torch.dtype, str]:
    """The dtype to load in, and a note where it is not the checkpoint's own.

    `auto` is the checkpoint's own, but float32 on a CPU with room to spare: there float16 and
    bfloat16 are slower and less exact.
    """
    if name != "auto":
        return DTYPES[name], ""
    own = _own(config, weights)
    available = devices.available()
    if device.type != "cpu" or own not in HALVES or available is None:
        return own, ""
    if weights.bytes_as(torch.float32) >= available / 2:
        return own, ""
    shown = str(own).removeprefix("torch.")
    return torch.float32, f"The weights are {shown}; on this CPU they run in float32."


def _own(config: PreTrainedConfig, weights: Weights) -> torch.dtype:
    declared = getattr(config, "dtype", None) or getattr(config.get_text_config(), "dtype", None)
    found = declared if isinstance(declared, torch.dtype) else weights.dtype
    return torch.float32 if found not in DTYPES.values() or found is None else found


def check_room(
    weights: Weights,
    dtype: torch.dtype,
    device: torch.device,
    options: ModelOptions,
    config: PreTrainedConfig,
    held: int = 0,
) -> None:
    """
    Args:
        held: bytes of models that stay, which are not free any more.

    Raises:
        UserError: the weights take more memory than the device has free.
    """
    wanted, free = _bytes(weights, dtype, options, config) // ranks.count(), devices.free(device)
    limit = limits.tightest() if device.type == "cpu" else None
    is_mapped = limit is not None and limit.is_address_space
    mapped = weights.stored_bytes if is_mapped else 0  # the files, while they are read
    wanted += mapped
    if free is None or wanted <= free:
        return
    packed = getattr(config, "quantization_config", None) is not None
    shown = "as it is packed" if packed else f"in {str(dtype).removeprefix('torch.')}"
    if options.quantize is not None:
        shown = f"in {options.quantize}"
    where = f"on {device}" if limit is None else limit.where
    pinned = f" beside the pinned run's model, which takes {size(held)}" if held else ""
    *ways, last = _ways(weights, dtype, device, options, config, free - mapped)
    better = f"{', '.join(ways)} or {last}" if ways else last
    raise UserError(
        f"{sanitise(options.model)} needs {size(wanted)} {shown} and {size(free)} are free {where}"
        f"{pinned}: use {better}."
    )


def _bytes(
    weights: Weights, dtype: torch.dtype, options: ModelOptions, config: PreTrainedConfig
) -> int:
    """What the weights take once they are read."""
    if getattr(config, "quantization_config", None) is not None:
        return weights.stored_bytes
    if options.quantize is not None and weights.numbers is not None:
        return quantising.packed_bytes(options.quantize, weights.numbers, dtype, config)
    return weights.bytes_as(dtype)


def _ways(
    weights: Weights,
    dtype: torch.dtype,
    device: torch.device,
    options: ModelOptions,
    config: PreTrainedConfig,
    free: int,
) -> Iterator[str]:
    """What would help, of all that could."""
    packed = getattr(config, "quantization_config", None) is not None or options.quantize
    if not packed and dtype not in HALVES and weights.bytes_as(torch.bfloat16) <= free:
        yield "--dtype bfloat16"
    if not packed and weights.numbers is not None:
        four = quantising.packed_bytes("4bit", weights.numbers, torch.bfloat16, config)
        if four <= free:
            yield "--quantize 4bit"
    if device.type == "cuda" and _bytes(weights, dtype, options, config) <= placement.total_free():
        yield "--device-map auto"
    if device.type == "cuda" or torch.cuda.is_available():
        yield "another --device"
    yield "a smaller model"
