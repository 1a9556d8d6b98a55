"""Room for what a backward pass needs of a forward: something of every layer."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.distributed.tensor import DTensor

from attntui.core.errors import UserError
from attntui.engine import devices, ranks
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.refusals import size
from attntui.engine.room import SPARE


@contextmanager
def kept_graph(loaded: LoadedModel, encoded: Encoded) -> Iterator[None]:
    """A forward whose graph is kept. Where that comes to more than there is, it is given up.

    Each family keeps other tensors, so that it is known only as they come.

    Raises:
        UserError: there is no room.
    """
    seen = {_here(each).untyped_storage().data_ptr() for each in loaded.model.parameters()}
    free: dict[torch.device, int | None] = {}
    kept: dict[torch.device, int] = {}
    given_back: set[torch.device] = set()

    def keep(tensor: Tensor) -> Tensor:
        storage, device = _here(tensor).untyped_storage(), tensor.device
        if storage.data_ptr() in seen:
            return tensor
        if device not in free:
            free[device] = devices.free(device)
        seen.add(storage.data_ptr())
        kept[device] = kept.get(device, 0) + storage.nbytes()
        there = free[device]
        is_alone = ranks.group() is None  # what is free is asked of all ranks together
        is_over = there is not None and kept[device] + SPARE > there
        if is_over and is_alone and device not in given_back:
            devices.release()  # what this process has free, and has not given back, counts as taken
            given_back.add(device)
            there = free[device] = kept[device] + (devices.free(device) or 0)
        if there is not None and kept[device] + SPARE > there:
            raise UserError(
                f"a gradient keeps what every layer makes of {len(encoded.sides[0].tokens):,}"
                f" tokens, which is more than the {size(there)} that are free on {device}: shorten"
                " the prompt."
            )
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        yield


def _here(tensor: Tensor) -> Tensor:
    """What a rank holds of a tensor that several share: such a one has no storage of its own."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
