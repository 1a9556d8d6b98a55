"""What changed between two runs, as plain text and as a table: heads by how much, predictions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from attntui.cli.table import csv_text, head_map, layer_name
from attntui.core.edit_names import head_name
from attntui.core.protocol import Head, Predictions, RunInfo, Stack, StackInfo
from attntui.core.tokens import sanitise, visible
from attntui.render.labels import quote
from attntui.render.names import STACKS
from attntui.render.ranking import bar

COLUMNS = ("layer", "head", "divergence", "n")
BAR = 20


@dataclass(frozen=True, eq=False)
class Shifted:
    """How far each head of a stack is from that of the run before.

    `bits` (layers, heads) Jensen-Shannon, NaN where not both have the head; `count` is over how
    many queries.
    """

    before: StackInfo
    after: StackInfo
    bits: np.ndarray
    count: int

    @property
    def stack(self) -> Stack:
        return self.after.name

    def heads(self) -> list[tuple[float, Head]]:
        """Those that both have, in order."""
        return [
            (float(value), Head(self.stack, layer, head))
            for (layer, head), value in np.ndenumerate(self.bits)
            if value == value
        ]


@dataclass(frozen=True, eq=False)
class Changes:
    """Two runs beside each other; each `name` says which model, and what is changed in it.

    `top` heads are listed.
    """

    names: tuple[str, str]
    runs: tuple[RunInfo, RunInfo]
    shifted: tuple[Shifted, ...]
    said: tuple[Predictions, Predictions] | None
    """What is predicted at one place, before and after; None where a model predicts nothing."""
    top: int

    def lines(self) -> Iterator[str]:
        """Heads ranked by how much they changed, a map of all, and what is predicted."""
        before, after = self.names
        yield f"before: {before}"
        yield f"after:  {after}"
        yield from self._tokens()
        yield ""
        found = [each for shifted in self.shifted for each in shifted.heads()]
        found.sort(key=lambda each: -each[0])  # equals stay in the order of their names
        width = max([len("head"), *(len(head_name(head)) for _, head in found)])
        largest = max([1e-9, *(value for value, _ in found)])
        yield f"{'head':<{width}}  changed by, bits (Jensen-Shannon)"
        for value, head in found[: self.top]:
            drawn = bar(value / largest, BAR).rstrip()
            yield f"{head_name(head):<{width}}  {value:.3f} {drawn}".rstrip()
        if len(found) > self.top:
            yield f"and {len(found) - self.top} more, that changed less"
        for shifted in self.shifted:
            yield from _shapes(shifted, self.runs)
            yield from _map(shifted)
        yield from self._predictions()

    def _tokens(self) -> Iterator[str]:
        counts = [sum(len(side.tokens) for side in run.sides) for run in self.runs]
        beside = ", ".join(
            f"{STACKS[each.stack].lower()}{each.count} queries beside each other"
            for each in self.shifted
        )
        same = counts[0] == counts[1]
        yield f"tokens: {counts[1] if same else f'{counts[0]} and {counts[1]}'}, {beside}"

    def _predictions(self) -> Iterator[str]:
        if self.said is None:
            return
        after = self.said[1]
        yield ""
        tokens = self.runs[1].sides[-1].tokens
        place = f"{sanitise(after.what)} at {after.position} {quote(tokens[after.position].text)}"
        if after.divergence is not None:
            yield f"{place}: KL(before ‖ after) {after.divergence:.3f} nats"
            width = max(len(quote(each.text)) for each in after.entries)
            for entry in after.entries:
                figures = f"{entry.probability_before:.3f} → {entry.probability:.3f}"
                yield f"{quote(entry.text):<{width}}  {figures}"
            return
        if after.apart:
            yield sanitise(after.apart)
        for name, said, run in zip(self.names, self.said, self.runs, strict=True):
            at = f"{said.position} {quote(run.sides[-1].tokens[said.position].text)}"
            told = ", ".join(
                f'"{visible(each.text)}" {each.probability:.3f}' for each in said.entries
            )
            yield f"{name}, {sanitise(said.what)} at {at}: {told}"

    def csv(self) -> str:
        """layer, head, divergence, n; heads that only one run has are left out.

        In an encoder-decoder the layer is `cross.5`.
        """
        rows = [
            [layer_name(shifted.stack, head.layer), head.head, f"{value:.9g}", shifted.count]
            for shifted in self.shifted
            for value, head in shifted.heads()
        ]
        return csv_text(COLUMNS, rows)


def _shapes(shifted: Shifted, runs: tuple[RunInfo, RunInfo]) -> Iterator[str]:
    """Which heads are compared, where not all are."""
    shapes = [[layer.heads for layer in each.layers] for each in (shifted.before, shifted.after)]
    if shapes[0] == shapes[1]:
        return
    told = [
        f"{sanitise(run.model.name) if run.model else '?'} has {len(heads)} layers × {max(heads)}"
        for run, heads in zip(runs, shapes, strict=True)
    ]
    yield f"{' and '.join(told)} heads: compared by name where both have them."


def _map(shifted: Shifted) -> Iterator[str]:
    lines = list(head_map(shifted.bits, "{:.3f}".format))
    yield from ["", f"{STACKS[shifted.stack]}change in bits of each head", *lines] if lines else []
