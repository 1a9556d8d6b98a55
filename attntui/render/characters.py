"""Characters that a tokenizer spread over several tokens, put back together for reading."""

import re
from collections.abc import Sequence

PART = "·"
"""Stands for a token that is only the beginning of a character."""
_HEAD = re.compile("⟨([0-9A-F]{2}(?: [0-9A-F]{2})*)⟩")
_TAIL = re.compile(f"{_HEAD.pattern}$")


def whole_characters(texts: Sequence[str]) -> list[str]:
    """Texts of neighbouring tokens, bytes in hex (`core.tokens.show_bytes`) made characters again.

    A character stands with the token that completes it, the tokens before it show `PART`. Bytes
    that make no character stay in hex.
    """
    shown = list(texts)
    for at in range(len(shown)):
        if _TAIL.search(shown[at]):
            _complete(shown, at)
    return shown


def _complete(shown: list[str], start: int) -> None:
    """Put together the character that begins at the end of text `start`, if there is one."""
    tail = _TAIL.search(shown[start])
    assert tail is not None
    data = bytes.fromhex(tail[1])
    for at in range(start + 1, len(shown)):
        head = _HEAD.match(shown[at])
        if head is None:
            return
        data += bytes.fromhex(head[1])
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data" or head.end() < len(shown[at]):
                return
            continue
        shown[start] = shown[start][: tail.start()] + PART
        shown[start + 1 : at] = [PART] * (at - start - 1)
        shown[at] = text + shown[at][head.end() :]
        return
