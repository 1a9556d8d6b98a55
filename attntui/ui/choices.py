"""What there is to choose from: pages, scores of the head map, lenses, which of two runs."""

from typing import Literal, get_args

from attntui.core.head_tables import HeadTable
from attntui.core.protocol import (
    Flow,
    Gradient,
    Norm,
    Relevance,
    Rollout,
    Sinks,
    Statistic,
    Token,
    Word,
)

PageName = Literal["grid", "lines", "text", "layer", "model", "neuron", "distance"]
PAGES: tuple[PageName, ...] = get_args(PageName)
"""The ways to look, in the order of their number keys."""

Lens = Literal["head", "mean", "chosen", "all", "rollout"]
MapKind = Literal["cell", "pair", "effect", "shift", "direct", "order"] | Statistic | HeadTable
"""What colours the head map; a table is one that was read from a file."""
Axis = Literal["queries", "keys"]
Shown = Literal["after", "before", "difference"]
"""Of two runs: the new one, the one it is compared with, or the new one less that."""
SHOWN: tuple[Shown, ...] = get_args(Shown)
LensShown = Literal["lens", "weights", "difference"]
"""Of a lens and the weights that it is of: the one, the other, or the one less the other."""
LENS_SHOWN: tuple[LensShown, ...] = get_args(LensShown)
Lensed = Norm | Gradient | Relevance | Flow | Rollout
"""What can be seen beside the weights that it is of."""
Method = Literal["weights", "norm", "gradient", "relevance", "flow"]
"""What a matrix holds: the weights, or what a lens makes of them."""
METHODS: tuple[Method, ...] = get_args(Method)
NEEDS_AIM: tuple[Method, ...] = ("gradient", "relevance")
MAP_PAGES: tuple[PageName, ...] = ("layer", "model")
LENS_PAGES: tuple[PageName, ...] = ("grid", "text")
"""Where lenses are seen; the other pages show weights."""

Legend = Literal["shades", "figures", "signed", "differences", "lens"]
"""What a page draws of a number: a shade, a shade with the figure in it, a shade of its sign, a
difference."""

Unit = Token | Word
"""What a row or column stands for."""

WAY = ("lens", "chosen", "rollout", "method", "aim", "aim_text", "words")
"""What a pin keeps of a look, whatever head the cursor goes to."""
PLACE = ("stack", "layer", "head")
"""What it keeps besides, where one run's views are compared."""

SINKS: tuple[Sinks, ...] = get_args(Sinks)
THRESHOLDS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
