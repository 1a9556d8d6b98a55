"""Two sentences in one text: where the second begins, and the weights from one to the other.

numpy is imported by the function that needs it: the first paint does not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from attntui.core.protocol import Token, Word

if TYPE_CHECKING:
    import numpy as np

Between = Literal["all", "A→A", "A→B", "B→A", "B→B"]
"""Of a pair of sentences: whose queries look at whose keys."""
BETWEEN: tuple[Between, ...] = get_args(Between)


def sentence_boundary(tokens: Sequence[Token | Word]) -> int | None:
    """The position where sentence B begins, None where there is no second sentence.

    Everything before B's first own token is A, so the separators between the two are A's: in BERT's
    input this is where the segment ids change, which bertviz calls `sentence_b_start`.
    """
    return next((at for at, token in enumerate(tokens) if token.part == 1), None)


def between(
    pair: Between, boundary: int, rows: tuple[int, int], keys: tuple[int, int]
) -> np.ndarray:
    """(rows, keys) bool: the cells of a window that lead from one sentence to another.

    `rows` and `keys` are half-open ranges of positions, as in `GetWindow`.
    """
    import numpy as np

    if pair == "all":
        return np.ones((rows[1] - rows[0], keys[1] - keys[0]), dtype=bool)
    source, target = pair.split("→")
    from_source = (np.arange(*rows) >= boundary) == (source == "B")
    to_target = (np.arange(*keys) >= boundary) == (target == "B")
    return np.asarray(from_source[:, None] & to_target)


def whole_cells(inside: np.ndarray, row_step: int, key_step: int) -> np.ndarray:
    """(cells down, cells across) bool: the cells of row_step x key_step that lie wholly inside.

    A cell that pools both sentences shows neither: its largest weight may be of the other one.
    """
    import numpy as np

    rows = np.logical_and.reduceat(inside, range(0, inside.shape[0], row_step), axis=0)
    return np.logical_and.reduceat(rows, range(0, inside.shape[1], key_step), axis=1)
