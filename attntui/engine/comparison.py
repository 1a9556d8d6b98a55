"""Two runs of one stack, token beside token: what is left of one when the other is taken away.

The runs may be of two models. Tokens stand beside each other by their texts, heads by their names:
what only one of the models has is not compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from msgspec.structs import replace as replace_struct
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.matching import UNMATCHED, counterparts
from attntui.core.protocol import (
    Gradient,
    Head,
    LessWeights,
    Norm,
    Reading,
    Relevance,
    SideInfo,
    Stack,
    View,
)
from attntui.engine.model import LoadedModel, title
from attntui.engine.outputs import same_outputs

if TYPE_CHECKING:
    from attntui.engine.reading import Reader, Rows
    from attntui.engine.run import Run
    from attntui.engine.stacks import Tower


@dataclass(frozen=True, eq=False)
class Comparison:
    """The run that is taken away, and where its positions are for those of this one."""

    other: Reader
    queries: Tensor
    """(queries) on the CPU: the counterpart's position, -1 where there is none."""
    keys: Tensor
    tower: Tower
    """This run's own."""
    models: tuple[LoadedModel | None, LoadedModel | None]
    """This run's model and the other's; None: the run was read from a file."""
    outputs: tuple[SideInfo, SideInfo]
    """The tokens that outputs stand at, this run's and the other's."""
    view: View | None = None
    """What is read of the other run; None: the same as of this one."""

    def less(
        self,
        rows: Rows,
        start: int,
        stop: int,
        read: Callable[[Reader, int, int], Rows],
        heads: int | None = None,
    ) -> Rows:
        """Rows without the other run's, 0 where there is no counterpart.

        `read` reads rows of the other run as these were read. Of rows of several heads, the first
        `heads` are in both runs; the others become NaN.
        """
        queries = self.queries[start:stop]
        lines = torch.nonzero(queries != UNMATCHED)[:, 0]
        weights = torch.zeros_like(rows.weights)
        if len(lines) and heads != 0:
            known = queries[lines]
            first, last = int(known.min()), int(known.max()) + 1
            theirs = read(self.other, first, last).weights[:heads].to(weights.device)
            theirs = theirs[..., known - first, :][..., self.keys.clamp_min(0)]
            ours = rows.weights[:heads, ...] if heads is not None else rows.weights
            weights[:heads, ...][..., lines, :] = ours[..., lines, :] - theirs
            weights[..., self.keys == UNMATCHED] = 0
        if heads is not None:
            weights[heads:] = torch.nan
        return replace(rows, weights=weights)

    def theirs(self, view: View) -> View:
        """What is read of the other run: a logit that is explained is that of the token beside it.

        Raises:
            UserError: there is no token beside it.
        """
        if self.view is not None:
            return self.view
        if isinstance(view, LessWeights):
            of = self.theirs(view.of)
            return LessWeights(of) if isinstance(of, Gradient | Relevance) else view
        sides = self.outputs
        if not isinstance(view, Gradient | Relevance) or sides[0].tokens == sides[1].tokens:
            return view
        if not 0 <= view.target.position < len(sides[0].tokens):
            return view  # which is refused when it is read
        place = int(_counterparts(*sides, words=False)[view.target.position])
        if place == UNMATCHED:
            raise UserError(
                "the token whose logit this lens explains has no counterpart in the other run."
            )
        return replace_struct(view, target=replace_struct(view.target, position=place))

    def heads(self, layer: int) -> int:
        """How many heads of a layer are in both runs."""
        towers = self.tower.layers, self.other.tower.layers
        both = [layers[layer] if layer < len(layers) else None for layers in towers]
        return min(0 if each is None else each.info.heads for each in both)

    def check(self, view: View) -> None:
        """
        Raises:
            UserError: the other run has nothing of the kind.
        """
        if self.view is not None:
            return
        ours, theirs = self.models
        if isinstance(view, Gradient | Relevance) and ours and theirs:
            if not same_outputs(ours, theirs):
                raise UserError(
                    f"{title(theirs)} has other outputs than {title(ours)}: the logit that this"
                    " lens explains is none of its own."
                )
        layer = getattr(view, "layer", None)
        if not isinstance(view, Head | Norm | Gradient) or layer is None:
            return
        head = -1 if view.head is None else view.head
        if layer < len(self.tower.layers) and head >= self.heads(layer):
            shapes = " and ".join(
                f"{name} {_shape(tower)}"
                for name, tower in zip(
                    map(_named, self.models), (self.tower, self.other.tower), strict=True
                )
            )
            raise UserError(
                f"only one of the models has head {layer}.{head}: {shapes}; heads are compared by"
                " name where both have them."
            )


def compared(reader: Reader, run: Run, other: Run, stack: Stack, reading: Reading) -> Reader:
    """A reader of a run's weights less those of the other.

    Raises:
        UserError: the other run has no such stack.
    """
    models = tuple(each.again.loaded if each.again else None for each in (run, other))
    theirs = [tower.name for tower in other.towers]
    if stack not in theirs:
        raise UserError(
            f"{_named(models[1])} has no {stack} attention, only {', '.join(theirs)}: there is"
            f" nothing to compare {_named(models[0])} with."
        )
    sides = zip(run.sides(stack), other.sides(stack), strict=True)
    queries, keys = (_counterparts(*pair, reading.words) for pair in sides)
    taken = other.reader(stack, Reading(reading.words, reading.sinks))
    comparison = Comparison(
        taken,
        queries,
        keys,
        tower=reader.tower,
        models=(models[0], models[1]),
        outputs=(run.encoded.sides[-1], other.encoded.sides[-1]),
        view=reading.against_view,
    )
    return replace(reader, comparison=comparison)


def _named(loaded: LoadedModel | None) -> str:
    return "the file" if loaded is None else title(loaded)


def _shape(tower: Tower) -> str:
    return f"has {len(tower.layers)} layers × {tower.heads} heads"


def _counterparts(side: SideInfo, other: SideInfo, words: bool) -> Tensor:
    units, others = (each.words if words and each.words else each.tokens for each in (side, other))
    return torch.from_numpy(counterparts(units, others))
