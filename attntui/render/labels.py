"""Token labels of a fixed size: along rows, and written downwards above columns.

Terminals disagree on the width of joined emoji, so a label is always cut and padded to its cell.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size, split_graphemes

from attntui.core.tokens import SPACE, visible

ELLIPSIS = "…"
LEAST_HEIGHT = 3


def fit(text: str, width: int) -> str:
    """`text` cut (with an ellipsis) or padded on the right to exactly `width` columns."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    if width <= 1:
        return ELLIPSIS[:width]
    kept = set_cell_size(text, width - 1).rstrip(" ")
    return set_cell_size(kept + ELLIPSIS, width)


def fit_right(text: str, width: int) -> str:
    """As `fit`, padded on the left."""
    cut = fit(text, width).rstrip(" ")
    return " " * (width - cell_len(cut)) + cut


def downwards(token: str, height: int) -> list[str]:
    """A token written downwards: `height` pieces of one or two columns, at the bottom.

    A leading space is left out, the row labels show it; a longer token ends in an ellipsis.
    """
    pieces = _pieces(token)
    if len(pieces) > height:
        pieces = [*pieces[: height - 1], "⋮"]
    return [""] * (height - len(pieces)) + pieces


def _pieces(token: str) -> list[str]:
    text = visible(token)
    text = text[1:] if text.startswith(SPACE) and len(text) > 1 else text
    return list(text) if text.isascii() else _graphemes(text)


def _graphemes(text: str) -> list[str]:
    spans, _ = split_graphemes(text)
    return [text[start:stop] for start, stop, _ in spans]


def header_height(texts: Sequence[str], ordinary: Sequence[str], most: int) -> int:
    """Lines of the labels above columns: what the longest of the `ordinary` texts needs, at most
    `most`, so that a long special token does not take the picture's room."""
    needed = _largest((len(text.strip()) for text in ordinary), most) if ordinary else most
    return _largest((len(_pieces(text)) for text in set(texts)), max(needed, LEAST_HEIGHT))


def quote(token: str) -> str:
    """A token in a sentence: `"·John"`."""
    return f'"{visible(token)}"'


def longest(tokens: list[str], limit: int) -> int:
    """Columns that the longest of the visible tokens needs, at most `limit`."""
    return _largest(map(_columns, set(map(visible, tokens))), limit) if tokens else min(limit, 1)


def _columns(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _largest(sizes: Iterable[int], limit: int) -> int:
    """The largest, at most `limit`: of a long text's tokens only few are measured."""
    found = 0
    for size in sizes:
        found = max(found, size)
        if found >= limit:
            return limit
    return found
