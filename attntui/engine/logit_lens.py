"""The logit lens (nostalgebraist 2020, interpreting GPT: the logit lens).

What the model would say if a layer were its last: what the layers gave is put in their places once
more, the last of them gives what an earlier one gave, and the model goes on as it always does. So
its own final norm and output head are used, whatever they are, and the last depth is the model.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attntui.core.errors import UserError
from attntui.core.protocol import Depth, GetLogitLens, LogitLens, Target
from attntui.engine import ranks
from attntui.engine.again import Again, Hearing
from attntui.engine.forward import CheckCancel, arguments, logit_row, never, outermost_lists
from attntui.engine.late_logits import logits_at
from attntui.engine.predict import WHAT, likeliest, named
from attntui.engine.variants import around

MUCH = 2e-2
"""How far, of the largest logit, the last depth may be from what the run said: bfloat16's own."""


def logit_lens(again: Again, request: GetLogitLens, check_cancel: CheckCancel = never) -> LogitLens:
    """The answer that `GetLogitLens` describes.

    Raises:
        UserError: there is no such position or token, or more than the last layer's output goes
            into what the model says.
    """
    again.check(Target(request.position, request.token or 0))
    ranks.check_whole("The logit lens")
    assert again.logits is not None and again.loaded.predicts is not None
    own = logits_at(again.logits, request.position).float()
    token = int(own.argmax()) if request.token is None else request.token
    depths, row = [], own
    layers = _Layers(again, request.position, check_cancel)
    for hidden in layers.hidden:
        check_cancel()
        row = layers.logits(hidden).float()
        logprobs = row.log_softmax(-1)
        depths.append(
            Depth(
                likeliest(again.loaded, row, request.count),
                int((row > row[token]).sum()),
                float(logprobs[token].exp()),
                float(row[token]),
            )
        )
    if (row - own).abs().max() > MUCH * own.abs().max():
        raise UserError("what this model says needs more than its last layer's output: no lens.")
    text = named(again.loaded, [token])[0]
    what = WHAT[again.loaded.predicts]
    return LogitLens(request.run, request.position, what, token, text, tuple(depths))


class _Layers:
    """What each layer of a run gave, and the model's last steps from any of it, at a position."""

    def __init__(self, again: Again, position: int, check_cancel: CheckCancel) -> None:
        self._again, self._position = again, position
        self._last = set(outermost_lists(again.loaded.model)[-1])
        """Of an encoder-decoder, the decoder's."""
        self._outputs: list[Any] = []
        self.hidden: list[Tensor] = []
        """(1, positions, size): before the first layer, then after each."""

        def keep(layer: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            check_cancel()
            if layer in self._last and not self.hidden:
                self.hidden.append(args[0] if args else kwargs["hidden_states"])
            output = forward(*args, **kwargs)
            if layer in self._last:
                self.hidden.append(output if isinstance(output, Tensor) else output[0])
            self._outputs.append(output)
            return output

        with torch.no_grad(), around(again.loaded.model, keep):
            again.logits_at(position, Hearing(again.changes))

    def logits(self, hidden: Tensor) -> Tensor:
        """(outputs): what the model says if that is what the last layer gives."""
        done = 0

        def replay(_: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            output = self._outputs[done - 1]
            if done < len(self._outputs):
                return output
            return hidden if isinstance(output, Tensor) else (hidden, *output[1:])

        model = self._again.loaded.model
        with torch.no_grad(), around(model, replay):
            return logit_row(model, arguments(model, self._again.encoded), self._position)
