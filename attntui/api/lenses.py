"""The lenses of a trace: what passes through attention, and how much of it reaches a logit."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

import numpy as np

from attntui.api.checked import checked
from attntui.client.engine import Engine
from attntui.client.questions import ask
from attntui.core.protocol import (
    Arrays,
    Between,
    Flow,
    GetAttribution,
    GetLogitLens,
    GetTarget,
    Gradient,
    LogitLens,
    Norm,
    Relevance,
    RunInfo,
    Sinks,
    Stack,
    StackInfo,
    Targeted,
    View,
)

Result = TypeVar("Result")


class DirectLogits(NamedTuple):
    """A logit taken apart: all parts together are the logit."""

    heads: np.ndarray
    """(layers, heads) float32: what each head adds directly; NaN where there is none."""
    rest: np.ndarray
    """(layers + 2) float32: what came into the first layer, what each layer adds beside its heads
    (its other sublayer, biases), and the biases after the last."""
    logit: float
    """The model's own."""
    target: Targeted
    """Which logit, and the texts of its outputs."""


class Lenses:
    """What `Trace` can do beside weights. Where a target is asked for:

    y is the logit of `token` at `position`, less that of `foil` where one is given. A token is a
    text of one token (with the space before it where it begins a word), an output's number, or a
    class's name; without it, y is of the model's likeliest. Without a position, it is the first
    masked place, else the last token; of an encoder-decoder, the decoder's.
    """

    info: RunInfo

    def norm(
        self,
        layer: int,
        head: int | None = None,
        stack: Stack | None = None,
        words: bool = False,
        sinks: Sinks = "show",
        between: Between = "all",
    ) -> np.ndarray:
        """Value-weighted attention: (query, key) float32, ‖A[i, j] · v_j W_O‖.

        How long the vector is that a query gets from a key (Kobayashi et al. 2020, arXiv
        2004.10102). Without a head, that of the sum of all heads' vectors, not the sum of lengths.

        Raises:
            UserError: there is no such layer or head, or its output projection is not a plain one.
        """
        return self._matrix(Norm(self._stack(stack).name, layer, head), words, sinks, between)

    def gradient(
        self,
        layer: int,
        head: int | None = None,
        position: int | None = None,
        token: int | str | None = None,
        foil: int | str | None = None,
        stack: Stack | None = None,
        words: bool = False,
        sinks: Sinks = "show",
        between: Between = "all",
    ) -> np.ndarray:
        """Attention x gradient: (query, key) float32, A[i, j] · ∂y/∂A[i, j], with its sign.

        Without a head, the mean over heads. For y see `Lenses`.

        Raises:
            UserError: there is no such layer, head, position or token.
        """
        target = self.target(position, token, foil).target
        view = Gradient(self._stack(stack).name, layer, head, target)
        return self._matrix(view, words, sinks, between)

    def relevance(
        self,
        position: int | None = None,
        token: int | str | None = None,
        foil: int | str | None = None,
        stack: Stack | None = None,
        words: bool = False,
        sinks: Sinks = "show",
        between: Between = "all",
    ) -> np.ndarray:
        """Relevance to y (Chefer et al. 2021, arXiv 2103.15679): (query, key) float32.

        The row of the position is the answer. Ā = mean over heads of (A · ∂y/∂A)⁺, and layer by
        layer R ← R + Ā R, from the identity, which is left out of the result. Encoder-decoders:
        also R_qk ← R_qk + R̂_qqᵀ Ā R̂_kk at each cross-attention. For y see `Lenses`.

        Raises:
            UserError: there is no such position or token.
        """
        target = self.target(position, token, foil).target
        return self._matrix(Relevance(self._stack(stack).name, target), words, sinks, between)

    def flow(
        self,
        residual: float = 0.5,
        stack: Stack | None = None,
        words: bool = False,
        sinks: Sinks = "show",
        between: Between = "all",
    ) -> np.ndarray:
        """Attention flow (Abnar & Zuidema 2020, arXiv 2005.00928): (query, key) float32.

        The largest flow from a query at the top to each token at the bottom, through capacities
        (1 - residual) · A + residual · I, A the mean over heads; each row divided by its sum.

        Raises:
            UserError: the text is too long for it, or queries and keys are other tokens.
        """
        return self._matrix(Flow(self._stack(stack).name, residual), words, sinks, between)

    def direct_logits(
        self,
        position: int | None = None,
        token: int | str | None = None,
        foil: int | str | None = None,
    ) -> DirectLogits:
        """Direct logit attribution: what each head adds to y directly.

        A head's part is W_U[token] · N(o W_O), o being what the head gives at the position, N the
        last norm with its scale as it was in this run (Elhage et al. 2021, A mathematical framework
        for transformer circuits). What a head does through later layers is not in it. For y see
        `Lenses`.

        Raises:
            UserError: there is no such position or token, or the model's logit is no sum of parts,
                as where norms come after what layers add (BERT).
        """
        aimed = self.target(position, token, foil)
        request = GetAttribution(self.info.run, aimed.target)

        async def fetch(engine: Engine) -> DirectLogits:
            _, (heads, rest, logit) = await ask(engine, request, Arrays)
            return DirectLogits(heads, rest, float(logit[0]), aimed)

        return self._ask(fetch)

    def logit_lens(
        self, position: int | None = None, token: int | str | None = None, k: int = 5
    ) -> LogitLens:
        """What the model would say at a position if each layer were its last (nostalgebraist 2020).

        `depths[0]` is before the first layer, `depths[-1]` what the model says: each has the `k`
        likeliest outputs (`entries`), and the token's `rank`, from 0, `probability` and `logit`.
        The layer's output goes through the model's own last norm and head. For the token see
        `Lenses`.

        Raises:
            UserError: there is no such position or token.
        """
        target = self.target(position, token).target
        request = checked(GetLogitLens(self.info.run, target.position, k, target.token))

        async def fetch(engine: Engine) -> LogitLens:
            return (await ask(engine, request, LogitLens))[0]

        return self._ask(fetch)

    def target(
        self,
        position: int | None = None,
        token: int | str | None = None,
        foil: int | str | None = None,
    ) -> Targeted:
        """Which logit is meant, see `Lenses`.

        Raises:
            UserError: there is no such position or token.
        """
        request = checked(GetTarget(self.info.run, position, token, foil))

        async def fetch(engine: Engine) -> Targeted:
            return (await ask(engine, request, Targeted))[0]

        return self._ask(fetch)

    # As `Trace` has them.

    def _matrix(self, view: View, words: bool, sinks: Sinks, between: Between) -> np.ndarray:
        raise NotImplementedError

    def _ask(self, work: Callable[[Engine], Awaitable[Result]]) -> Result:
        raise NotImplementedError

    def _stack(self, name: Stack | None) -> StackInfo:
        raise NotImplementedError
