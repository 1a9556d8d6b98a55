"""What is looked at: a matrix of weights, query by key, and how it is read."""

from typing import Literal, get_args

from msgspec import Struct

Stack = Literal["self", "encoder", "decoder", "cross"]
"""A tower of attention layers: `self` where a model has only one."""

Side = Literal["text", "encoder", "decoder"]
"""A row of tokens: `text` where a model reads only one."""

SIDES: dict[Stack, tuple[Side, Side]] = {
    "self": ("text", "text"),
    "encoder": ("encoder", "encoder"),
    "decoder": ("decoder", "decoder"),
    "cross": ("decoder", "encoder"),
}
"""The sides that a stack's queries and keys are."""

Pooling = Literal["max", "mean"]
Direction = Literal["attends_to", "attended_by"]
HeadFusion = Literal["mean", "max", "min"]

Statistic = Literal[
    "entropy_bits",
    "sink",
    "self",
    "previous",
    "first",
    "duplicate",
    "induction",
    "separator",
    "punctuation",
    "distance",
    "largest",
]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)
Basis = Literal["prompt", "calibration"]
"""What a statistic is measured on: the run's prompt, or repeated random tokens."""


class Head(Struct, frozen=True, tag="head"):
    """One head of one layer."""

    stack: Stack
    layer: int
    head: int


class Mean(Struct, frozen=True, tag="mean"):
    """The mean over the heads of a layer, or of all layers where `layer` is None."""

    stack: Stack
    layer: int | None = None


class Chosen(Struct, frozen=True, tag="chosen"):
    """The mean over chosen heads, each as (layer, head), at least one."""

    stack: Stack
    heads: tuple[tuple[int, int], ...]


class Rollout(Struct, frozen=True, tag="rollout"):
    """Attention rollout (Abnar & Zuidema 2020) with its options."""

    stack: Stack
    residual: float = 0.5
    start_layer: int = 0
    head_fusion: HeadFusion = "mean"
    discard_ratio: float = 0.0


class Target(Struct, frozen=True):
    """A logit: that of an output at a position, or, with a foil, how much larger it is than that
    of the foil. Of an encoder-decoder the position is the decoder's; where a model classifies,
    outputs are classes and the position says nothing.
    """

    position: int
    token: int
    foil: int | None = None


class Norm(Struct, frozen=True, tag="norm"):
    """How long a vector a query gets from a key (Kobayashi et al. 2020): ‖A[i, j] · v_j W_O‖.

    Of one head; or, where `head` is None, of the sum of all heads' vectors. As the layer's heads
    are: one that is switched off counts too.
    """

    stack: Stack
    layer: int
    head: int | None = None


class Gradient(Struct, frozen=True, tag="gradient"):
    """Attention x gradient: A[i, j] · ∂y/∂A[i, j], with its sign, y being the target.

    Of one head, or the mean over heads where `head` is None.
    """

    stack: Stack
    layer: int
    head: int | None
    target: Target


class Relevance(Struct, frozen=True, tag="relevance"):
    """How much each key is worth to the target (Chefer et al. 2021, arXiv 2103.15679).

    Ā = mean over heads of the positive part of A · ∂y/∂A, layer by layer R ← R + Ā R from R = I,
    which is taken away again at the end. The target's row is the answer.
    """

    stack: Stack
    target: Target


class Flow(Struct, frozen=True, tag="flow"):
    """Attention flow (Abnar & Zuidema 2020): the largest flow from a position at the top to each
    token at the bottom through capacities (1 - residual) · A + residual · I, A the mean over heads;
    each row divided by its sum.
    """

    stack: Stack
    residual: float = 0.5


Lens = Norm | Gradient | Relevance | Flow
"""Matrices that are no weights; those of `Gradient` may be below 0."""


class LessWeights(Struct, frozen=True, tag="less-weights"):
    """What a lens shows less the weights that it is of, both as shares of their rows:
    L[i, j] / Σ_j |L[i, j]| - A[i, j] / Σ_j A[i, j]; a row of nothing stays 0.
    """

    of: Norm | Gradient | Relevance | Flow | Rollout

    @property
    def stack(self) -> Stack:
        return self.of.stack

    @property
    def weights(self) -> Head | Mean:
        """A: the head's; of several heads their mean; of what goes through all layers, the mean
        over all heads of all layers."""
        lens = self.of
        if not isinstance(lens, Norm | Gradient):
            return Mean(lens.stack)
        if lens.head is None:
            return Mean(lens.stack, lens.layer)
        return Head(lens.stack, lens.layer, lens.head)


Signed = Gradient | LessWeights
"""Matrices whose numbers go both ways from 0."""
View = Head | Mean | Chosen | Rollout | Norm | Gradient | Relevance | Flow | LessWeights

Sinks = Literal["show", "hide", "renormalise"]
Between = Literal["all", "A-A", "A-B", "B-A", "B-B"]
"""Of a pair of sentences: whose queries look at whose keys."""
BETWEEN: tuple[Between, ...] = get_args(Between)


class Reading(Struct, frozen=True):
    """How a matrix is read, after it is computed.

    `words`: rows and columns are words, and every position in a request and its answer is one
    (`SideInfo.words`): the sum over a key's tokens, the mean over a query's (Clark et al. 2019).
    `sinks`: weights on special tokens and attention sinks (`GetHidden`) are shown, or hidden (NaN),
    or hidden with each row's other weights scaled up to sum to 1.
    `between`: of two sentences, only A's queries and B's keys, say; the weights of others are NaN.
    `against`: the number of a run whose weights, read alike, are taken away, token from its
    counterpart by edit distance (0: none is); NaN where a token has no counterpart, or the other
    run's model no such head. Of that run `against_view` is read; None: the same view.
    """

    words: bool = False
    sinks: Sinks = "show"
    between: Between = "all"
    against: int = 0
    against_view: View | None = None
