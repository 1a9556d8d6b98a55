"""Which tower, layers and heads of a run are wanted, and what stands along the axes."""

from dataclasses import dataclass

from attntui.core.errors import UserError
from attntui.core.protocol import ModelInfo, RunInfo, SideInfo, Stack, StackInfo, Token, Word
from attntui.core.selection import Selection, choose, describe

Unit = Token | Word
"""What a row or column stands for."""


@dataclass(frozen=True)
class Tower:
    """A stack of a run with the chosen `layers` and `heads`, and what must be said about them."""

    stack: StackInfo
    queries: tuple[Unit, ...]
    keys: tuple[Unit, ...]
    layers: list[int]
    heads: list[int]
    remarks: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(queries, keys)."""
        return len(self.queries), len(self.keys)

    def has(self, layer: int, head: int) -> bool:
        return head < self.stack.layers[layer].heads


def choose_tower(
    model: ModelInfo,
    run: RunInfo,
    wanted: Stack | None,
    layers: Selection = None,
    heads: Selection = None,
    words: bool = False,
) -> Tower:
    """What the user chose, checked against what the run has; axes of tokens, or of `words`.

    Raises:
        UserError: no such stack, layer or head, a chosen layer has no attention, or the run
            knows no words.
    """
    stack = choose_stack(model, run.stacks, wanted)
    remarks = []
    numbers = choose(layers, len(stack.layers), "layer", model.name)
    lost = [number for number in numbers if stack.layers[number].kind == "unrecorded"]
    if lost and layers is not None:
        raise UserError(f"Layer {describe(lost)} was not recorded: name it in --record.")
    if lost:
        remarks.append(f"layers that were not recorded are left out: {describe(lost)}.")
        numbers = [number for number in numbers if number not in lost]
    silent = [number for number in numbers if not stack.layers[number].heads]
    if silent and layers is not None:
        raise UserError(f"Layer {describe(silent)} of {model.name} has no attention.")
    if silent:
        remarks.append(f"layers without attention are left out: {describe(silent)}.")
        numbers = [number for number in numbers if number not in silent]
    counts = [stack.layers[number].heads for number in numbers]
    owner = model.name if layers is None else f"layer {describe(numbers)} of {model.name}"
    chosen = choose(heads, max(counts, default=0), "head", owner)
    if chosen and min(counts) <= chosen[-1]:
        remarks.append("some layers have fewer heads than others: what they lack is NaN.")
    sides = {side.name: _units(side, words) for side in run.sides}
    return Tower(stack, sides[stack.queries], sides[stack.keys], numbers, chosen, tuple(remarks))


def _units(side: SideInfo, words: bool) -> tuple[Unit, ...]:
    if words and not side.words:
        raise UserError("The words of this prompt are not known: leave out --words.")
    return side.words if words else side.tokens


def choose_stack(
    model: ModelInfo, stacks: tuple[StackInfo, ...], wanted: Stack | None
) -> StackInfo:
    """The stack of a model or its run that the user named, else the first.

    Raises:
        UserError: there is no such stack.
    """
    if wanted is None:
        return stacks[0]
    found = next((stack for stack in stacks if stack.name == wanted), None)
    if found is None:
        names = ", ".join(stack.name for stack in stacks)
        raise UserError(
            f"{model.name} has no {wanted} attention"
            + (f"; it has {names}." if len(stacks) > 1 else ": leave out --attention.")
        )
    return found
