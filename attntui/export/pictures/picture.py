"""What a picture shows: panels of weights with the same tokens along their sides."""

import math
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len

from attntui.client.questions import OnProgress, window
from attntui.core.errors import UserError
from attntui.core.protocol import GetWindow, Progress, Reading, View
from attntui.core.scale import Scale, without_future
from attntui.core.tokens import sanitise, visible
from attntui.export.matrices import Section
from attntui.export.source import Source
from attntui.export.tower import Tower, Unit
from attntui.render.labels import fit
from attntui.render.names import hidden_name, reading_name, view_name

CELLS = 2**20
"""Cells of all panels together; where there are more weights, a cell pools several."""
PANELS = 400
LABEL_LIMIT = 16


@dataclass(frozen=True)
class Panel:
    """One view: `weights` (rows, keys) float32, NaN where there is nothing to show."""

    title: str
    weights: np.ndarray


@dataclass(frozen=True)
class Picture:
    """Panels side by side, `across` of them in a line; every text in it is safe to show.

    `queries` and `keys` are the labels of a panel's rows and columns; a cell is the largest weight
    of `step` x `step`.
    """

    title: str
    panels: tuple[Panel, ...]
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    step: int
    scale: Scale
    across: int


async def take_picture(
    source: Source,
    tower: Tower,
    sections: tuple[Section, ...],
    reading: Reading,
    scale: Scale,
    progress: OnProgress = None,
) -> Picture:
    """Ask for the weights of a picture.

    Raises:
        UserError: there would be too many panels, or none.
    """
    views = [one.view for section in sections for one in section.matrices if one.view is not None]
    _check_count(len(views))
    step = _step(tower.shape, len(views))
    panels = []
    for done, view in enumerate(views):
        if progress is not None:
            progress(Progress("reading panel", done, len(views)))
        panels.append(await _panel(source, tower, view, reading, step))
    notes = [sanitise(source.model.name), *reading_name(reading)]
    if step > 1:
        notes.append(f"cells of {step} × {step} tokens, their largest weight")
    return Picture(
        title=" · ".join(notes),
        panels=tuple(panels),
        queries=_labels(tower.queries, step),
        keys=_labels(tower.keys, step),
        step=step,
        scale=scale,
        across=_across(sections, len(views)),
    )


def _check_count(panels: int) -> None:
    if not panels:
        raise UserError("There is nothing to draw: the chosen layers have no such heads.")
    if panels > PANELS:
        raise UserError(
            f"A picture shows at most {PANELS} heads, and these are {panels}: choose fewer with"
            " --layers and --heads."
        )


def _step(shape: tuple[int, int], panels: int) -> int:
    return max(1, math.ceil(max(shape) / math.isqrt(CELLS // panels)))


def _across(sections: tuple[Section, ...], panels: int) -> int:
    """The heads of several layers stand in lines of a layer each; others make up a square."""
    grid = sections[0].grid
    if len(sections) == 1 and len(grid) == 2 and grid[0] > 1 and math.prod(grid) == panels:
        return grid[1]
    return math.ceil(math.sqrt(panels))


async def _panel(source: Source, tower: Tower, view: View, reading: Reading, step: int) -> Panel:
    queries, keys = tower.shape
    request = GetWindow(source.run.run, view, (0, queries), (0, keys), step, step, "max", reading)
    rows = await window(source.engine, request)
    weights = without_future(rows.weights, step) if tower.stack.causal else rows.weights
    share = await source.hidden_share(view, (0, queries), reading)
    return Panel(view_name(view) + hidden_name(share), weights)


def _labels(units: tuple[Unit, ...], step: int) -> tuple[str, ...]:
    more = "…" if step > 1 else ""
    return tuple(_label(unit.text) + more for unit in units[::step])


def _label(text: str) -> str:
    shown = visible(text)
    return fit(shown, min(cell_len(shown), LABEL_LIMIT))
