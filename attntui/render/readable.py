"""A side of a run as text to read: what each token stands for, and what stands between two.

Tokenizers spell spaces in different ways: GPT-2's tokens carry the space before them, BERT's carry
none and mark with `##` what goes on. Where offsets are known, they say what belongs together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
    texts = [_text(unit, tokens) for unit in units]
    carry_spaces = any(token.text != token.text.strip(" ") for token in tokens)
    gaps = [""] * len(units)
    for at in range(1, len(units)):
        edges = texts[at - 1][-1:], texts[at][:1]
        if not any(edge.isspace() for edge in edges):
            ends = _tokens(units[at - 1], tokens)[-1], _tokens(units[at], tokens)[0]
            gaps[at] = _gap(*ends, carry_spaces)
    return [
        Piece(text, gap, labels.get(at))
        for at, (text, gap) in enumerate(zip(whole_characters(texts), gaps, strict=True))
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


def _text(unit: Token | Word, tokens: Sequence[Token]) -> str:
    """A word with the spaces around it; a token without the mark that its word goes on, unless the
    offsets say that it is text."""
    if isinstance(unit, Word):
        whole = "".join(token.text for token in _tokens(unit, tokens))
        bare = whole.strip()
        start = whole.find(bare)
        return whole[:start] + unit.text + whole[start + len(bare) :] if bare else whole
    text = unit.text
    is_text = not _goes_on(unit) or unit.end - unit.start == len(text)
    return text if is_text else text.removeprefix(CONTINUED)


def _gap(before: Token, token: Token, carry_spaces: bool) -> str:
    """What stands between two tokens of which neither holds a space there."""
    if token.gap or (before.part == token.part and before.end >= 0 and token.start >= 0):
        return token.gap.replace("\r", "")
    if before.special or token.special:
        return " "
    wide = cell_len(before.text[-1:]) == 2 or cell_len(token.text[:1]) == 2
    return "" if carry_spaces or _goes_on(token) or wide else " "


def _goes_on(token: Token) -> bool:
    return token.text.startswith(CONTINUED) and token.text != CONTINUED


def _tokens(unit: Token | Word, tokens: Sequence[Token]) -> Sequence[Token]:
    return tokens[unit.first : unit.last + 1] if isinstance(unit, Word) else (unit,)
