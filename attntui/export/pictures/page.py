"""Pictures as one .html: a page that needs nothing else, and says the number under the pointer.

The weights travel as float32 in base64, 5.4 bytes each; the script draws the one panel that is
chosen. No text of the model's is ever markup or script: labels are escaped, and the data is JSON
in which no `<` is left.
"""

import base64
import json
import math
from html import escape
from pathlib import Path
from typing import BinaryIO

import numpy as np
from rich.cells import cell_len

from attntui.core.scale import DESCRIPTIONS, LOG_FLOOR
from attntui.export.pictures.legend import RAMP, marks
from attntui.export.pictures.picture import Picture

HERE = Path(__file__).parent
SIDE, LEAST_CELL, MOST_CELL = 900, 1, 24
"""Pixels: what the longer side of the weights takes, and a cell, where no size is chosen."""
LETTER, LABEL_LINE, BAR = 7, 12, 80
"""Pixels: about a column of a label, the height of one, and the width of the colour bar."""
PIXELS = 96
"""CSS pixels of an inch."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def write_page(picture: Picture, stream: BinaryIO, size: tuple[float, float] | None = None) -> int:
    """Write `picture` as a page, `size` (width, height) in inches; how many bytes it has."""
    cell = _cell(picture, size)
    title, several = picture.title, len(picture.panels) > 1
    if not several:
        title = f"{title} · {picture.panels[0].title}"
    return stream.write(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>
{(HERE / "page.css").read_text("utf-8")}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p>Query (row) attends to key (column); {escape(DESCRIPTIONS[picture.scale])}. The script of this
page draws it; point at a cell for its number.</p>
{_selector(picture) if several else ""}
<output id="said"></output>
{_map(picture, cell)}
<script type="application/json" id="data">{_data(picture, cell)}</script>
<script>
{(HERE / "page.js").read_text("utf-8")}</script>
</body>
</html>
""".encode()
    )


def _cell(picture: Picture, size: tuple[float, float] | None) -> float:
    """Pixels that a cell has along its side."""
    down, across = len(picture.queries), len(picture.keys)
    if size is None:
        return min(max(SIDE // max(down, across), LEAST_CELL), MOST_CELL)
    width, height = (side * PIXELS - _margin(picture) for side in size)
    return max(0.1, min((width - BAR) / across, height / down))


def _margin(picture: Picture) -> int:
    """Pixels for the labels, to the left and above."""
    return LETTER * max(map(cell_len, (*picture.queries, *picture.keys))) + LABEL_LINE


def _selector(picture: Picture) -> str:
    options = "".join(
        f'<option value="{at}">{escape(panel.title)}</option>'
        for at, panel in enumerate(picture.panels)
    )
    return f'<select id="panel" aria-label="What is shown">{options}</select>'


def _map(picture: Picture, cell: float) -> str:
    """The picture without its cells: labels, frame and ramp."""
    across, down = len(picture.keys) * cell, len(picture.queries) * cell
    left = above = _margin(picture)
    width, height = left + across + BAR, above + max(down, 160) + 8
    every = math.ceil(LABEL_LINE / cell)
    rows = "".join(
        f'<text x="{left - 6}" y="{above + (at + 0.5) * cell + 4:g}" text-anchor="end">'
        f"{escape(picture.queries[at])}</text>"
        for at in range(0, len(picture.queries), every)
    )
    columns = "".join(
        f'<text transform="translate({left + (at + 0.5) * cell + 4:g} {above - 6}) rotate(-90)">'
        f"{escape(picture.keys[at])}</text>"
        for at in range(0, len(picture.keys), every)
    )
    box = f'x="{left}" y="{above}" width="{across}" height="{down}"'
    return f"""<svg id="map" viewBox="0 0 {width} {height}" width="{width}" height="{height}">
{rows}
{columns}
<image id="weights" {box} preserveAspectRatio="none"/>
<rect id="frame" {box}/>
<rect id="cursor" width="{cell}" height="{cell}"/>
{_ramp(picture, left + across + 20, above)}
</svg>"""


def _ramp(picture: Picture, left: float, above: int) -> str:
    """The colour bar, with the weights that its colours stand for."""
    high = 150
    stops = "".join(
        f'<stop offset="{at / (len(RAMP) - 1):g}" stop-color="{colour}"/>'
        for at, colour in enumerate(RAMP)
    )
    texts = "".join(
        f'<text x="{left + 18}" y="{above + (1 - share) * high + 4:g}">{weight}</text>'
        for share, weight in marks(picture.scale)
    )
    return f"""<linearGradient id="ramp" x1="0" y1="1" x2="0" y2="0">{stops}</linearGradient>
<rect x="{left}" y="{above}" width="12" height="{high}" fill="url(#ramp)"/>
{texts}"""


def _data(picture: Picture, cell: float) -> str:
    data = {
        "panels": [_base64(panel.weights) for panel in picture.panels],
        "queries": picture.queries,
        "keys": picture.keys,
        "ramp": [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in RAMP],
        "scale": picture.scale,
        "floor": LOG_FLOOR,
        "cell": cell,
        "left": _margin(picture),
        "above": _margin(picture),
    }
    return json.dumps(data).replace("<", "\\u003c")


def _base64(weights: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(weights, "<f4").tobytes()).decode("ascii")
