"""Where tokens stand in the text they were made from, for tokenizers that do not tell.

A span is a pair of character offsets, its end not included; `UNKNOWN` where nobody can say.
"""

from collections.abc import Sequence
from itertools import groupby

Span = tuple[int, int]
UNKNOWN: Span = (-1, -1)
MAX_GAP = 32
"""Characters between two tokens beyond which a likeness is taken for chance."""


def aligned(data: Sequence[bytes], text: str) -> list[Span]:
    """Spans of tokens, each token's own text (`pieces.spelled`) looked for after the last one's."""
    lower = text.lower()
    lower = lower if len(lower) == len(text) else text
    spans: list[Span] = []
    at = 0
    for token in data:
        piece = token.removeprefix(b"##").removesuffix(b"@@").decode("utf-8", "replace")
        piece = piece.strip().lower()
        start = lower.find(piece, at, at + len(piece) + MAX_GAP) if piece else -1
        spans.append((start, start + len(piece)) if start >= 0 else UNKNOWN)
        at = max(at, spans[-1][1])
    return filled(spans, data, text)


def filled(spans: Sequence[Span], data: Sequence[bytes], text: str) -> list[Span]:
    """The same spans; unknown ones get the text that their neighbours leave over, where it fits."""
    found: list[Span] = []
    low = 0
    for unknown, run in groupby(spans, key=lambda span: span == UNKNOWN):
        these = list(run)
        if unknown:
            after = len(found) + len(these)
            high = spans[after][0] if after < len(spans) else len(text)
            shares = _shared(data[len(found) : after], text[low:high])
            found += [(a + low, b + low) if b > 0 else UNKNOWN for a, b in shares]
        else:
            found += these
            low = max(low, max(end for _, end in these))
    return found


def rebuilt(data: Sequence[bytes]) -> tuple[str, list[Span]]:
    """The text that tokens make together, and their spans in it; half characters are shared."""
    if any(token.startswith(b"##") for token in data):  # WordPiece writes no spaces
        data = [token[2:] if token.startswith(b"##") else b" " + token for token in data]
    text = b"".join(data).decode("utf-8", "surrogateescape")
    lone = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")
    return text.translate(lone), _of_bytes(data, text)


def _shared(data: Sequence[bytes], gap: str) -> list[Span]:
    """A stretch of text shared out among the tokens that it must belong to."""
    if b"".join(data) == gap.encode():
        return _of_bytes(data, gap)
    spans = [UNKNOWN] * len(data)
    shown = [at for at, token in enumerate(data) if token.strip()]
    places = [at for at, char in enumerate(gap) if not char.isspace()]
    if len(shown) == 1 and places:
        spans[shown[0]] = (places[0], places[-1] + 1)
    elif len(shown) == len(places):
        for at, place in zip(shown, places, strict=True):
            spans[at] = (place, place + 1)
    return spans


def _of_bytes(data: Sequence[bytes], text: str) -> list[Span]:
    """Spans of tokens that make `text` byte by byte: every character that they have a part of."""
    owner = [at for at, char in enumerate(text) for _ in char.encode("utf-8", "surrogateescape")]
    spans, done = [], 0
    for token in data:
        mine = owner[done : done + len(token)]
        spans.append((mine[0], mine[-1] + 1) if mine else UNKNOWN)
        done += len(token)
    return spans
