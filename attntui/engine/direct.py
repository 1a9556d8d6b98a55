"""Direct logit attribution: what each head writes, as far as the output head reads it.

Where every sublayer adds to one stream (Elhage et al. 2021, A mathematical framework for
transformer circuits), the last norm's input is a sum, and with that norm's scale frozen as it was,
so is a logit. Nothing here goes by a module's name: a layer's parts are those of its children whose
outputs, added to its input, give its output; and all parts together are checked against the stream.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from attntui.core.errors import UserError
from attntui.core.protocol import Target
from attntui.engine import ranks
from attntui.engine.again import EAGER, Again, Hearing, logit
from attntui.engine.capture import Changes
from attntui.engine.forward import CheckCancel, Report, never, outermost_lists, silent
from attntui.engine.layers import RecordedLayer
from attntui.engine.model import has_decoder
from attntui.engine.placement import in_place
from attntui.engine.projections import head_weights, projection
from attntui.engine.stream import Affine, Passed, close, frozen, watching
from attntui.engine.views import Views

NOT_A_SUM = (
    "direct attribution needs a logit that is a sum of what layers add, read by one last norm and"
    " one linear head, as in gpt2 or llama; here {}."
)
MOST_PARTS = 3
"""Of a layer: attention and one or two other sublayers."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What a layer adds at a position: each head (heads, size) and everything else (size)."""

    heads: Tensor
    rest: Tensor


def attribution(
    again: Again,
    views: Views,
    target: Target,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
) -> list[np.ndarray]:
    """The arrays `heads`, `rest` and `logit`, as `GetAttribution` describes.

    Raises:
        UserError: there is no such target, or the model's logit is no such sum.
    """
    again.check(target)
    if ranks.group() is not None:
        raise UserError(
            "Direct attribution needs the whole model in one process: leave out --ranks."
        )
    if has_decoder(again.loaded.model):
        raise _refusal("a decoder reads an encoder's output, too")
    tower = views.tower("self")
    tower.check_recorded("Direct attribution")
    if not all(isinstance(layer, RecordedLayer) for layer in tower.present):
        raise UserError(EAGER)
    found = _Forward(again, target.position, len(tower.layers), check_cancel, progress)
    parts = [found.parts(at, layer) for at, layer in enumerate(tower.layers)]
    reader, constant = found.reader(target)
    rest = [found.stream[0].given, *(each.rest for each in parts)]
    found.check_sum(torch.cat([torch.stack(rest), *(each.heads for each in parts)]).sum(0))
    heads = np.full((len(parts), tower.heads), np.nan, np.float32)
    for at, each in enumerate(parts):
        heads[at, : len(each.heads)] = (each.heads @ reader).numpy()
    others = [*(float(each @ reader) for each in rest), constant]
    assert again.logits is not None
    y = float(logit(again.logits, target))
    return [heads, np.array(others, np.float32), np.array([y], np.float32)]


class _Heads(Hearing):
    """What the heads of each call give at a position, (heads, value size)."""

    def __init__(self, changes: Changes, position: int) -> None:
        super().__init__(changes)
        self._position = position
        self.given: list[Tensor] = []

    def output(self, output: Tensor) -> Tensor:
        self.given.append(output[0, self._position].float())
        return output


