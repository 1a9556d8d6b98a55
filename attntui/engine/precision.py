"""Which dtype a model runs in, and whether its weights fit."""

import torch
from transformers import PreTrainedConfig

from attntui.core.errors import UserError
from attntui.core.tokens import sanitise
from attntui.engine import devices, ranks
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
    weights: Weights, dtype: torch.dtype, device: torch.device, name: str, held: int = 0
) -> None:
    """
    Args:
        held: bytes of models that stay, which are not free any more.

    Raises:
        UserError: the weights take more memory than the device has free.
    """
    wanted, free = weights.bytes_as(dtype) // ranks.count(), devices.free(device)
    if free is None or wanted <= free:
        return
    shown = str(dtype).removeprefix("torch.")
    smaller = "" if dtype in HALVES else " a smaller --dtype,"
    pinned = f" beside the pinned run's model, which takes {size(held)}" if held else ""
    raise UserError(
        f"{sanitise(name)} needs {size(wanted)} in {shown} and {device} has {size(free)} free"
        f"{pinned}: use{smaller} another --device, or a smaller model."
    )
