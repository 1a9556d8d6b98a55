"""Logits computed where somebody looks.

32k tokens have 16 GB of logits over 128k outputs, in float32. The states that the output head reads
are a few percent of that, so a long prompt keeps those, and the model's own head runs over the rows
that are asked for. A small model's head is a third of its forward besides, and its first picture
would wait for it. For that the model runs with its body's output put in place; what comes after the
body (head, scale, soft cap, bias) is the model's own code.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from attntui.engine import ranks
from attntui.engine.forward import arguments
from attntui.engine.model import Encoded, LoadedModel, vocabulary

LARGE = 2**25
"""Bytes of logits from which on they are late. GPT-2-small's size on two cores, 256 tokens, 49 MiB:
a run takes 252 ms in place of 346, and each row that is looked at 6 ms."""
ROWS = 64
"""Rows that the head reads at a time where many are asked for."""
TRIED = 8
"""Tokens on which it is tried whether a model's head can run by itself."""
DRIFT = 64
"""A row by itself is rounded otherwise than among many: by so many times the dtype's epsilon, as a
share of the largest logit."""
NAME = "last_hidden_state"


class LateLogits:
    """As a tensor of logits (positions, outputs), of which rows are read by index."""

    ndim = 2

    def __init__(self, head: "Head", states: Tensor, outputs: int) -> None:
        """`states` (positions, width) are what the head reads."""
        self._head, self.states = head, states
        self.shape = (states.shape[0], outputs)
        self.device = states.device

    def __getitem__(self, at: int | slice | list[int]) -> Tensor:
        """One row, or several as one tensor."""
        if isinstance(at, int):
            return self._head(self.states[at][None])[0]
        return torch.cat(list(self._chunks(self.states[at])))

    def up_to(self, stop: int, more: Tensor) -> "LateLogits":
        """These to a position, and those of more states (positions, width) after it."""
        return LateLogits(self._head, torch.cat([self.states[:stop], more]), self.shape[1])

    def chunks(self) -> Iterator[Tensor]:
        """All rows in order, some at a time."""
        yield from self._chunks(self.states)

    def _chunks(self, states: Tensor) -> Iterator[Tensor]:
        for start in range(0, len(states), ROWS):
            yield self._head(states[start : start + ROWS])


Logits: TypeAlias = Tensor | LateLogits
"""(positions, outputs), or of a text that is classified as a whole (outputs)."""


def logits_at(logits: Logits, position: int) -> Tensor:
    """(outputs): those at a position; of a text that is classified as a whole, the same at all."""
    return logits if isinstance(logits, Tensor) and logits.ndim == 1 else logits[position]


@dataclass(frozen=True, eq=False)
class Head:
    """A model without its body: `body` is the module whose states the output head reads."""

    model: PreTrainedModel
    body: nn.Module
    output: type[ModelOutput]
    """What the body gives."""
    inputs: dict[str, Tensor]
    """Any input that the model takes: its body does not run."""

    def __call__(self, states: Tensor) -> Tensor:
        """(positions, outputs) of states (positions, width)."""
        kept = self.body.__dict__.get("forward")
        self.body.forward = lambda *_, **__: self.output(**{NAME: states[None]})
        try:
            with torch.no_grad():
                logits: Tensor = self.model(**self.inputs).logits
        finally:
            del self.body.forward
            if kept is not None:
                self.body.forward = kept
        return logits[0]


@contextmanager
def last_row_only(body: nn.Module | None) -> Iterator[list[Tensor]]:
    """In this block the head reads the last row alone; gives the states of all, (1, n, width)."""
    found: list[Tensor] = []

    def after(module: nn.Module, arguments: Any, output: Any) -> Any:
        found.append(output[NAME])
        output[NAME] = output[NAME][:, -1:]
        return output

    handle = None if body is None else body.register_forward_hook(after)
    try:
        yield found
    finally:
        if handle is not None:
            handle.remove()


def late_head(loaded: LoadedModel, encoded: Encoded) -> Head | None:
    """What computes the logits of a prompt row by row; None: all are computed at once.

    Whether a model's head can run by itself is tried once, on the first long prompt's beginning.
    """
    # A stage of a pipeline would hand on what was left out.
    if logits_bytes(loaded, encoded) <= LARGE or ranks.in_stages():
        return None
    if not loaded.heads_tried:
        loaded.heads_tried = True
        if loaded.predicts in {"next", "masked"}:
            inputs = {
                name: value[:, :TRIED] if isinstance(value, Tensor) and value.ndim == 2 else value
                for name, value in arguments(loaded.model, encoded).items()
            }
            tried = (_tried(loaded, body, inputs) for body in _bodies(loaded.model))
            loaded.late_head = next((head for head in tried if head is not None), None)
    return loaded.late_head


def logits_bytes(loaded: LoadedModel, encoded: Encoded) -> int:
    """What all logits of a prompt take."""
    head = loaded.model.get_output_embeddings()
    if head is None:
        return 0
    # Only the last stage of a pipeline has the head.
    outputs = int(head.weight.shape[0]) if hasattr(head, "weight") else vocabulary(loaded.model)
    return len(encoded.sides[-1].tokens) * outputs * loaded.dtype.itemsize


def _bodies(model: PreTrainedModel) -> Iterator[nn.Module]:
    """What may be a model's body, the likeliest first."""
    for module in model.children():
        yield module
        yield from reversed(list(module.children()))  # a decoder after its encoder


def _tried(loaded: LoadedModel, body: nn.Module, inputs: dict[str, Any]) -> Head | None:
    """The head over this body, where rows by themselves are the rows of all."""
    model = loaded.model
    outputs: list[Any] = []
    handle = body.register_forward_hook(lambda *given: outputs.append(given[-1]))
    try:
        with torch.no_grad():
            expected = model(**inputs).logits[0]
    finally:
        handle.remove()
    if len(outputs) != 1 or getattr(outputs[0], NAME, None) is None:
        return None
    first = {name: value[:, :1] for name, value in inputs.items() if name.endswith("input_ids")}
    head = Head(model, body, type(outputs[0]), first)
    try:
        with torch.no_grad(), last_row_only(body) as states:
            row = model(**inputs).logits[0]
        found = head(states[0][0])
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return None
    if found.shape != expected.shape or row.shape != expected[-1:].shape:
        return None
    gap = max((found - expected).abs().max(), (row - expected[-1:]).abs().max())
    is_same = gap <= DRIFT * torch.finfo(loaded.dtype).eps * expected.abs().max()
    return head if bool(is_same) else None