class _Forward:
    """One forward, of which what passes at one position is known."""

    def __init__(
        self,
        again: Again,
        position: int,
        count: int,
        check_cancel: CheckCancel,
        progress: Report,
    ) -> None:
        model = again.loaded.model
        lists = [each for each in outermost_lists(model) if len(each) == count]
        head = model.get_output_embeddings()
        if not lists or not isinstance(head, nn.Linear) or again.logits is None:
            raise _refusal("there is no such head")
        self._again, self._dtype, self._head = again, again.loaded.dtype, head
        self._logits = again.logits[position].cpu().double()
        self._layers = list(lists[-1])
        inside = {module for layer in self._layers for module in layer.modules()}
        children = [child for layer in self._layers for child in layer.children()]
        outside = [module for module in model.modules() if module not in inside]
        self._heads = _Heads(again.changes, position)
        modules = [*self._layers, *children, *outside]
        count = len(again.encoded.sides[-1].tokens)
        with torch.no_grad(), watching(modules, position, count) as passed:
            again.forward(self._heads, check_cancel, progress)
        by_module = {each.module: each for each in passed}
        if not all(layer in by_module for layer in self._layers) or head not in by_module:
            raise _refusal("its layers cannot be followed")
        self.stream = [by_module[layer] for layer in self._layers]
        self._children = [
            [by_module[child] for child in layer.children() if child in by_module]
            for layer in self._layers
        ]
        self._read = by_module[head]
        self._norm = self._find_norm([by_module[each] for each in outside if each in by_module])

    def parts(self, number: int, layer: object) -> Parts:
        """What a layer adds.

        Raises:
            UserError: its output is no sum of its input and parts of it.
        """
        sublayers = self._sublayers(number)
        if layer is None:
            rest = torch.stack([each.gave for each in sublayers]).sum(0)
            return Parts(rest[None][:0], rest)
        assert isinstance(layer, RecordedLayer)
        heads, bias = self._written(layer)
        for sublayer in sublayers:
            way = self._way(heads.sum(0) + bias, sublayer)
            if way is not None:
                others = [each.gave for each in sublayers if each is not sublayer]
                rest = torch.stack([way.bias, way.linear(bias), *others]).sum(0)
                return Parts(way.linear(heads), rest)
        raise _refusal(f"what the heads of layer {number} write is not what it adds")

    def _written(self, layer: RecordedLayer) -> tuple[Tensor, Tensor]:
        """What each head gives to the stream (heads, size), and the projection's bias (size)."""
        weights = head_weights(self._again, layer)
        given = self._heads.given[layer.call.index].to(weights.device)
        heads = (given[:, None] @ weights)[:, 0].cpu().double()
        module = projection(self._again, layer)
        with in_place(module):
            bias = getattr(module, "bias", None)
            return heads, torch.zeros_like(heads[0]) if bias is None else bias.cpu().double()

    def _sublayers(self, number: int) -> list[Passed]:
        """The fewest children whose outputs a layer adds to its input."""
        passed = self.stream[number]
        size = passed.given.shape
        children = [each for each in self._children[number] if each.gave.shape == size]
        for count in range(1, MOST_PARTS + 1):
            for some in combinations(children, count):
                total = torch.stack([passed.given, *(each.gave for each in some)]).sum(0)
                if close(total, passed.gave, self._dtype):
                    return list(some)
        raise _refusal(f"layer {number} does not add its sublayers to what it is given")

    def _way(self, written: Tensor, sublayer: Passed) -> Affine | None:
        """From what heads write to what a sublayer adds: the same, or through a norm of its own."""
        size = written.shape
        if sublayer.gave.shape == size and close(written, sublayer.gave, self._dtype):
            return Affine(torch.ones_like(written), torch.zeros_like(written), centred=False)
        if sublayer.given.shape == size and close(written, sublayer.given, self._dtype):
            return frozen(sublayer, self._dtype)
        return None

    def _find_norm(self, outside: list[Passed]) -> Affine:
        """The module from the last layer's output to the head's input."""
        for each in outside:
            whole = torch.equal(each.gave, self._read.given)
            if whole and torch.equal(each.given, self.stream[-1].gave):
                norm = frozen(each, self._dtype)
                if norm is not None:
                    return norm
        raise _refusal("no norm leads from the last layer to the head")

    def reader(self, target: Target) -> tuple[Tensor, float]:
        """What of a vector in the stream is in the logit (size), and what biases add.

        Raises:
            UserError: the logits are not in proportion to what the head gives.
        """
        gave = self._read.gave
        scale = float(gave @ self._logits / (gave @ gave))
        if not close(gave * scale, self._logits, self._dtype):
            raise _refusal("logits are changed after the head, as by a soft cap")
        row, bias = self._row(target.token)
        if target.foil is not None:
            other, less = self._row(target.foil)
            row, bias = row - other, bias - less
        constant = scale * (bias + float(row @ self._norm.bias))
        reader = self._norm.gain * row
        reader = reader - reader.mean() if self._norm.centred else reader
        return reader * scale, constant

    def _row(self, token: int) -> tuple[Tensor, float]:
        with in_place(self._head):
            bias = 0.0 if self._head.bias is None else float(self._head.bias[token])
            return self._head.weight[token].detach().cpu().double(), bias

    def check_sum(self, total: Tensor) -> None:
        """
        Raises:
            UserError: the parts together are not the last norm's input.
        """
        if not close(total, self.stream[-1].gave, self._dtype):
            raise _refusal("its parts do not add up")


def _refusal(why: str) -> UserError:
    return UserError(NOT_A_SUM.format(why))
