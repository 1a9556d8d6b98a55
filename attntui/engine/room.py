"""Whether what a run keeps fits into memory, asked before the model runs.

On a CPU nothing refuses an allocation that is too large: the kernel ends the process instead, and
the model with it.
"""

from attntui.core.errors import UserError
from attntui.core.protocol import SIDES
from attntui.engine import devices
from attntui.engine.late_logits import late_head, logits_bytes
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.refusals import size


def check(loaded: LoadedModel, encoded: Encoded) -> None:
    """
    Raises:
        UserError: the prompt's logits, and its attention where that is whole matrices, alone take
            more memory than the device has free.
    """
    wanted, free = _kept_bytes(loaded, encoded), devices.free(loaded.device)
    if free is None or wanted <= free:
        return
    tokens = sum(len(side.tokens) for side in encoded.sides)
    raise UserError(
        f"A prompt of {tokens:,} tokens needs {size(wanted)} with this model and {loaded.device}"
        f" has {size(free)} free: shorten it, or load the model with --dtype bfloat16 or on another"
        " --device."
    )


def _kept_bytes(loaded: LoadedModel, encoded: Encoded) -> int:
    lengths = {side.name: len(side.tokens) for side in encoded.sides}
    numbers = 0
    if loaded.capture == "eager":
        for stack in loaded.stacks:
            queries, keys = SIDES[stack.name]
            heads = sum(layer.heads for layer in stack.layers)
            numbers += heads * lengths[queries] * lengths[keys]
    logits = 0 if late_head(loaded, encoded) else logits_bytes(loaded, encoded)
    return logits + numbers * loaded.dtype.itemsize
