"""Which matrices of a tower a file holds: its heads, their means, rollout."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from attntui.core.protocol import (
    Basis,
    Chosen,
    Flow,
    Gradient,
    Head,
    Lens,
    Mean,
    ModelInfo,
    Norm,
    Reading,
    Relevance,
    Rollout,
    RunInfo,
    View,
)
from attntui.export.tower import Tower, choose_tower


class Matrix(NamedTuple):
    """A matrix of weights, and where a file puts it; `view` is None where a layer lacks a head."""

    view: View | None
    layer: int | str
    head: int | str


@dataclass(frozen=True)
class Section:
    """An array of a file: matrices in C order along `grid`, () for a single one."""

    name: str
    stage: str
    """What is being done while it is read, for the progress line."""
    grid: tuple[int, ...]
    matrices: tuple[Matrix, ...]


@dataclass(frozen=True)
class Numbers:
    """All that a file of numbers holds."""

    tower: Tower
    sections: tuple[Section, ...]
    reading: Reading
    statistics: Basis | None = None
    logits: bool = False

    @property
    def weights(self) -> int:
        """How many weights all matrices have together."""
        return sum(len(one.matrices) for one in self.sections) * math.prod(self.tower.shape)


@dataclass(frozen=True)
class Wanted:
    """What the user wants of a tower. The stack of `rollout` and `lens` is whatever the tower's is,
    and a lens of single heads is wanted of all the tower's."""

    attention: bool = True
    mean: bool = False
    mean_of: tuple[tuple[int, int], ...] = ()
    """Heads, as (layer, head), whose mean is wanted; () for none."""
    rollout: Rollout | None = None
    lens: Lens | None = None


NAMES: dict[type[View], str] = {
    Mean: "mean",
    Chosen: "mean_of",
    Rollout: "rollout",
    Norm: "norm",
    Gradient: "gradient",
    Relevance: "relevance",
    Flow: "flow",
}
"""What the arrays of a file are called."""


def sections(tower: Tower, wanted: Wanted) -> tuple[Section, ...]:
    """Every section that is wanted."""
    found = []
    if wanted.attention:
        found.append(_heads(tower))
    if wanted.mean:
        found.append(_means(tower))
    if wanted.mean_of:
        found.append(_single("mean_of", Chosen(tower.stack.name, wanted.mean_of)))
    if wanted.rollout is not None:
        rollout = msgspec.structs.replace(wanted.rollout, stack=tower.stack.name)
        found.append(_single("rollout", rollout))
    if wanted.lens is not None:
        found.append(_lens(tower, msgspec.structs.replace(wanted.lens, stack=tower.stack.name)))
    return tuple(found)


def numbers_of(model: ModelInfo, run: RunInfo, view: View, reading: Reading) -> Numbers:
    """One view alone, as a file holds it.

    Raises:
        UserError: the run has no such view, or knows no words.
    """
    layer = view.layer if isinstance(view, Head | Mean | Norm | Gradient) else None
    head = view.head if isinstance(view, Head | Norm | Gradient) else None
    layers = None if layer is None else ((layer, layer),)
    heads = None if head is None else ((head, head),)
    tower = choose_tower(model, run, view.stack, layers, heads, reading.words)
    if isinstance(view, Head):
        section = _heads(tower)
    elif isinstance(view, Mean) and layer is not None:
        section = _means(tower)
    elif isinstance(view, Norm | Gradient) and head is not None:
        section = _lens(tower, view)
    else:
        section = _single(NAMES[type(view)], view)
    return Numbers(tower, (section,), reading)


def _heads(tower: Tower) -> Section:
    return _grid(tower, "attention", "reading head", lambda *head: Head(tower.stack.name, *head))


def _lens(tower: Tower, lens: Lens) -> Section:
    name = NAMES[type(lens)]
    if isinstance(lens, Relevance | Flow):
        return _single(name, lens)

    def of_head(layer: int, head: int) -> View:
        return msgspec.structs.replace(lens, layer=layer, head=head)

    return _grid(tower, name, f"reading {name}, head", of_head)


def _grid(tower: Tower, name: str, stage: str, view: Callable[[int, int], View]) -> Section:
    """A view of each head of the tower; what is no weight says so beside the head's number."""
    matrices = tuple(
        Matrix(
            view(layer, head) if tower.has(layer, head) else None,
            layer,
            head if name == "attention" else f"{name} {head}",
        )
        for layer in tower.layers
        for head in tower.heads
    )
    return Section(name, stage, (len(tower.layers), len(tower.heads)), matrices)


def _means(tower: Tower) -> Section:
    matrices = tuple(Matrix(Mean(tower.stack.name, at), at, "mean") for at in tower.layers)
    return Section("mean", "averaging heads, layer", (len(tower.layers),), matrices)


def _single(name: str, view: View) -> Section:
    return Section(name, f"reading {name.replace('_', ' ')}", (), (Matrix(view, "all", name),))
