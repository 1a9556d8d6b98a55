"""What is changed in a model's attention before it goes on."""

from typing import Literal

from msgspec import Struct

from attntui.core.protocol.looking import Head, Stack

AblateWith = Literal["zero", "mean"]


class Cut(Struct, frozen=True):
    """An edge: query `query` may not look at key `key`, in layers `first` to `last`, the last
    included, in one head or in all (None). Cut before the softmax: the other keys get its weight.
    """

    stack: Stack
    query: int
    key: int
    first: int
    last: int
    head: int | None = None


class Measure(Struct, frozen=True):
    """A number of a run that edits change; from the logits, natural logarithms.

    `loss`: the mean of -log p over the tokens that follow their positions. `logprob`: log p of
    `token` at `position`. `logit_difference`: the logit of `token` less that of `foil`, there.
    `divergence`: the Kullback-Leibler divergence KL(unedited ‖ edited) of what is predicted there.
    Where a model classifies, tokens are classes, and there is one position.
    """

    kind: Literal["loss", "logprob", "logit_difference", "divergence"]
    position: int = 0
    token: int = 0
    foil: int = 0


class Edits(Struct, frozen=True):
    """Heads switched off and edges cut.

    `ablated` heads give, at the input of the output projection, zeros at every position, or the
    mean over the positions of the unedited run.
    """

    ablated: tuple[Head, ...] = ()
    ablate_with: AblateWith = "zero"
    cuts: tuple[Cut, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ablated or self.cuts)
