"""`attntui attribution`: a logit taken apart into what each head adds to it, and the rest."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attntui.cli.aim import targeted
from attntui.cli.answer import give
from attntui.cli.lens import Aim
from attntui.cli.progress import ProgressLine
from attntui.cli.table import csv_text, head_map
from attntui.cli.tracing import traced
from attntui.client.questions import ask
from attntui.core.protocol import (
    Arrays,
    Edits,
    GetAttribution,
    ModelOptions,
    PromptInput,
    Targeted,
)
from attntui.render.labels import quote
from attntui.render.names import direct_parts

COLUMNS = ("layer", "head", "contribution")


@dataclass(frozen=True)
class Order:
    """Which logit is to be taken apart."""

    model: ModelOptions
    prompt: PromptInput
    edits: Edits
    aim: Aim
    output: str | None
    force: bool
    top: int


@dataclass(frozen=True, eq=False)
class Parts:
    """Of a logit: `heads` (layers, heads), NaN where there is none; `rest` (layers + 2).

    `top` heads are listed.
    """

    target: Targeted
    heads: np.ndarray
    rest: np.ndarray
    logit: float
    top: int

    def csv(self) -> str:
        return csv_text(COLUMNS, self._rows())

    def _rows(self) -> Iterator[tuple[object, object, str]]:
        layers, heads = self.heads.shape
        for layer in range(layers):
            for head in range(heads):
                if np.isfinite(self.heads[layer, head]):
                    yield layer, head, f"{self.heads[layer, head]:.9g}"
        yield "", "embedding", f"{self.rest[0]:.9g}"
        for layer in range(layers):
            yield layer, "other", f"{self.rest[1 + layer]:.9g}"
        yield "", "bias", f"{self.rest[-1]:.9g}"
        yield "", "logit", f"{self.logit:.9g}"

    def lines(self) -> Iterator[str]:
        """The logit and its large parts, the heads that add or take most, and a map of all."""
        found = self.target
        less = f" less {quote(found.foil)}" if found.foil else ""
        yield f"logit of {quote(found.token)}{less} at {found.target.position}: {self.logit:+.4f}"
        yield ""
        for name, value in direct_parts(self.heads, self.rest):
            yield f"{value:+9.4f}  {name}"
        yield ""
        ranked = np.argsort(-np.abs(self.heads).ravel(), kind="stable")[: self.top].tolist()
        places = [divmod(at, self.heads.shape[1]) for at in ranked]
        for layer, head in places:
            if np.isfinite(self.heads[layer, head]):
                yield f"{self.heads[layer, head]:+9.4f}  head {layer}.{head}"
        lines = list(head_map(self.heads, "{:+.2f}".format))
        yield from ["", "what each head adds", *lines] if lines else []


def attribute(order: Order) -> int:
    """Print the parts, and write the .csv where one is wanted.

    Raises:
        UserError: a bad output, model, prompt or target, or a logit that is no such sum.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    return give(lambda line: _parts(order, line), order.output, order.force)


async def _parts(order: Order, line: ProgressLine) -> Parts:
    async with traced(order.model, order.prompt, order.edits, line) as source:
        found = await targeted(order.aim, source, line)
        request = GetAttribution(source.run.run, found.target)
        _, (heads, rest, logit) = await ask(source.engine, request, Arrays, line)
    return Parts(found, heads, rest, float(logit[0]), order.top)
