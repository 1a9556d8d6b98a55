"""Every statistic of every head over many prompts: mean and standard deviation."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from attntui.cli.prompts import name_of, read_file
from attntui.cli.table import aligned
from attntui.client.engine import Engine
from attntui.client.questions import ask
from attntui.core.edit_names import head_name
from attntui.core.errors import UserError
from attntui.core.protocol import (
    STATISTICS,
    GetStatistics,
    Head,
    RunInfo,
    StackInfo,
    Statistics,
)

SHOWN = 3
"""Heads that the table names for each statistic."""


class Spreads:
    """Running means and squared deviations (Welford 1962), each (statistics, layers, heads).

    A statistic counts in the prompts where it is defined, which `n` counts too.
    """

    what = "prompts"
    columns: tuple[str, ...] = ("layer", "head", "statistic", "mean", "std", "n")

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts: Sequence[str] = texts
        self.content = "\n".join(texts)

    def begin(self, stack: StackInfo) -> None:
        """See `Survey`."""
        self._stack = stack
        heads = max(layer.heads for layer in stack.layers)
        self._n, self._mean, self._deviations = np.zeros(
            (3, len(STATISTICS), len(stack.layers), heads)
        )

    async def look(self, engine: Engine, run: RunInfo, at: int) -> np.ndarray:
        """See `Survey`: (statistics, layers, heads)."""
        _, (values,) = await ask(engine, GetStatistics(run.run, self._stack.name), Statistics)
        return values

    def add(self, values: np.ndarray, at: int) -> None:
        """See `Survey`."""
        there = np.isfinite(values)
        change = np.where(there, values, self._mean) - self._mean
        self._n += there
        self._mean += change / np.maximum(self._n, 1)
        self._deviations += change * np.where(there, values - self._mean, 0)

    def state(self) -> Any:
        """See `Survey`."""
        return [each.tolist() for each in (self._n, self._mean, self._deviations)]

    def restore(self, state: Any) -> None:
        """See `Survey`."""
        self._n, self._mean, self._deviations = map(np.array, state)

    @property
    def _spread(self) -> np.ndarray:
        """The standard deviation of these prompts, 0 for one."""
        return np.sqrt(self._deviations / np.maximum(self._n, 1))

    def rows(self) -> Iterator[Sequence[object]]:
        """See `Survey`. Layers without attention, and heads that a layer has not, have no line."""
        spread = self._spread
        for layer, info in enumerate(self._stack.layers):
            for head in range(info.heads):
                *stack, _ = head_name(Head(self._stack.name, layer, head)).split(".")
                for at, statistic in enumerate(STATISTICS):
                    place = at, layer, head
                    n = int(self._n[place])
                    figures = [
                        f"{each[place]:.9g}" if n else "nan" for each in (self._mean, spread)
                    ]
                    yield ".".join(stack), head, statistic, *figures, n

    def lines(self, top: int | None) -> Iterator[str]:
        """See `Survey`: for each statistic the heads where its mean is largest."""
        spread, count = self._spread, SHOWN if top is None else top
        table = [["statistic", "n", "largest mean ± standard deviation over prompts"]]
        for at, statistic in enumerate(STATISTICS):
            ranked = np.argsort(np.where(self._n[at] > 0, -self._mean[at], np.inf), None, "stable")
            places = [divmod(each, self._n.shape[2]) for each in ranked[:count].tolist()]
            cells = [
                f"{head_name(Head(self._stack.name, *place))}"
                f" {self._mean[at][place]:.3f}"
                + (f" ± {spread[at][place]:.3f}" if self._n[at][place] > 1 else "")
                for place in places
                if self._n[at][place]
            ]
            table.append(
                [statistic, str(int(self._n[at].max())), "   ".join(cells) or "in no prompt"]
            )
        yield aligned(table)


def read_prompts(file: str) -> list[str]:
    """The prompts of a file or of standard input, one a line; blank lines are left out.

    Raises:
        UserError: it cannot be read, or holds none.
    """
    lines = read_file(file, "The file of prompts").split("\n")
    prompts = [line for line in lines if line.strip()]
    if not prompts:
        raise UserError(f"The file of prompts {name_of(file)} is empty: write one a line.")
    return prompts
