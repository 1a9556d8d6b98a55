"""What is looked at: one small immutable value. A key changes it; everything shown follows."""

from dataclasses import dataclass, replace
from typing import Literal

from attntui.core.protocol import (
    Head,
    HeadFusion,
    Mean,
    ModelInfo,
    Rollout,
    RunInfo,
    SideInfo,
    Stack,
    StackInfo,
    Token,
    View,
)
from attntui.core.scale import Scale

Lens = Literal["head", "mean", "all", "rollout"]
MapKind = Literal["cell", "previous", "induction"]

MAPS: tuple[MapKind, ...] = ("cell", "previous", "induction")
MEANS: tuple[Lens, ...] = ("head", "mean", "all")


@dataclass(frozen=True)
class Start:
    """How the screen opens, from the command line."""

    layer: int | None = None
    head: int | None = None
    attention: Stack | None = None
    mouse: bool = True
    style: Literal["auto", "shade"] = "auto"
    theme: Literal["auto", "dark", "light"] = "auto"


@dataclass(frozen=True)
class RolloutOptions:
    """Options of attention rollout; the defaults are Abnar & Zuidema's."""

    residual: float = 0.5
    start_layer: int = 0
    head_fusion: HeadFusion = "mean"
    discard_ratio: float = 0.0


@dataclass(frozen=True)
class Look:
    """A run, a head, a cell, and how they are shown."""

    model: ModelInfo | None = None
    run: RunInfo | None = None
    stack: Stack = "self"
    layer: int = 0
    head: int = 0
    query: int = 0
    key: int = 0
    lens: Lens = "head"
    map: MapKind = "cell"
    scale: Scale = "linear"
    rollout: RolloutOptions = RolloutOptions()

    @property
    def stacks(self) -> tuple[StackInfo, ...]:
        """The stacks of the run, or of the model before its first run."""
        if self.run is not None:
            return self.run.stacks
        return self.model.stacks if self.model is not None else ()

    @property
    def stack_info(self) -> StackInfo | None:
        """The stack looked at; None before a model is loaded."""
        return next((stack for stack in self.stacks if stack.name == self.stack), None)

    def side(self, axis: Literal["queries", "keys"]) -> tuple[Token, ...]:
        """The tokens along an axis of the present stack."""
        stack = self.stack_info
        if self.run is None or stack is None:
            return ()
        name = stack.queries if axis == "queries" else stack.keys
        sides: dict[str, SideInfo] = {side.name: side for side in self.run.sides}
        return sides[name].tokens

    @property
    def queries(self) -> tuple[Token, ...]:
        return self.side("queries")

    @property
    def keys(self) -> tuple[Token, ...]:
        return self.side("keys")

    @property
    def view(self) -> View:
        """The matrix looked at, as the engine names it."""
        if self.lens == "head":
            return Head(self.stack, self.layer, self.head)
        if self.lens == "rollout":
            chosen = self.rollout
            return Rollout(
                self.stack,
                chosen.residual,
                chosen.start_layer,
                chosen.head_fusion,
                chosen.discard_ratio,
            )
        return Mean(self.stack, self.layer if self.lens == "mean" else None)

    def settle(self) -> "Look":
        """This look with every index inside the present stack and run."""
        stacks = self.stacks
        if not stacks:
            return self
        stack = self.stack_info or stacks[0]
        layers = len(stack.layers)
        layer = min(max(self.layer, 0), layers - 1)
        if not stack.layers[layer].heads:
            attending = [at for at, info in enumerate(stack.layers) if info.heads]
            layer = min(attending, key=lambda at: abs(at - layer)) if attending else layer
        head = min(max(self.head, 0), max(stack.layers[layer].heads - 1, 0))
        look = replace(self, stack=stack.name, layer=layer, head=head)
        query = min(max(self.query, 0), max(len(look.queries) - 1, 0))
        key = min(max(self.key, 0), max(len(look.keys) - 1, 0))
        return replace(look, query=query, key=key)

    def move_layer(self, step: int) -> "Look":
        """The next layer that has attention, staying where there is none."""
        stack = self.stack_info
        if stack is None:
            return self
        layer = self.layer + step
        while 0 <= layer < len(stack.layers) and not stack.layers[layer].heads:
            layer += 1 if step > 0 else -1
        return replace(self, layer=layer).settle() if 0 <= layer < len(stack.layers) else self

    def move_head(self, step: int) -> "Look":
        return replace(self, head=self.head + step).settle()

    def move_cell(self, down: int, right: int) -> "Look":
        return replace(self, query=self.query + down, key=self.key + right).settle()
