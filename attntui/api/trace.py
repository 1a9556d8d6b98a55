"""A finished run: its tokens, and every number of it as numpy arrays."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from attntui.api.checked import checked
from attntui.api.host import Host, Recipe, Work
from attntui.api.lenses import Lenses
from attntui.client.engine import Engine
from attntui.client.questions import ask, logit_rows, matrix_rows
from attntui.core.edit_names import cut_of, heads_of
from attntui.core.errors import UserError
from attntui.core.protocol import (
    STATISTICS,
    AblateWith,
    Basis,
    Between,
    Chosen,
    Direction,
    Edits,
    Generate,
    GetStatistics,
    GetTop,
    Head,
    HeadFusion,
    Mean,
    Reading,
    Rollout,
    RunInfo,
    Sinks,
    Stack,
    StackInfo,
    Statistics,
    Top,
    Trust,
    View,
)
from attntui.core.sampling import sampling_of

Result = TypeVar("Result")


class Attended(NamedTuple):
    """One of the tokens, or words, that a query attends to, or that attend to a key."""

    position: int
    text: str
    weight: float


class Trace(Lenses):
    """One prompt that went through a model, or attention that was given; layers count from 0.

    A weight `[query, key]` is what a query gives a key. Where a model has several stacks, `stack`
    names one: encoder, decoder or cross. Without it, an encoder-decoder's is cross attention, from
    the decoder's tokens to the encoder's.
    """

    info: RunInfo
    """Tokens and stacks in full, time and memory."""

    def __init__(self, host: Host, recipe: Recipe, info: RunInfo) -> None:
        self._host = host
        self._recipe = recipe
        self.info = info

    def __repr__(self) -> str:
        stacks = ", ".join(f"{stack.name} {len(stack.layers)} layers" for stack in self.info.stacks)
        exact = "exact" if self.trust.exact else "not exact"
        return f"<attntui.Trace of {len(self.tokens)} tokens: {stacks}, {exact}>"

    @property
    def tokens(self) -> tuple[str, ...]:
        """The text of each query: of an encoder-decoder, the decoder's tokens."""
        return self._texts(self._stack(None), words=False, keys=False)

    @property
    def key_tokens(self) -> tuple[str, ...]:
        """The text of each key: `tokens`, or of an encoder-decoder the encoder's tokens."""
        return self._texts(self._stack(None), words=False, keys=True)

    def words(self, stack: Stack | None = None, keys: bool = False) -> tuple[str, ...]:
        """The text of each row where `words=True`; with `keys`, of each column."""
        return self._texts(self._stack(stack), words=True, keys=keys)

    @property
    def trust(self) -> Trust:
        """How far to trust these numbers: measured when the prompt ran."""
        return self.info.trust

    def attention(
        self,
        layer: int,
        head: int,
        stack: Stack | None = None,
        words: bool = False,
        sinks: Sinks = "show",
        between: Between = "all",
    ) -> np.ndarray:
        """One head's weights (query, key) float32.

        Rows sum to 1, or to less by the weight of a model's learned sink.

        Args:
            layer: from 0.
            head: from 0.
            stack: see `Trace`.
            words: rows and columns are words: the sum over a key's tokens, the mean over a query's
                (Clark et al. 2019).
            sinks: weights on special tokens and attention sinks are shown, or hidden (NaN), or
                hidden and each row's other weights scaled up to sum to 1.
            between: of two sentences, `A-B` leaves what A's queries give B's keys; others are NaN.

        Raises:
            UserError: there is no such stack, layer or head.
            EngineFault, EngineGone: the model's process failed; this holds for all methods.
        """
        return self._matrix(Head(self._stack(stack).name, layer, head), words, sinks, between)

    def mean(
        self,
        layer: int | None = None,
        heads: Sequence[tuple[int, int]] = (),
        stack: Stack | None = None,
        words: bool = False,
        sinks: Sinks = "show",
        between: Between = "all",
    ) -> np.ndarray:
        """The mean over all heads of a layer, or of all layers: (query, key) float32.

        With `heads`, each (layer, head), the mean over these.

        Raises:
            UserError: there is no such stack, layer or head.
        """
        if heads and layer is not None:
            raise UserError("give a layer, or heads as (layer, head), but not both.")
        name = self._stack(stack).name
        view = Chosen(name, tuple((at, head) for at, head in heads)) if heads else Mean(name, layer)
        return self._matrix(view, words, sinks, between)

    def rollout(
        self,
        residual: float = 0.5,
        start_layer: int = 0,
        head_fusion: HeadFusion = "mean",
        discard_ratio: float = 0.0,
        stack: Stack | None = None,
        words: bool = False,
        sinks: Sinks = "show",
        between: Between = "all",
    ) -> np.ndarray:
        """Attention rollout (Abnar & Zuidema 2020, arXiv 2005.00928): (query, key) float32.

        Args:
            residual: weight of the residual connection; the paper's is 0.5.
            start_layer: layers before it are left out.
            head_fusion: how a layer's heads become one; the paper takes the mean.
            discard_ratio: the share of the smallest weights that is dropped; vit-explain's.
            stack, words, sinks, between: see `attention`.

        Raises:
            UserError: an option is out of range, or queries and keys are other tokens.
        """
        name = self._stack(stack).name
        view = Rollout(name, residual, start_layer, head_fusion, discard_ratio)
        return self._matrix(view, words, sinks, between)

    def top(
        self,
        query: int,
        k: int = 10,
        layer: int | None = None,
        head: int | None = None,
        direction: Direction = "attends_to",
        stack: Stack | None = None,
        words: bool = False,
        sinks: Sinks = "show",
        between: Between = "all",
    ) -> list[Attended]:
        """The `k` tokens that a query attends to most, largest first; weights of 0 are left out.

        Args:
            query: its position, from the end where it is negative; for `attended_by` a key's.
            k: how many, at most.
            layer, head: one head; without a head the mean of a layer; without both, of all.
            direction: `attended_by` lists the queries that give the key at `query` most.
            stack, words, sinks, between: see `attention`.

        Raises:
            UserError: there is no such position, stack, layer or head.
        """
        if head is not None and layer is None:
            raise UserError("a head is one of a layer's: give layer too.")
        chosen, outwards = self._stack(stack), direction == "attends_to"
        name = chosen.name
        view = Mean(name, layer) if head is None or layer is None else Head(name, layer, head)
        count = len(self._texts(chosen, words, keys=not outwards))
        if not -count <= query < count:
            raise UserError(f"there is no position {query}: there are {count}, from 0.")
        positions = (query % count,)
        reading = Reading(words, sinks, between)
        request = checked(GetTop(self.info.run, view, positions, direction, k, reading))

        async def fetch(engine: Engine) -> Top:
            return (await ask(engine, request, Top))[0]

        texts = self._texts(chosen, words, keys=outwards)
        return [
            Attended(entry.position, texts[entry.position], entry.weight)
            for entry in self._ask(fetch).entries
        ]

    def edit(
        self,
        ablate: str | Sequence[tuple[int, int]] = (),
        ablate_with: AblateWith = "zero",
        cut: str | Sequence[str] = (),
    ) -> "Trace":
        """The same prompt with heads switched off and edges cut; this trace stays as it is.

        Edits of an edited trace take the place of its own.

        Args:
            ablate: heads as `"5.1,6.2"` or (layer, head); of an encoder-decoder `"cross.5.1"`.
            ablate_with: what they give to the output projection in place of their own: `zero`, or
                `mean`, theirs over the positions of the unedited run.
            cut: edges that are cut before the softmax: `"9:4@5.1"` is query 9, key 4, layer 5,
                head 1; `"9:4@4-6"` layers 4 to 6 and all heads.

        Raises:
            UserError: there is no such head or edge, or the model cannot be edited.
        """
        heads = heads_of(ablate) if isinstance(ablate, str) and ablate else ()
        if not isinstance(ablate, str):
            heads = tuple(Head("self", layer, head) for layer, head in ablate)
        cuts = (cut,) if isinstance(cut, str) else cut
        edits = checked(Edits(heads, ablate_with, tuple(map(cut_of, cuts))))
        recipe = Recipe(self._recipe.prompt, edits)
        return Trace(self._host, recipe, self._host.trace(recipe))

    def generate(
        self,
        count: int,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> "Trace":
        """The same text and up to `count` tokens that the model adds, edits in force; this trace
        stays as it is.

        It stops before an end-of-text token and where the text is as long as the model can read.
        The new trace's `info.generated` says where the added tokens begin, and how likely each was
        to the model (its softmax, whatever the token was chosen by). Greedy without options.

        Args:
            count: how many tokens, at most.
            temperature: logits are divided by it, and a token is drawn; 1 where another option is
                given.
            top_k: only from so many likeliest tokens.
            top_p: only from the fewest likeliest that reach this share (Holtzman et al. 2020).
            seed: the same seed gives the same tokens, one at a time or all at once.

        Raises:
            UserError: the model does not write on, nothing can be added, or an option is out of
                range.
        """
        request = checked(Generate(0, 0, count, sampling_of(temperature, top_k, top_p, seed)))
        info = self._host.generate(self.info.run, self._recipe, request.count, request.sampling)
        prompt = self._recipe.prompt if info.generated is None else info.generated.prompt
        return Trace(self._host, Recipe(prompt, self._recipe.edits), info)

    def statistics(self, on: Basis = "prompt", stack: Stack | None = None) -> dict[str, np.ndarray]:
        """Every head statistic by name, each (layers, heads) float32; NaN where no row is eligible.

        Args:
            on: measured on this prompt, or on a calibration prompt of repeated random tokens.
            stack: see `Trace`.

        Raises:
            UserError: there is no such stack, or no model to calibrate.
        """
        request = checked(GetStatistics(self.info.run, self._stack(stack).name, on))

        async def fetch(engine: Engine) -> np.ndarray:
            return (await ask(engine, request, Statistics))[1][0]

        return dict(zip(STATISTICS, self._ask(fetch), strict=True))

    def logits(self) -> np.ndarray:
        """The model's logits (position, vocabulary) float32; an encoder-decoder's decoder's.

        Raises:
            UserError: the model has no output head.
        """
        positions = len(self.info.sides[-1].tokens)

        async def fetch(engine: Engine) -> np.ndarray:
            found = logit_rows(engine, self.info.run, positions)
            return np.concatenate([rows async for _, rows in found])

        return self._ask(fetch)

    def _matrix(self, view: View, words: bool, sinks: Sinks, between: Between) -> np.ndarray:
        chosen = self._stack(view.stack)
        shape = (
            len(self._texts(chosen, words, keys=False)),
            len(self._texts(chosen, words, keys=True)),
        )
        view, reading = checked(view), checked(Reading(words, sinks, between))

        async def fetch(engine: Engine) -> np.ndarray:
            matrix = np.empty(shape, np.float32)
            run = self.info.run
            async for rows in matrix_rows(engine, run, view, shape, reading=reading):
                first, weights, *_ = rows
                matrix[first : first + len(weights)] = weights
            return matrix

        return self._ask(fetch)

    def _ask(self, work: Work[Result]) -> Result:
        return self._host.about(self.info.run, self._recipe, work)

    def _stack(self, name: Stack | None) -> StackInfo:
        stacks = {stack.name: stack for stack in self.info.stacks}
        if name is None:
            return stacks.get("cross", self.info.stacks[0])
        if name not in stacks:
            raise UserError(f"there is no {name} attention here, only {', '.join(stacks)}.")
        return stacks[name]

    def _texts(self, stack: StackInfo, words: bool, keys: bool) -> tuple[str, ...]:
        """The text of each row of a matrix, or of each column."""
        name = stack.keys if keys else stack.queries
        side = next(side for side in self.info.sides if side.name == name)
        return tuple(unit.text for unit in (side.words if words else side.tokens))
