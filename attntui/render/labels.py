"""Token labels of a fixed size: along rows, and written downwards above columns.

Terminals disagree on the width of joined emoji, so a label is always cut and padded to its cell.
"""

from collections.abc import Sequence

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
    text = visible(token)
    text = text[1:] if text.startswith(SPACE) and len(text) > 1 else text
    pieces = list(text) if text.isascii() else _graphemes(text)
    if len(pieces) > height:
        pieces = [*pieces[: height - 1], "⋮"]
    return [""] * (height - len(pieces)) + pieces


def _graphemes(text: str) -> list[str]:
    spans, _ = split_graphemes(text)
    return [text[start:stop] for start, stop, _ in spans]


def column_labels(texts: Sequence[str], ordinary: Sequence[str], most: int) -> list[list[str]]:
    """Labels above columns, all of one height: what the longest of the `ordinary` texts needs, at
    most `most` lines, so that a long special token does not take the picture's room."""
    if not texts:
        return []
    longest_one = max((len(text.strip()) for text in ordinary), default=most)
    limit = max(min(most, longest_one), LEAST_HEIGHT)
    pieces = {text: downwards(text, limit) for text in set(texts)}
    spare = min(column.count("") for column in pieces.values())
    cut = {text: column[spare:] for text, column in pieces.items()}
    return [cut[text] for text in texts]


def quote(token: str) -> str:
    """A token in a sentence: `"·John"`."""
    return f'"{visible(token)}"'


def longest(tokens: list[str], limit: int) -> int:
    """Columns that the longest of the visible tokens needs, at most `limit`."""
    return min(limit, max((cell_len(visible(token)) for token in set(tokens)), default=1))
