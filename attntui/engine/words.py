"""Words: which tokens belong together, told from the text and never from a tokenizer's spelling.

A word is letters, digits and `_` together (`foo_bar`, `gpt2`), with the apostrophe of a contraction
(`don't`, `o'clock`, `Mary's`, `l'homme`) and the point of a number (`3.14`, `1,000`). Every other
mark is a word of its own, or a run of the same (`...`, `**`) or an operator (`->`, `!=`). Emoji are
one word each, with their modifiers, joiners and flags. Japanese and Chinese have no spaces: there a
word ends where the script does (kanji, hiragana, katakana, others), unless the tokenizer has a word
stage of its own. A line break is a word; other white space belongs to the word after it.

No tokenizer cuts at all of these places, and a token is never cut: a word begins where a token does
whose first character begins one.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, pairwise

import regex

from attntui.core.protocol import Token, Word
from attntui.engine.alignment import Span, rebuilt
from attntui.engine.pieces import from_bytes
from attntui.engine.tokenising import Piece

_LETTER = (
    r"[[\p{L}\p{M}\p{N}_\u200c\u200d]"
    r"--[\p{Han}\p{Hiragana}\p{Katakana}ー\uff70\uff9e\uff9f\u3099-\u309c]]"
)
_WORD = regex.compile(
    rf"""(?xV1)
    [\r\n](?:\s*[\r\n])*
  | \p{{Han}}[\p{{Han}}\p{{M}}]*
  | \p{{Hiragana}}[\p{{Hiragana}}\p{{M}}ー]*
  | \p{{Katakana}}[\p{{Katakana}}\p{{M}}ー\uff70\uff9e\uff9f]*
  | {_LETTER}+
    (?: (?: (?<=\p{{L}})['’](?=\p{{L}})
          | (?<=\p{{N}})(?:\.|,(?=\p{{N}}{{3}}(?!\p{{N}})))(?=\p{{N}}) )
        {_LETTER}+ )*
  | [-+*/%=<>!&|^~:]=+ | -> | => | <-
  | ([[\p{{P}}\p{{S}}]--[\p{{Ps}}\p{{Pe}}\p{{Extended_Pictographic}}\p{{Regional_Indicator}}]])
    \1*+ (?!\p{{M}}|\u200d)
  | (?!\s)\X
    """
)


def words(
    pieces: Sequence[Piece], tokens: Sequence[Token], data: Sequence[bytes]
) -> tuple[Word, ...]:
    """The words of a side: every token is in exactly one, in order.

    `tokens` are what is shown of `pieces`, and `data` their texts (`pieces.spelled`). Special
    tokens are words of their own; no word goes over the end of a sentence or a chat message.
    """
    opens: list[bool] = []
    keys = [(token.special, token.part, token.role) for token in tokens]
    for (special, *_), group in groupby(range(len(tokens)), key=keys.__getitem__):
        run = list(group)
        part = slice(run[0], run[-1] + 1)
        opens += [True] * len(run) if special else _opens(pieces[part], data[part])
    firsts = [at for at, first in enumerate(opens) if first]
    return tuple(
        Word(
            _text(pieces[first:stop], tokens[first:stop], data[first:stop]),
            first,
            stop - 1,
            tokens[first].special,
            tokens[first].part,
            tokens[first].role,
        )
        for first, stop in pairwise([*firsts, len(tokens)])
    )


def _opens(pieces: Sequence[Piece], data: Sequence[bytes]) -> list[bool]:
    """Whether each of these tokens is the first of a word."""
    begins: list[bool | None] = []
    for source, group in groupby(pieces, key=lambda piece: piece.start >= 0 and piece.source):
        run = list(group)
        spans = [(piece.start, piece.end) for piece in run]
        if source is False:
            source, spans = rebuilt(data[len(begins) : len(begins) + len(run)])
        begins += _begins(spans, source)
    opens = [
        (begin is not False) if piece.opens is None else piece.opens
        for piece, begin in zip(pieces, begins, strict=True)
    ]
    for at in reversed(range(len(opens) - 1)):
        if begins[at] is None:
            opens[at], opens[at + 1] = opens[at + 1], False
    return [True, *opens[1:]]


def _begins(spans: Sequence[Span], text: str) -> list[bool | None]:
    """Whether a word begins with each token; None where it is but white space.

    Several tokens may have a part of one character: only the first of them begins a word with it.
    """
    marks = _marks(text)
    found: list[bool | None] = []
    reached = 0
    for start, end in spans:
        marked = marks[max(start, 0) : max(end, 0)].lstrip(b"\x00")
        is_first = end - len(marked) >= reached and marked[:1] == b"\x02"
        found.append(is_first if marked else None)
        reached = max(reached, end)
    return found


@lru_cache(maxsize=4)
def _marks(text: str) -> bytes:
    """For each character: 2 where a word begins, 1 inside of one, 0 between words."""
    marks = bytearray(len(text))
    for match in _WORD.finditer(text):
        start, stop = match.span()
        marks[start:stop] = b"\x02".ljust(stop - start, b"\x01")
    return bytes(marks)


def _text(pieces: Sequence[Piece], tokens: Sequence[Token], data: Sequence[bytes]) -> str:
    """A word's stretch of the original text, less white space around it, unless it is only that."""
    if tokens[0].special:
        return tokens[0].text
    if len(pieces) == 1 and pieces[0].start >= 0:
        return _stripped(pieces[0].source[pieces[0].start : pieces[0].end], data)
    placed = [one for one, each in zip(pieces, data, strict=True) if one.start >= 0 or each.strip()]
    if placed and min(piece.start for piece in placed) >= 0:
        start, end = min(each.start for each in placed), max(each.end for each in placed)
        text = placed[0].source[start:end]
    else:
        text, _ = rebuilt(data)
    return _stripped(text, data)


def _stripped(text: str, data: Sequence[bytes]) -> str:
    if "\ufffd" in text:  # halves of characters, which a model may write
        text = from_bytes(b"".join(data))
    return text.strip() or text
