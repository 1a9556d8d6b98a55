"""A side of a run as text to read: what each token stands for, and what stands between two.

Tokenizers spell spaces in different ways: GPT-2's tokens carry the space before them, BERT's carry
none and mark with `##` what goes on. Where offsets are known, they say what belongs together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len

from attntui.core.pairs import sentence_boundary
from attntui.core.protocol import Token, Word
from attntui.core.tokens import sanitise
from attntui.render.characters import whole_characters

CONTINUED = "##"


@dataclass(frozen=True)
class Piece:
    """A token or a word as it is read: `gap` stands before it and belongs to none.

    `label` names the section that begins here, such as a chat's role, made safe; None where none
    begins.
    """

    text: str
    gap: str = ""
    label: str | None = None


def readable(units: Sequence[Token | Word], tokens: Sequence[Token]) -> list[Piece]:
    """The pieces of a side's `units`, which are its `tokens` or words of them."""
    labels = _labels(units)
    carry_spaces = any(token.text != token.text.strip(" ") for token in tokens)
    gaps = ["", *(_gap(*pair, tokens, carry_spaces) for pair in pairwise(units))]
    texts = whole_characters([_text(unit) for unit in units])
    return [
        Piece(text, gap, labels.get(at))
        for at, (text, gap) in enumerate(zip(texts, gaps, strict=False))
    ]


def _labels(units: Sequence[Token | Word]) -> dict[int, str]:
    """Where a chat's roles begin, or the two sentences of a pair."""
    found: dict[int, str] = {}
    role = ""
    for at, unit in enumerate(units):
        if unit.role and unit.role != role:
            found[at] = sanitise(unit.role)
            role = unit.role
    second = sentence_boundary(units)
    return found or ({} if second is None else {0: "A", second: "B"})


def _text(unit: Token | Word) -> str:
    """The text without the mark that a word goes on, unless the offsets say that it is text."""
    text = unit.text
    if isinstance(unit, Word) or not text.startswith(CONTINUED) or text == CONTINUED:
        return text
    return text if unit.end - unit.start == len(text) else text.removeprefix(CONTINUED)


def _gap(
    before: Token | Word, unit: Token | Word, tokens: Sequence[Token], carry_spaces: bool
) -> str:
    first, last = _first(unit, tokens), _last(before, tokens)
    holds_space = before.text[-1:].isspace() or unit.text[:1].isspace()
    if first.gap and not holds_space:
        return first.gap.replace("\r", "")
    if holds_space or (last.part == first.part and last.end >= 0 and first.start >= 0):
        return ""
    if before.special or unit.special:
        return " "
    goes_on = unit.text.startswith(CONTINUED) and unit.text != CONTINUED
    wide = cell_len(before.text[-1:]) == 2 or cell_len(unit.text[:1]) == 2
    return "" if carry_spaces or goes_on or wide else " "


def _first(unit: Token | Word, tokens: Sequence[Token]) -> Token:
    return tokens[unit.first] if isinstance(unit, Word) else unit


def _last(unit: Token | Word, tokens: Sequence[Token]) -> Token:
    return tokens[unit.last] if isinstance(unit, Word) else unit
