"""Attention computed elsewhere: whether it is whole, and can be attention at all.

One set of checks and sentences for the engine's file reader and for the Python API.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from attntui.core.axes import Layers
from attntui.core.errors import UserError
from attntui.core.protocol import SIDES, Side, Stack

STACKS: dict[str, Stack] = {
    "attention": "self",
    "encoder_attention": "encoder",
    "decoder_attention": "decoder",
    "cross_attention": "cross",
}
"""What an array is called, and the stack that it is. The names are bertviz's."""

TOKENS: dict[Stack, tuple[str, str]] = {
    "self": ("tokens", "tokens"),
    "encoder": ("encoder_tokens", "encoder_tokens"),
    "decoder": ("decoder_tokens", "decoder_tokens"),
    "cross": ("decoder_tokens", "encoder_tokens"),
}
"""What the texts of a stack's queries and keys are called."""

TEXTS = ("tokens", "key_tokens", "encoder_tokens", "decoder_tokens")

SUM_TOLERANCE = 0.01
"""bfloat16 rows are off by 3e-3; what is off by more is worth a sentence."""
LARGEST_SUM = 2.0
"""No row of weights sums to more: dropout while training doubles them at most, as a rule."""


@dataclass(frozen=True, eq=False)
class Given:
    """Attention that passed the checks: each side's tokens as text, each stack's layers."""

    sides: dict[Side, list[str]]
    stacks: dict[Stack, Layers]
    notes: list[str] = field(default_factory=list)


def assemble(
    weights: Mapping[str, Layers],
    texts: Mapping[str, Sequence[str]],
    stack: Stack = "self",
    learned_sink: bool = False,
) -> Given:
    """Check attention and tokens by their names (`STACKS`, `TOKENS`), and put them together.

    `attention` with `key_tokens` is attention to other tokens than its own; otherwise `stack` says
    what it is. With a learned sink, rows may sum to less than 1.

    Raises:
        UserError: something is missing, of the wrong shape or number, or can be no attention.
    """
    if not weights:
        raise UserError(f"there is no attention: name it {', '.join(STACKS)}.")
    if "attention" in weights and len(weights) > 1:
        raise UserError("give attention, or that of encoder, decoder and cross, but not both.")
    sides: dict[Side, list[str]] = {}
    stacks: dict[Stack, Layers] = {}
    notes: list[str] = []
    for name in (name for name in STACKS if name in weights):
        axes = _tokens_of(name, texts)
        found = stack if name == "attention" else STACKS[name]
        found = "cross" if axes[0] != axes[1] else found
        for side, axis in zip(SIDES[found], axes, strict=True):
            sides[side] = _texts(texts, axis, name)
        layers = [_without_absent(layer) for layer in weights[name]]
        _check_shapes(layers, name, axes, (len(texts[axes[0]]), len(texts[axes[1]])))
        notes += _check_values(layers, name, learned_sink)
        stacks[found] = layers
    return Given(sides, stacks, notes)


def _tokens_of(name: str, texts: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    if name == "attention" and "key_tokens" in texts:
        return "tokens", "key_tokens"
    return TOKENS[STACKS[name]]


def _texts(texts: Mapping[str, Sequence[str]], axis: str, name: str) -> list[str]:
    if axis not in texts:
        raise UserError(f"{name} needs {axis}: a list of texts, one for each token.")
    if not len(texts[axis]):
        raise UserError(f"{axis} is empty: it must hold a text for each token.")
    return list(texts[axis])


def _without_absent(layer: np.ndarray | None) -> np.ndarray | None:
    """A layer without the NaN that stand for heads which it does not have, after its last."""
    if layer is None:
        return None
    present = np.flatnonzero(~np.isnan(layer).all((1, 2)))
    return layer[: present[-1] + 1] if len(present) else None


def _check_shapes(
    layers: Layers, name: str, axes: tuple[str, str], expected: tuple[int, int]
) -> None:
    """
    Raises:
        UserError: there is no layer, or one is not queries x keys as there are tokens.
    """
    shapes = {at: layer.shape[1:] for at, layer in enumerate(layers) if layer is not None}
    if not shapes:
        raise UserError(f"{name} holds nothing: there is no number in it.")
    first = next(iter(shapes.values()))
    for at, shape in shapes.items():
        if shape != first:
            raise UserError(
                f"layer {at} of {name} is {_size(shape)} and another is {_size(first)}: every layer"
                " must have the same queries and keys."
            )
    if first == expected:
        return
    counts = f"{expected[0]} {axes[0]}"
    if axes[0] != axes[1]:
        counts += f" and {expected[1]} {axes[1]}"
    raise UserError(
        f"{name} is {_size(first)} (query x key) and there are {counts}: {_advice(first, expected)}"
    )


def _advice(shape: tuple[int, ...], expected: tuple[int, int]) -> str:
    if shape == expected[::-1]:
        return "swap its last two axes."
    if shape[0] != shape[1] and expected[0] == expected[1]:
        return "where the keys are other tokens than the queries, give theirs as key_tokens."
    return "give one text for each token, special tokens included."


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _check_values(layers: Layers, name: str, learned_sink: bool) -> list[str]:
    """What must be said about the weights.

    Raises:
        UserError: they can be no attention weights.
    """
    low, high, holes = math.inf, -math.inf, 0
    for at, layer in enumerate(layers):
        if layer is None:
            continue
        place = f"layer {at} of {name}"
        _check_sign(layer, place)
        missing = np.isnan(layer)
        blank = missing.all(-1)  # (heads, queries)
        holes += int((missing.any(-1) & ~blank.all(-1, keepdims=True)).sum())
        sums = np.nansum(layer, -1)
        largest = float(sums[~blank].max())
        if largest > 1 + SUM_TOLERANCE:
            _check_sums(layer, largest, place)
        # A row with holes sums to less than 1 as it must.
        whole = sums.min(initial=largest, where=~missing.any(-1))
        low, high = min(low, float(whole)), max(high, largest)
    notes = []
    if holes:
        notes.append(f"{holes} rows of {name} hold NaN, shown as not given.")
    if high > 1 + SUM_TOLERANCE or (low < 1 - SUM_TOLERANCE and not learned_sink):
        notes.append(f"Rows of {name} sum to {low:.2f} to {high:.2f} instead of 1.")
    return notes


def _check_sign(layer: np.ndarray, place: str) -> None:
    smallest, largest = float(np.fmin.reduce(layer, None)), float(np.fmax.reduce(layer, None))
    if smallest < 0 or largest == math.inf:
        worst = smallest if smallest < 0 else largest
        raise UserError(
            f"{place} holds {worst:.3g}: these are no attention weights. Scores become weights by"
            " the softmax over the keys."
        )


def _check_sums(layer: np.ndarray, largest: float, place: str) -> None:
    """Check a layer with a row that sums to more than 1."""
    if np.abs(np.nansum(layer, -2) - 1).max() < SUM_TOLERANCE:
        raise UserError(
            f"in {place} the columns sum to 1 and the rows do not: swap its last two axes, which"
            " must be (query, key)."
        )
    if largest > LARGEST_SUM:
        raise UserError(
            f"a row of {place} sums to {largest:.3g}: these are no attention weights, whose rows"
            " sum to 1."
        )
