"""A run's prompt through its model once more, with the run's own edits."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from attntui.core.errors import UserError
from attntui.core.protocol import Target
from attntui.core.tokens import sanitise
from attntui.engine.capture import Call, Changes, Listener, listening
from attntui.engine.forward import CheckCancel, Report, arguments, logit_row, never, silent, watched
from attntui.engine.late_logits import Logits, logits_at
from attntui.engine.model import Encoded, LoadedModel

NO_MODEL = "This attention was read from a file: there is no model to ask."
EAGER = (
    "this model's attention is read from its own eager code, which keeps its values to itself;"
    " choose a model of another family, such as gpt2, llama, bert or t5."
)


@dataclass(frozen=True, eq=False)
class Again:
    """What a run was made of."""

    loaded: LoadedModel
    encoded: Encoded
    changes: Changes = field(default_factory=dict)
    logits: Logits | None = None
    """The run's own, (positions, outputs) or (classes)."""

    def forward(
        self,
        listener: Listener,
        check_cancel: CheckCancel = never,
        progress: Report = silent,
    ) -> Any:
        """The model's outputs; gradients are up to the caller."""
        model = self.loaded.model
        with watched(model, check_cancel, progress), listening(listener):
            return model(**arguments(model, self.encoded))

    def logits_at(
        self,
        position: int,
        listener: Listener,
        check_cancel: CheckCancel = never,
        progress: Report = silent,
    ) -> Tensor:
        """(outputs): those at a position; gradients are up to the caller."""
        model = self.loaded.model
        with watched(model, check_cancel, progress), listening(listener):
            return logit_row(model, arguments(model, self.encoded), position)

    def check(self, target: Target) -> None:
        """
        Raises:
            UserError: there is no such logit.
        """
        if self.logits is None or self.loaded.predicts is None:
            name = sanitise(self.loaded.options.model)
            raise UserError(f"{name} has no trained output head, so it has no logit to explain.")
        positions = len(self.encoded.sides[-1].tokens)
        if not 0 <= target.position < positions:
            raise UserError(f"There is no position {target.position}: 0 to {positions - 1}.")
        outputs = self.logits.shape[-1]
        for output in (target.token, target.foil or 0):
            if not 0 <= output < outputs:
                raise UserError(f"There is no output {output}: they are 0 to {outputs - 1}.")


def logit(logits: Logits, target: Target) -> Tensor:
    """The target, of logits (positions, outputs), or of those at its position or (classes)."""
    row = logits_at(logits, target.position).float()
    return row[target.token] if target.foil is None else row[target.token] - row[target.foil]


class Hearing:
    """A listener that carries out a run's edits; `output` sees what each head gives."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self.count = 0
        """The number of the next call."""

    def heard(self, module: nn.Module, call: Call, output: Tensor) -> Tensor:
        """See `Listener`."""
        change = self._changes.get(self.count)
        self.count += 1
        output = self.kernel(output if change is None else change.cut(call, output))
        return self.output(output if change is None else change.ablate(output))

    def kernel(self, output: Tensor) -> Tensor:
        """What a call gives, edges cut, heads still on: (1, queries, heads, value size)."""
        return output

    def output(self, output: Tensor) -> Tensor:
        """What goes into the output projection."""
        return output
