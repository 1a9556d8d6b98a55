"""`attntui logit-lens`: what a model would say after each layer."""

from collections.abc import Iterator
from dataclasses import dataclass

from attntui.cli.aim import targeted
from attntui.cli.answer import give
from attntui.cli.lens import Aim
from attntui.cli.progress import ProgressLine
from attntui.cli.table import aligned, csv_text
from attntui.cli.tracing import traced
from attntui.client.questions import ask
from attntui.core.protocol import (
    Depth,
    Edits,
    GetLogitLens,
    LogitLens,
    ModelOptions,
    PromptInput,
    Targeted,
)
from attntui.core.tokens import sanitise
from attntui.render.labels import quote
from attntui.render.names import depth_names

FIGURES = ("rank", "p", "logit", "foil_rank", "logit_difference")


@dataclass(frozen=True)
class Order:
    """Where one looks, and the output whose rank is told."""

    model: ModelOptions
    prompt: PromptInput
    edits: Edits
    aim: Aim
    output: str | None
    force: bool
    top: int


@dataclass(frozen=True)
class Found:
    """The lens; and, where there is a foil, the same with the foil's ranks."""

    target: Targeted
    lens: LogitLens
    foil: LogitLens | None

    @property
    def _foils(self) -> tuple[Depth | None, ...]:
        return (None,) * len(self.lens.depths) if self.foil is None else self.foil.depths

    def csv(self) -> str:
        """Ranks from 1."""
        many = range(1, len(self.lens.depths[0].entries) + 1)
        tokens = [name for at in many for name in (f"token_{at}", f"p_{at}")]
        return csv_text(["layer", *FIGURES, *tokens], self._rows())

    def _rows(self) -> Iterator[list[object]]:
        for at, (depth, foil) in enumerate(zip(self.lens.depths, self._foils, strict=True)):
            row: list[object] = ["embedding" if at == 0 else at - 1, depth.rank + 1]
            row += [f"{depth.probability:.9g}", f"{depth.logit:.9g}"]
            row += ["", ""] if foil is None else [foil.rank + 1, f"{depth.logit - foil.logit:.9g}"]
            for entry in depth.entries:
                row += [entry.text, f"{entry.probability:.9g}"]
            yield row

    def lines(self) -> Iterator[str]:
        foil = f", and less {quote(self.target.foil)}" if self.foil is not None else ""
        yield (
            f"{sanitise(self.lens.what)} at {self.lens.position} after each layer;"
            f" rank and p of {quote(self.lens.text)}{foil}"
        )
        yield ""
        table = [["after", "rank", "p", *(["less"] if foil else []), "likeliest"]]
        names = depth_names(len(self.lens.depths))
        depths = zip(names, self.lens.depths, self._foils, strict=True)
        for name, depth, other in depths:
            less = [] if other is None else [f"{depth.logit - other.logit:+.2f}"]
            likeliest = "  ".join(
                f"{quote(entry.text)} {entry.probability:.3f}" for entry in depth.entries
            )
            table.append([name, str(depth.rank + 1), f"{depth.probability:.4f}", *less, likeliest])
        yield aligned(table)


def print_lens(order: Order) -> int:
    """Print the table, and write the .csv where one is wanted.

    Raises:
        UserError: a bad output, model, prompt or target, or a model that has no such lens.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    return give(lambda line: _found(order, line), order.output, order.force)


async def _found(order: Order, line: ProgressLine) -> Found:
    async with traced(order.model, order.prompt, order.edits, line) as source:
        named = await targeted(order.aim, source, line)

        async def lens(token: int) -> LogitLens:
            at = named.target.position
            request = GetLogitLens(source.run.run, at, order.top, token)
            return (await ask(source.engine, request, LogitLens, line))[0]

        foil = named.target.foil
        return Found(
            named, await lens(named.target.token), None if foil is None else await lens(foil)
        )
