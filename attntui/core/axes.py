"""Arrays of attention in whatever axes they come, as layers of (heads, query, key)."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from attntui.core.errors import UserError

Layers = list[np.ndarray | None]
"""Each (heads, queries, keys) float32; None where a layer is not given or has no attention."""

MOST = 10_000
"""No layer or head has a higher number."""

AXES = "it must be (layers, heads, query, key), (heads, query, key) or (query, key)"


def numbers(values: object, name: str) -> np.ndarray:
    """An array of real numbers as float32; `name` is what the user calls it.

    Raises:
        UserError: these are no numbers, or lists of unequal length.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise UserError(f"{name} holds lists of unequal length: {AXES}.") from error
    if array.dtype.kind not in "fiub":
        raise UserError(f"{name} holds no real numbers but {array.dtype}.")
    with np.errstate(over="ignore"):  # infinity is refused below
        return array.astype(np.float32, copy=False)


def split(array: np.ndarray, name: str) -> Layers:
    """The layers of one array: (layers, heads, query, key), or fewer axes for one layer or head.

    Five axes are layers as transformers returns them, stacked: the second is the batch.

    Raises:
        UserError: the array has another number of axes, or several texts.
    """
    if array.ndim == 5:
        return [one_layer(layer, f"layer {at} of {name}") for at, layer in enumerate(array)]
    if array.ndim == 4:
        return list(array)
    return [one_layer(array, name)]


def one_layer(array: np.ndarray, name: str) -> np.ndarray:
    """One layer as (heads, query, key): from that, a batch of one of it, or (query, key).

    Raises:
        UserError: the array has another number of axes, or several texts.
    """
    if array.ndim == 4 and len(array) != 1:
        raise UserError(f"{name} holds {len(array)} texts, its batch: choose one of them.")
    if array.ndim == 4:
        return np.asarray(array[0])
    if array.ndim not in (2, 3):
        raise UserError(f"{name} has {array.ndim} axes: {AXES}.")
    return array if array.ndim == 3 else array[None]


def place(
    layers: Layers, layer_numbers: Sequence[int] | None, head_numbers: Sequence[int] | None
) -> Layers:
    """Layers and heads at their own numbers; None and NaN stand for what is left out between.

    Raises:
        UserError: the numbers do not rise, or are not as many as there are layers or heads.
    """
    if head_numbers is not None:
        layers = [None if layer is None else _spread(layer, head_numbers) for layer in layers]
    if layer_numbers is None:
        return layers
    check_numbers(layer_numbers, len(layers), "layers", MOST)
    placed: Layers = [None] * (layer_numbers[-1] + 1)
    for number, layer in zip(layer_numbers, layers, strict=True):
        placed[number] = layer
    return placed


def _spread(layer: np.ndarray, head_numbers: Sequence[int]) -> np.ndarray:
    check_numbers(head_numbers, len(layer), "heads", MOST)
    count = head_numbers[-1] + 1
    if count == len(layer):
        return layer
    spread = np.full((count, *layer.shape[1:]), np.nan, np.float32)
    spread[list(head_numbers)] = layer
    return spread


def check_numbers(found: Sequence[int], count: int, name: str, most: int) -> None:
    """
    Raises:
        UserError: these are not `count` rising numbers from 0 to below `most`.
    """
    rising = all(a < b for a, b in pairwise(found))
    if len(found) != count or not found or not rising or not 0 <= found[0] <= found[-1] < most:
        raise UserError(
            f"{name} must hold a number for each of the {count} {name} of attention, rising from 0."
        )
