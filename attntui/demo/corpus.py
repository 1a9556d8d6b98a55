"""Plain text files in, clean sentences out, with a part of them kept from training.

A corpus is a folder of UTF-8 `*.txt` files, one paragraph a line; a name ending in `.ja.txt` marks
Japanese, where one line is one sentence. A line is held out when the hash of its text says so: the
same lines on every machine, in every run, whatever the files are called.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Language = Literal["english", "japanese"]
Paragraph = list[str]  # its sentences

HELD_OUT_ONE_IN = 25

# People type straight quotes; the books are set with curly ones and mark emphasis with _ and *.
TYPEWRITER = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "—": "--", "_": "", "*": ""})
TITLES = "".join(rf"(?<!\b{title}\.)" for title in ("Mr", "Mrs", "Dr", "St"))
SENTENCE_END = re.compile(rf"""{TITLES}(?:(?<=[.!?])|(?<=[.!?]["')]))\s+(?=["'(]*[A-Z])""")


@dataclass(frozen=True)
class Text:
    """One language: paragraphs to train on, and paragraphs that no training may see."""

    training: list[Paragraph]
    held_out: list[Paragraph]

    def sentences(self) -> list[str]:
        return [sentence for paragraph in self.training for sentence in paragraph]

    def unseen_sentences(self, count: int = 200) -> list[str]:
        """Held-out sentences of middling length, from all over, nowhere in the training part."""
        seen = {essence(sentence) for sentence in self.sentences()}
        unseen = {
            essence(sentence): sentence
            for paragraph in self.held_out
            for sentence in paragraph
            if 15 <= len(sentence) <= 120 and essence(sentence) not in seen
        }
        sentences = list(unseen.values())
        return sentences[:: max(1, len(sentences) // count)][:count]


def read(folder: Path, language: Language) -> Text:
    text = Text([], [])
    for line in lines(folder, language):
        paragraph = SENTENCE_END.split(line) if language == "english" else [line]
        (text.held_out if is_held_out(line) else text.training).append(paragraph)
    if not text.training:
        raise SystemExit(f"no {language} text in {folder}")
    return text


def lines(folder: Path, language: Language) -> Iterator[str]:
    for path in sorted(folder.glob("*.txt")):
        if path.name.endswith(".ja.txt") == (language == "japanese"):
            for line in path.read_text(encoding="utf-8").splitlines():
                clean = " ".join(line.translate(TYPEWRITER).split())
                if any(map(str.isalpha, clean)):
                    yield clean


def is_held_out(line: str) -> bool:
    digest = hashlib.sha256(essence(line).encode()).digest()
    return int.from_bytes(digest[:8], "big") % HELD_OUT_ONE_IN == 0


def essence(text: str) -> str:
    """What two copies of a sentence share: its letters and digits, in lower case."""
    return "".join(filter(str.isalnum, text)).casefold()
