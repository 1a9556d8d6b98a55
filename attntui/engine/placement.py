"""A model spread over several devices, as accelerate's `device_map` does it.

Layers run one after the other, each where its weights are; those on the CPU or on disk beside a GPU
are moved to that for the moment they run. What is recorded of a layer stays where it ran.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import groupby
from typing import Any

import torch
from torch import nn

from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions
from attntui.core.tokens import sanitise
from attntui.engine import devices
from attntui.engine.forward import outermost_lists

ACCELERATE = "'attntui[accelerate]', in a clone pip install '.[accelerate]'"
SHARE = 0.8
"""Of each device's free memory for weights; the rest is for what runs are recorded in."""
UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_ITEM = re.compile(r"\s*(?:cuda:)?(\d{1,3}|cpu)\s*=\s*(\d+(?:\.\d+)?)\s*([MGT]B)\s*", re.IGNORECASE)


def check(options: ModelOptions) -> None:
    """
    Raises:
        UserError: what is asked for needs a package that is not here, or cannot go together.
    """
    if options.max_memory is not None:
        if options.device_map is None:
            raise UserError("--max-memory is of --device-map auto: give both, or neither.")
        _given(options.max_memory)
    if options.device_map is None:
        return
    if options.device_map != "auto":
        raise UserError(f"--device-map is auto or nothing, not '{sanitise(options.device_map)}'.")
    if options.device != "auto":
        raise UserError("--device-map spreads a model over all devices: leave out --device.")
    if options.adapter is not None:
        raise UserError("An adapter is merged into weights in one place: leave out --device-map.")
    if find_spec("accelerate") is None:
        raise UserError(f"--device-map needs a package that is not here: pip install {ACCELERATE}")


def arguments(options: ModelOptions) -> dict[str, Any]:
    """What `from_pretrained` is told of where the weights go. Nothing is written to a disk: what
    does not fit is read from the checkpoint itself each time it runs."""
    if options.device_map is None:
        return {}
    most = _free() if options.max_memory is None else _given(options.max_memory)
    return {"device_map": options.device_map, "max_memory": most}


def _given(text: str) -> dict[int | str, int]:
    """`0=20GB,cpu=40GB`: bytes of weights by device, those that are not named get none.

    Raises:
        UserError: it is no such list.
    """
    found: dict[int | str, int] = {}
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise UserError(f"--max-memory {text!r} is no list such as 0=20GB,cpu=40GB.")
        name = match[1].lower()
        key: int | str = name if name == "cpu" else int(name)
        found[key] = int(float(match[2]) * UNITS[match[3].upper()])
    return found


def _free() -> dict[int | str, int]:
    """Bytes of weights by device. accelerate's own figures know of no limit but the machine's."""
    found: dict[int | str, int] = {}
    for at in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found[at] = int(SHARE * (devices.free(torch.device("cuda", at)) or 0))
    found["cpu"] = int(SHARE * (devices.available() or 0))
    return found


def total_free() -> int:
    """Bytes of weights that all devices together have room for, without a disk."""
    return sum(_free().values())


def device_of(model: nn.Module, otherwise: torch.device) -> torch.device:
    """Where a spread model takes its input."""
    places = getattr(model, "hf_device_map", None)
    if not places:
        return otherwise
    gpus = [place for place in places.values() if place not in ("cpu", "disk")]
    return torch.device(_named(gpus[0])) if gpus else torch.device("cpu")


def described(model: nn.Module) -> str:
    """`layers 0-15 on cuda:0, 16-31 on cpu, the rest on cuda:0`; empty of a model in one place."""
    places: dict[str, Any] = getattr(model, "hf_device_map", None) or {}
    kinds = {str(place) for place in places.values()}
    if len(kinds) < 2:
        return "everything on disk" if kinds == {"disk"} else ""
    names = {id(module): name for name, module in model.named_modules()}
    parts: list[str] = []
    inside: list[str] = []
    for layers in outermost_lists(model):
        found = [names[id(layer)] for layer in layers]
        inside += found
        title = "layers" if not parts else names[id(layers)]
        spans = [
            f"{_span([number for number, _ in group])} on {place}"
            for place, group in groupby(
                enumerate(_place(places, name) for name in found), key=lambda pair: pair[1]
            )
        ]
        parts.append(f"{title} {', '.join(spans)}")
    others = {
        _named(place)
        for name, place in places.items()
        if not any(f"{name}.".startswith(f"{each}.") for each in inside)
        and not any(each.startswith(f"{name}.") for each in inside)
    }
    if others:
        parts.append(f"the rest on {' and '.join(sorted(others))}")
    return sanitise("; ".join(parts))


def notes(model: nn.Module, device: torch.device) -> list[str]:
    """What should be known of a model whose weights are not all where they run."""
    places = {_named(place) for place in (getattr(model, "hf_device_map", None) or {}).values()}
    away = sorted(place for place in places if place == "disk" or device.type != place == "cpu")
    if not away:
        return []
    return [
        f"{described(model)}: what is on {' or '.join(away)} is moved each time it runs, slowly."
    ]


def _place(places: dict[str, Any], name: str) -> str:
    """Where a module's weights are; a layer that is split is where each of its parts is."""
    parents = [name[:at] for at in range(len(name), -1, -1) if at == len(name) or name[at] == "."]
    found = next((places[each] for each in (*parents, "") if each in places), None)
    if found is not None:
        return _named(found)
    parts = {_named(place) for each, place in places.items() if each.startswith(f"{name}.")}
    return "+".join(sorted(parts))


def _named(place: Any) -> str:
    return f"cuda:{place}" if isinstance(place, int) else str(place)


def _span(numbers: list[int]) -> str:
    return f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"


@contextmanager
def in_place(module: nn.Module) -> Iterator[None]:
    """In this block a module's weights are where they run, wherever they wait for that."""
    if not hasattr(module, "_hf_hook"):
        yield
        return
    from accelerate.utils import align_module_device

    with align_module_device(module):
        yield
