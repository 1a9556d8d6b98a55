"""A title that fits its line: the most important part first, in shorter words where need be."""

from collections.abc import Sequence

from rich.cells import cell_len

from attntui.render.labels import ELLIPSIS

Part = tuple[str, ...]
"""Wordings of one part of a title, from long to short; "" leaves it out."""


def headline(width: int, parts: Sequence[Part]) -> str:
    """The parts in a line of `width` columns, in the longest wordings that fit.

    The last part is shortened first, the first one last. Where the shortest wordings of all do not
    fit, an ellipsis stands for the last parts, never for half a word of the first.
    """
    words = [part[0] for part in parts]
    for at in reversed(range(len(parts))):
        for wording in parts[at]:
            words[at] = wording
            if cell_len(_joined(words)) <= width:
                return _joined(words)
    while len(words) > 2 and cell_len(_joined(words)) > width:
        words[-2:] = [ELLIPSIS]
    return _joined(words)


def _joined(words: Sequence[str]) -> str:
    return " · ".join(word for word in words if word)
