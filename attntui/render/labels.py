"""Token labels of a fixed size: along rows, and written downwards above columns.

Terminals disagree on the width of joined emoji, so a label is always cut and padded to its cell.
"""

from rich.cells import cell_len, set_cell_size, split_graphemes

from attntui.core.tokens import SPACE, visible

ELLIPSIS = "…"


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
    text = visible(token)
    text = text[1:] if text.startswith(SPACE) and len(text) > 1 else text
    spans, _ = split_graphemes(text)
    pieces = [text[start:stop] for start, stop, _ in spans]
    if len(pieces) > height:
        pieces = [*pieces[: height - 1], "⋮"]
    return [""] * (height - len(pieces)) + pieces


def quote(token: str) -> str:
    """A token in a sentence: `"·John"`."""
    return f'"{visible(token)}"'


def longest(tokens: list[str], limit: int) -> int:
    """Columns that the longest of the visible tokens needs, at most `limit`."""
    return min(limit, max((cell_len(visible(token)) for token in tokens), default=1))
