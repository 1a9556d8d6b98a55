"""Which tokens of a run are which words of a text, told by characters."""

from collections.abc import Sequence
from dataclasses import dataclass

from attntui.cli.treebank import Sentence, Span
from attntui.core.protocol import Token

NO_WORD, UNPLACED = -2, -1


@dataclass(frozen=True)
class Placed:
    """A sentence's words as tokens."""

    words: tuple[int, ...]
    """The words that have tokens of their own, in order."""
    tokens: tuple[Span, ...]
    """The tokens of each of these, half-open."""
    straddled: int
    """Words that share a token with others."""
    missing: int
    """Words without a token, or that are no stretch of the text."""


def placed(sentence: Sentence, tokens: Sequence[Token]) -> Placed:
    """Find the tokens of each word. White space of a token belongs to no word."""
    owners = _owners(sentence)
    found: dict[int, list[int]] = {}
    straddled: set[int] = set()
    for at, token in enumerate(tokens):
        if token.special or token.start < 0:
            continue
        touched = {*owners[token.start : token.end]} - {NO_WORD}
        for word in touched:
            found.setdefault(word, []).append(at)
        if len(touched) > 1:
            straddled |= touched
    straddled.discard(UNPLACED)
    own = [word for word in sorted(found) if word != UNPLACED and word not in straddled]
    return Placed(
        tuple(own),
        tuple((found[word][0], found[word][-1] + 1) for word in own),
        len(straddled),
        len(sentence.words) - len(straddled) - len(own),
    )


def _owners(sentence: Sentence) -> list[int]:
    """The word of each character; `UNPLACED` where it is of words that are no stretch of text."""
    owners = [NO_WORD if char.isspace() else UNPLACED for char in sentence.text]
    for word, span in enumerate(sentence.words):
        if span is not None:
            for at in range(*span):
                if owners[at] == UNPLACED:
                    owners[at] = word
    return owners
