"""What an examination finds."""

from typing import Literal, NamedTuple

Verdict = Literal["ok", "note", "problem"]


class Finding(NamedTuple):
    """`problem`: attntui cannot work well until this is mended; `note`: good to know."""

    verdict: Verdict
    subject: str
    text: str
