"""What went wrong, as the one reply that ends a call."""

import sys
import time
import traceback
from typing import Literal

import torch

from attntui.core.errors import NoRoom, TryAgain, UserError
from attntui.core.protocol import Failed, Load, Request, Trace
from attntui.core.tokens import sanitise
from attntui.engine import ranks
from attntui.engine.model import Cancelled
from attntui.engine.redaction import redacted

STICKY = (
    "device-side assert",
    "illegal memory access",
    "illegal instruction",
    "illegal address",
    "misaligned address",
    "unspecified launch failure",
    "launch timed out",
    "uncorrectable ecc",
    "hardware stack error",
    "invalid program counter",
)
"""CUDA errors after which every later call of the process fails, or answers wrongly."""

KINDS: dict[type[UserError], Literal["again", "room"]] = {TryAgain: "again", NoRoom: "room"}

PARTING_SECONDS = 0.5
"""Until torchrun has seen who ended."""
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory")


def failed(error: BaseException, request: Request) -> tuple[Failed, bool]:
    """The reply for an exception, and whether memory should be given back before going on."""
    heavy = isinstance(request, (Load, Trace))
    if isinstance(error, UserError):
        return Failed(KINDS.get(type(error), "user"), _shown(error)), heavy
    if isinstance(error, Cancelled):
        return Failed("cancelled", "Cancelled."), heavy
    print(redacted("".join(traceback.format_exception(error))), file=sys.stderr)
    if ranks.group() is not None:
        return Failed("fatal", _parted(error)), False
    if is_out_of_memory(error):
        kind: Literal["room", "user"] = "room" if isinstance(request, Trace) else "user"
        return Failed(kind, _reduce(request)), True
    sentence = _sentence(error)
    if is_sticky(error):
        return Failed("fatal", f"The GPU gave up and the engine must restart: {sentence}"), False
    return Failed("fault", sentence), heavy


def _parted(error: BaseException) -> str:
    """The others may be waiting for this rank, or have ended: nothing goes on from here."""
    if "onnect" in str(error):  # gloo: Connection closed by peer, Connection reset
        time.sleep(PARTING_SECONDS)
        return ranks.farewell()
    what = "There is not enough memory on rank 0" if is_out_of_memory(error) else _sentence(error)
    return f"The engine's ranks must start again: {what}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on a GPU or in the machine."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and _mentions(error, OUT_OF_MEMORY)


def is_sticky(error: BaseException) -> bool:
    """Whether the process can compute nothing on its GPU any more."""
    return isinstance(error, RuntimeError) and _mentions(error, STICKY)


def _mentions(error: BaseException, phrases: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return any(phrase in text for phrase in phrases)


def _reduce(request: Request) -> str:
    if isinstance(request, Load):
        return (
            "There is not enough memory for this model: load it with --dtype bfloat16, on another "
            "--device, or choose a smaller one."
        )
    if isinstance(request, Trace):
        return (
            "Memory ran out while this prompt ran: record fewer layers (--record fit), shorten it, "
            "or load the model with --dtype bfloat16 or on another --device."
        )
    return (
        "There is not enough memory to compute this: use a shorter prompt, or free memory that "
        "other programs hold."
    )


def _shown(error: BaseException) -> str:
    return redacted(sanitise(str(error)))


def _sentence(error: BaseException) -> str:
    lines = redacted(str(error)).strip().splitlines()
    return sanitise(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__)
