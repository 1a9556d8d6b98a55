"""Pictures for a paper, as .svg and .png, drawn by matplotlib (the extra `plot`)."""

import importlib.util
import logging
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from rich.cells import cell_len

from attntui.core.errors import UserError
from attntui.core.scale import brightness
from attntui.export.pictures.legend import RAMP, bar_title, marks
from attntui.export.pictures.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

DPI = 200
FONT, LEAST_FONT = 8.0, 4.5
"""Points; labels that would be smaller are left out, all but every second, third, ..."""
VECTOR_CELLS = 5_000
"""So many cells are drawn as shapes, which stay sharp; more than that as an image."""
MOST_PIXELS = 200_000_000
"""Of a .png: matplotlib holds them all, 4 bytes each."""
IMAGE_SIDE = 500
"""Pixels that an image inside an .svg has along its side, or more where there are more cells."""
BLANK = "#ffffff"


def check_matplotlib() -> None:
    """
    Raises:
        UserError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError(
            "Pictures as .svg and .png need matplotlib: pip install 'attntui[plot]', in a clone"
            " pip install '.[plot]'."
        )


def check_pixels(size: tuple[float, float], dpi: int) -> None:
    """
    Raises:
        UserError: a .png of this size in inches would have too many pixels.
    """
    pixels = size[0] * dpi * size[1] * dpi
    if pixels > MOST_PIXELS:
        raise UserError(
            f"A .png of {size[0]:g}x{size[1]:g} inches at {dpi} dpi has {pixels / 1e6:.0f} million"
            f" pixels, and {MOST_PIXELS / 1e6:.0f} are the most: choose a smaller --size or --dpi."
        )


def draw_figure(
    picture: Picture,
    stream: BinaryIO,
    kind: Literal["svg", "png"],
    size: tuple[float, float] | None = None,
    dpi: int = DPI,
) -> tuple[str, ...]:
    """Write `picture`, `size` (width, height) in inches; sentences that the user should know.

    Raises:
        UserError: matplotlib is not installed, or a .png would have too many pixels.
    """
    check_matplotlib()
    inches = size or _natural_size(picture)
    if kind == "png":
        check_pixels(inches, dpi)
    # What it has to say (no folder for its cache, a slow first start) would land on the screen.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib

    from attntui.export.pictures.fonts import families_for

    families, missing = families_for(_texts(picture))
    # The user's own matplotlibrc must not change the picture, nor read tokens as mathematics.
    settings: dict[Any, Any] = {
        **matplotlib.rcParamsDefault,
        "font.family": families,
        "font.size": FONT,
        "text.parse_math": False,
        "svg.hashsalt": "attntui",
    }
    settings.pop("backend", None)
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = _figure(picture, inches, kind)
        figure.savefig(
            stream,
            format=kind,
            dpi=dpi,
            # Without a date the same attention gives the same bytes.
            metadata={"Date": None} if kind == "svg" else None,
            bbox_inches=None if size else "tight",
        )
    if not missing:
        return ()
    some = " ".join(sorted(missing)[:8])
    return (f"no font here has {some}: install one that does, such as Noto Sans CJK.",)


def _texts(picture: Picture) -> list[str]:
    titles = [panel.title for panel in picture.panels]
    return [picture.title, *titles, *picture.queries, *picture.keys]


def _natural_size(picture: Picture) -> tuple[float, float]:
    """Inches at which the labels can be read and a page still holds it."""
    down = math.ceil(len(picture.panels) / picture.across)
    least, most = (3.0, 7.5) if len(picture.panels) == 1 else (1.3, 2.4)

    def side(cells: int) -> float:
        return min(max(cells * 0.14, least), most)

    return (
        min(picture.across * side(len(picture.keys)) + 2.0, 40.0),
        min(down * (side(len(picture.queries)) + 0.25) + 1.3, 40.0),
    )


def _figure(picture: Picture, size: tuple[float, float], kind: str) -> "Figure":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize
    from matplotlib.figure import Figure

    colours = LinearSegmentedColormap.from_list("attntui", RAMP)
    down = math.ceil(len(picture.panels) / picture.across)
    figure = Figure(figsize=size, layout="constrained", facecolor=BLANK)
    axes = figure.subplots(down, picture.across, squeeze=False)
    for spare in axes.flat[len(picture.panels) :]:
        spare.set_visible(False)
    for at, panel in enumerate(picture.panels):
        _draw_cells(axes.flat[at], panel.weights, picture, colours, kind)
    shades = ScalarMappable(Normalize(0, 1), colours)
    bar = figure.colorbar(shades, ax=axes, shrink=0.6, aspect=30, pad=0.02)
    _label_bar(bar, picture)
    width, height = _cell_points(picture, size, down)
    for at, one in enumerate(axes.flat[: len(picture.panels)]):
        one.tick_params(length=1.5, width=0.4, pad=1.5)
        is_left, is_lowest = at % picture.across == 0, at + picture.across >= len(picture.panels)
        _label(one.xaxis, picture.keys if is_lowest else (), width, rotation=90)
        _label(one.yaxis, picture.queries if is_left else (), height, rotation=0)
    _name(figure, picture)
    return figure


def _name(figure: "Figure", picture: Picture) -> None:
    """Titles, and what the sides are."""
    axes, panels = figure.axes[0], picture.panels
    if len(panels) == 1:
        axes.set_title(f"{picture.title} · {panels[0].title}", fontsize=FONT)
        axes.set_xlabel("key", fontsize=FONT)
        axes.set_ylabel("query", fontsize=FONT)
        return
    figure.suptitle(picture.title, fontsize=FONT + 1)
    figure.supxlabel("key", fontsize=FONT)
    figure.supylabel("query", fontsize=FONT)
    for at, panel in enumerate(panels):
        figure.axes[at].set_title(panel.title, fontsize=FONT - 1)


def _draw_cells(
    axes: "Axes", weights: np.ndarray, picture: Picture, colours: Any, kind: str
) -> None:
    bright = np.ma.masked_invalid(brightness(weights, picture.scale))
    down, across = weights.shape
    if kind == "svg" and bright.size * len(picture.panels) <= VECTOR_CELLS:
        # Edges of the cell's own colour: without them viewers show hairlines between cells.
        axes.pcolormesh(
            bright, cmap=colours, vmin=0, vmax=1, edgecolors="face", linewidth=0.2, snap=True
        )
        axes.set(xlim=(0, across), ylim=(down, 0))
    else:
        if kind == "svg":
            # Some viewers smooth an image: with many pixels to a cell that shows at its rim only.
            pixels = max(1, IMAGE_SIDE // max(down, across))
            bright = bright.repeat(pixels, 0).repeat(pixels, 1)
        extent = (0, across, down, 0)
        axes.imshow(bright, cmap=colours, vmin=0, vmax=1, extent=extent, interpolation="none")
    axes.set_aspect("equal" if _has_square_cells(picture) else "auto")
    for side in axes.spines.values():
        side.set(linewidth=0.4, color="#888888")


def _has_square_cells(picture: Picture) -> bool:
    return 1 / 3 <= len(picture.queries) / len(picture.keys) <= 3


def _cell_points(picture: Picture, size: tuple[float, float], down: int) -> tuple[float, float]:
    """About how wide and high a cell becomes, in points; `down` panels stand above another."""
    letters = max(map(cell_len, (*picture.keys, *picture.queries)))
    margin = letters * FONT * 0.6 + 4 * FONT
    width = (size[0] * 72 * 0.85 - margin) / picture.across / len(picture.keys)
    height = (size[1] * 72 - margin - 2 * FONT * down) / down / len(picture.queries)
    if _has_square_cells(picture):
        width = height = min(width, height)
    return max(width, 0.01), max(height, 0.01)


def _label(axis: "Axis", labels: Sequence[str], cell: float, rotation: int) -> None:
    """Tokens along an axis, or every second, third, ... of them; in a page at its edges only."""
    every = max(1, math.ceil(LEAST_FONT / cell))
    at = range(0, len(labels), every)
    font = min(FONT, max(LEAST_FONT, 0.9 * cell))
    axis.set_ticks(
        [place + 0.5 for place in at],
        [labels[place] for place in at],
        rotation=rotation,
        fontsize=font,
    )


def _label_bar(bar: "Colorbar", picture: Picture) -> None:
    shares, weights = zip(*marks(picture.scale), strict=True)
    bar.set_label(bar_title(picture.scale), fontsize=FONT)
    bar.set_ticks(shares, labels=weights, fontsize=FONT - 1)
    bar.outline.set_linewidth(0.4)
