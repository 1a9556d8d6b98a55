"""Pictures without a model."""

from collections.abc import Callable

import numpy as np
import pytest

from attntui.core.tokens import visible
from attntui.export.pictures import Panel, Picture

HOSTILE = (
    "</script><script>alert(1)</script>",
    "]]>",
    "-->",
    "&amp;",
    '"><img src=x onerror=alert(1)>',
    "$\\frac{1}$",
    "\x1b]0;title\x07",
    "\u202eevil",
    "日本",
    "${1}",
)

MakePicture = Callable[..., Picture]


@pytest.fixture
def picture() -> MakePicture:
    """A picture of so many panels of causal weights, with hostile tokens along its sides."""

    def make(panels: int = 1, across: int = 1, scale: str = "linear") -> Picture:
        labels = tuple(visible(text)[:16] for text in HOSTILE)
        weights = np.random.default_rng(0).random((panels, len(labels), len(labels)), np.float32)
        weights /= weights.sum(-1, keepdims=True)
        weights[:, np.triu_indices(len(labels), 1)[0], np.triu_indices(len(labels), 1)[1]] = np.nan
        weights[:, 0, 0] = 1
        return Picture(
            title=visible(HOSTILE[0]),
            panels=tuple(Panel(f"Layer {at} & <b>", one) for at, one in enumerate(weights)),
            queries=labels,
            keys=labels,
            step=1,
            scale=scale,  # type: ignore[arg-type]
            across=across,
        )

    return make
