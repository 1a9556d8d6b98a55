"""What a head mostly does, in plain words, named from its statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from attntui.core.protocol import Statistic

Values = Mapping[Statistic, float]
"""A head's statistics; NaN where no row is eligible."""

NEAR = 3.0
"""Tokens of mean distance up to which a head looks at its neighbourhood."""
EVEN = 0.85
"""Share of the largest possible entropy from which attention counts as spread evenly."""
FOCUSED = 0.6


@dataclass(frozen=True)
class Pattern:
    """A name for what a head mostly does, the statistics that say so, and what it usually means."""

    name: str
    evidence: tuple[Statistic, ...]
    usually: str


SHARES: tuple[tuple[Statistic, float, Pattern], ...] = (
    (
        "induction",
        0.4,
        Pattern(
            "Mostly what followed an earlier copy",
            ("induction", "duplicate"),
            "An induction head: it finds where the token stood before and looks at what came"
            " next, so the model can repeat it. It usually works with a previous-token head of a"
            " layer below.",
        ),
    ),
    (
        "previous",
        0.4,
        Pattern(
            "Mostly the previous token",
            ("previous", "distance"),
            "Carries each token one place on: word pieces and phrases are put together, and"
            " induction heads above read it.",
        ),
    ),
    (
        "duplicate",
        0.4,
        Pattern(
            "Mostly earlier copies of the token",
            ("duplicate", "induction"),
            "Notices that a word came before; names that come twice are often found by such heads.",
        ),
    ),
    (
        "self",
        0.4,
        Pattern(
            "Mostly the token itself",
            ("self", "entropy_bits"),
            "Works on the token alone; what comes out depends little on the rest of the text.",
        ),
    ),
    (
        "separator",
        0.5,
        Pattern(
            "Mostly separators",
            ("separator", "sink"),
            "A resting place: tokens such as [SEP] hold little, so a head that has found nothing"
            " looks there to change nothing.",
        ),
    ),
    (
        "first",
        0.5,
        Pattern(
            "Mostly the first token, a sink",
            ("first", "entropy_bits"),
            "A resting place: the first token is seen by all and holds little, so the head does"
            " nothing for these queries. It may still be busy on other text.",
        ),
    ),
    (
        "sink",
        0.5,
        Pattern(
            "Mostly one token, a sink",
            ("sink", "entropy_bits"),
            "Nearly every query looks at the same token, whatever it is: a resting place, or a"
            " token that stands for the whole text.",
        ),
    ),
    (
        "punctuation",
        0.4,
        Pattern(
            "Mostly punctuation",
            ("punctuation", "sink"),
            "Commas and full stops often gather what a clause said, or serve as resting places.",
        ),
    ),
)
"""Statistics that are shares of attention: from which share they name the head."""

NEARBY = Pattern(
    "Mostly near tokens",
    ("distance", "previous"),
    "Reads the neighbourhood: word order and phrases.",
)
EVENLY = Pattern(
    "Spread evenly",
    ("entropy_bits", "largest"),
    "Takes an average of the text: what it is about, rather than one word of it.",
)
ONE = Pattern(
    "One token at a time, by no simple rule",
    ("largest", "entropy_bits"),
    "It picks single tokens for reasons of meaning or grammar: look at the lines, or try other"
    " prompts.",
)
MIXED = Pattern(
    "No single pattern",
    ("largest", "entropy_bits"),
    "It does several things at once, or different ones for different queries.",
)

NOT_TOLD = (
    "Attention says where a head reads from, not what it takes along or whether it matters: a"
    " large weight on an empty token changes nothing.",
    "The weights of a row always sum to 1 (softmax), so a head that finds nothing must still look"
    " somewhere: often the first token, [SEP] or a full stop.",
    "Models read pieces of words. A word of three pieces has three rows and three columns; w puts"
    " them together.",
    "GPT's kind looks back only, so early tokens are seen by more queries. BERT's kind looks both"
    " ways, and at [CLS] and [SEP]. Their pictures are not to be compared cell by cell.",
    "From layer 1 on a token holds what was mixed into it before: looking at “Mary” there need not"
    " mean looking at the word Mary.",
)
"""What attention does not tell."""


def name_pattern(values: Values, even_entropy: float) -> Pattern:
    """The pattern of a head.

    `even_entropy` is the entropy, in bits, of attention spread evenly over what each query sees.
    Of shares that reach their mark, the one that goes farthest beyond it names the head.
    """
    found = [
        (values[name] - mark, pattern)
        for name, mark, pattern in SHARES
        if _at_least(values, name, mark)
    ]
    if found:
        return max(found, key=lambda pair: pair[0])[1]
    if even_entropy > 0 and _at_least(values, "entropy_bits", EVEN * even_entropy):
        return EVENLY
    if values.get("distance", math.inf) <= NEAR:
        return NEARBY
    return ONE if _at_least(values, "largest", FOCUSED) else MIXED


def even_entropy(queries: int, keys: int, causal: bool) -> float:
    """Mean bits of attention spread evenly: over i + 1 keys for query i, or over all."""
    if not causal:
        return math.log2(max(keys, 1))
    return math.lgamma(queries + 1) / math.log(2) / max(queries, 1)


def _at_least(values: Values, name: Statistic, mark: float) -> bool:
    """Whether a statistic reaches a mark; NaN never does."""
    return values.get(name, math.nan) >= mark
