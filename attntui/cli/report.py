"""What `attntui show` prints: one view as a heatmap or as shaded text, and a ranked list."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from msgspec.structs import replace
from rich.segment import Segment

from attntui.cli.outlook import Outlook
from attntui.core.protocol import (
    Gradient,
    Norm,
    Reading,
    Relevance,
    Targeted,
    Top,
    TopEntry,
    View,
)
from attntui.core.scale import Scale, brightness, levels, without_future
from attntui.core.tokens import sanitise
from attntui.export.source import Source
from attntui.export.tower import Tower
from attntui.render.heatmap import Heatmap
from attntui.render.labels import quote
from attntui.render.listing import PLAIN, legend, ranking
from attntui.render.names import edits_name, hidden_name, reading_name, sampling_name, view_name
from attntui.render.palette import Palette
from attntui.render.prose import prose
from attntui.render.ranking import top_entries
from attntui.render.readable import readable

Lines = Iterator[list[Segment]]


@dataclass(frozen=True)
class Report:
    """A view and what the query of number `query` gives.

    `weights` (rows, keys) are all of the view's, pooled as `Heatmap` says; with `as_text` the
    query's row alone. `hidden` is how much of them the reading hides.
    """

    source: Source
    tower: Tower
    view: View
    reading: Reading
    scale: Scale
    query: int
    as_text: bool
    weights: np.ndarray
    hidden: float | None
    top: Top
    target: Targeted | None = None
    """What a lens asks about."""
    ahead: Outlook | None = None
    """What is predicted at the query, where it is asked for."""

    @property
    def _is_weights(self) -> bool:
        """Whether rows sum to 1."""
        return not isinstance(self.view, Norm | Gradient | Relevance)

    @property
    def unit(self) -> float:
        """What counts as 1: of a lens, whose numbers have no such bounds, the largest shown."""
        if self._is_weights:
            return 1.0
        return float(np.nanmax(np.abs(self.weights), initial=0.0)) or 1.0

    def lines(self, width: int, palette: Palette) -> Lines:
        """All of it, `width` columns at most."""
        yield from _sentence(self._title(), width)
        yield from self._text(width, palette) if self.as_text else self._heatmap(width, palette)
        yield []
        yield from legend(self.scale, palette, width)
        if not self._is_weights:
            signs = " Shades show no signs." if isinstance(self.view, Gradient) else ""
            words = f"Numbers are shares of the largest here, {self.unit:.3g}.{signs}"
            yield from _sentence(words, width)
        if self.top.entries:
            yield []
            yield from _sentence(f"{self._query_name()} attends to", width)
            yield from ranking(*top_entries(_in_units(self.top, self.unit), self.tower.keys), width)
        if self.ahead is not None:
            yield []
            yield from _sentence(self.ahead.title, width)
            yield from ranking(self.ahead.entries, "", width)
            yield from _sentence(self.ahead.itself, width)
        yield from self._added(width)

    def _title(self) -> str:
        parts = [
            sanitise(self.source.model.name),
            view_name(self.view, self._aim())
            + hidden_name(self.hidden if self._is_weights else None),
            *edits_name(self.source.edits),
            *self._added_name(),
            *reading_name(self.reading),
            "exact" if self.source.run.trust.exact else "not known to be exact",
        ]
        return " · ".join(parts)

    def _aim(self) -> str:
        if self.target is None:
            return ""
        less = f" less {quote(self.target.foil)}" if self.target.foil else ""
        return f"target {quote(self.target.token)}{less} at {self.target.target.position}"

    def _added_name(self) -> list[str]:
        found, sampling = self.source.run.generated, self.source.sampling
        if found is None or sampling is None:
            return []
        count = len(found.probabilities)
        how = ", ".join(sampling_name(sampling)) or "greedily"
        return [f"{count} {'token' if count == 1 else 'tokens'} added {how}"]

    def _added(self, width: int) -> Lines:
        """The tokens that the model added."""
        found = self.source.run.generated
        if found is not None:
            tokens = self.source.run.sides[-1].tokens[found.first :]
            words = [
                f"{quote(token.text)} {chance:.3f}"
                for token, chance in zip(tokens, found.probabilities, strict=True)
            ]
            first = f"added from token {found.first} on, each with its probability to the model: "
            yield []
            yield from _sentence(first + ", ".join(words), width)

    def _query_name(self) -> str:
        return f"{self.query} {quote(self.tower.queries[self.query].text)}"

    def _heatmap(self, width: int, palette: Palette) -> Lines:
        frame = Heatmap(self.tower.queries, self.tower.keys, width)
        pooled = f", cells of {frame.step} × {frame.step}, their largest" if frame.step > 1 else ""
        yield from _sentence(f"query (row) attends to key (column){pooled}", width)
        yield []
        weights = np.abs(self.weights) / self.unit
        if self.tower.stack.causal:
            weights = without_future(weights, frame.step)
        yield from frame.lines(weights, self.scale, palette)

    def _text(self, width: int, palette: Palette) -> Lines:
        yield from _sentence(f"shaded by what {self._query_name()} gives each token", width)
        yield []
        shown = levels(
            brightness(np.abs(self.weights[0]) / self.unit, self.scale), palette.count
        ).tolist()
        side = next(one for one in self.source.run.sides if one.name == self.tower.stack.keys)
        yield from prose(readable(self.tower.keys, side.tokens), shown, width, palette)


def _in_units(top: Top, unit: float) -> Top:
    entries = tuple(TopEntry(each.position, each.weight / unit) for each in top.entries)
    return replace(top, entries=entries, rest=top.rest / unit, hidden=top.hidden / unit)


def _sentence(text: str, width: int) -> Lines:
    for line in wrap(text, width):
        yield [Segment(line, PLAIN)]
