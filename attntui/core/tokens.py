"""Text made safe and visible: the only way from a prompt, vocabulary or error to the terminal.

Textual and Rich pass ESC, DEL and C1 bytes through to the terminal unchanged, in every widget: a
token could set the window's title or the clipboard. Here each dangerous character becomes a sign
that says which one it was.
"""

import re
import unicodedata
from functools import lru_cache

SPACE, NEWLINE, TAB, RETURN = "·", "⏎", "⇥", "␍"
_SIGNS = {"\n": NEWLINE, "\t": TAB, "\r": RETURN, "\x7f": "␡"}

# Control, format (bidi, zero width), surrogate, private use, unassigned, line and paragraph ends.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u00ad\u17b4\u17b5")


def _emoji_joiner(text: str, at: int) -> bool:
    """Whether a zero-width joiner or variation selector at `at` continues a picture."""
    return at > 0 and unicodedata.category(text[at - 1]) in {"So", "Sk", "Mn"}


def _sign(text: str, at: int) -> str:
    char = text[at]
    if char in _SIGNS:
        return _SIGNS[char]
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    category = unicodedata.category(char)
    if char == "\u200d" and _emoji_joiner(text, at) and at + 1 < len(text):
        return char
    if category in _UNSAFE or char in _INVISIBLE:
        return f"⟨U+{code:04X}⟩"
    return char


def sanitise(text: str) -> str:
    """`text` on one line with no control, escape, bidi, zero-width or surrogate character left.

    Plain spaces stay spaces; other white space (NO-BREAK SPACE and its kin) becomes a plain space.
    """
    if text.isascii() and text.isprintable():
        return text
    signs = (_sign(text, at) for at in range(len(text)))
    return re.sub(r"[^\S ]", " ", "".join(signs))


def sanitise_lines(text: str) -> str:
    """As `sanitise`, but line feeds stay: for logs and prompts of several lines."""
    return "\n".join(sanitise(line) for line in text.split("\n"))


@lru_cache(2**16)  # a prompt that is run again has most of its tokens from before
def visible(text: str) -> str:
    """A token for a label: as `sanitise`, with every space drawn as a dot, and never empty."""
    return sanitise(text).replace(" ", SPACE) or "∅"


def show_bytes(data: bytes) -> str:
    """Bytes that are no whole character: `⟨E3 81⟩`."""
    return f"⟨{data.hex(' ').upper()}⟩"


def whole_text(text: str) -> str:
    """`text` without lone surrogates, so that it can be written as UTF-8."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
