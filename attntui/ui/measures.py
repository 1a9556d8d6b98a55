"""What the head map can show: the name, the range and the words of every measure of a head."""

import math
from dataclasses import dataclass, replace

from attntui.core.head_tables import HeadTable
from attntui.render.methods import DIRECT
from attntui.render.names import pair_name
from attntui.render.ranking import places
from attntui.ui.choices import MapKind
from attntui.ui.state import Look


@dataclass(frozen=True)
class Measure:
    """A measure of a head.

    `name` is what the screen calls it, `says` what a large value means, in a few words; `unit` is
    empty for shares of attention, which go from 0 to 1. Where no head has a value, `lack` is what
    the text has (as "no separator"), empty for what any one text can show.
    """

    name: str
    says: str
    formula: str
    source: str
    unit: str = ""
    lack: str = ""
    largest: float | None = None
    """The value of the strongest shade, where the measure itself tells."""
    has_sign: bool = False
    """Whether values go both ways from 0; the largest has the strongest shade then."""

    def bound(self, keys: int) -> float:
        """The largest value there can be with so many keys, at least 1."""
        if self.largest is not None:
            return self.largest
        if self.name == "changed":
            return 1.0
        if self.unit == "bits":
            return max(1.0, math.log2(max(keys, 1)))
        return max(1.0, keys - 1.0) if self.unit == "tokens" else 1.0

    def shown(self, value: float) -> str:
        """A value in figures: `0.831`, `2.41 bits`."""
        sign = "+" if self.has_sign else ""
        if self.unit:
            return f"{value:{sign}.2f} {self.unit}"
        # Two figures of what three places show as 0: of 32,768 tokens an even weight is 0.000031.
        return f"{value:{sign}.{places(value, 3) if abs(value) < 0.0005 else 3}f}"


MEASURES: dict[MapKind, Measure] = {
    "effect": Measure(
        "effect",
        "changes what the model predicts when it is off",
        "the measure with the head off less the measure as it is: log p of the token that is\n"
        "likeliest there, the difference of the two largest logits, KL(as it is ‖ head off), or\n"
        "the mean loss of the prompt; exact, one run a head. An estimate is -dm/dg from one\n"
        "backward pass, where g scales the head's output from off (0) to its own (1)",
        "Michel et al. 2019, Are sixteen heads really better than one?",
        has_sign=True,
    ),
    "direct": Measure("adds to logit", "adds to that logit directly", *DIRECT[1:], has_sign=True),
    "shift": Measure(
        "changed",
        "attends otherwise than in the run before",
        "mean over queries of JSD(row after, row before), in bits, 0 to 1; tokens beside each\n"
        "other by edit distance, the weight on all others as one outcome more",
        "Lin 1991, Divergence measures based on the Shannon entropy",
        "bits",
    ),
    "order": Measure(
        "order",
        "follows the places of words (above 0), not the words (below 0)",
        "JSD by words less JSD by places, in bits, -1 to 1. Every two words beside each other are\n"
        "swapped, pair by pair. A are the rows before, B those after, when token i is at p(i).\n"
        "By words: mean of JSD(A[i, ·], B[p(i), p(·)]); by places: mean of JSD(A[i, ·], B[i, ·]),\n"
        "over pairs and queries, which count as 1 in the two words, else by their weight on them",
        "an experiment of ours, after Sinha et al. 2021 and Pham et al. 2021 on word order; "
        "Lin 1991 for the divergence",
        "bits",
        "no two words to swap",
        has_sign=True,
    ),
    "cell": Measure(
        "this cell",
        "gives the cell at the cursor much weight",
        "A_lh[i, j] of every layer l and head h, at the cursor's cell",
        "the same weights as in the grid",
    ),
    "pair": Measure(
        "between sentences",
        "gives much of its weight to that sentence",
        "mean, over the queries of the one sentence, of their weight on all keys of the other\n"
        "(A→A, A→B, B→A or B→B, as p chose; of its own tokens for A→A and B→B)",
        "the split of bertviz's sentence filter (Vig 2019), as one number",
    ),
    "previous": Measure(
        "previous token",
        "looks at the token just before",
        "mean over queries i ≥ 1 of A[i, i - 1]",
        "the previous-token stripe of TransformerLens's head detector, eligible rows only",
        lack="only one token",
    ),
    "induction": Measure(
        "induction",
        "looks at what followed an earlier copy of the token, and so can repeat it",
        "mean over queries that see such a key, of the weight on all keys j that follow "
        "an earlier copy of the token (token j-1 = token i, j ≤ i)",
        "Olsson et al. 2022, In-context learning and induction heads; eligible rows only",
        lack="no token comes twice",
    ),
    "duplicate": Measure(
        "duplicate token",
        "looks at earlier copies of the same token",
        "mean over queries that see an earlier copy, of the weight on those copies",
        "Wang et al. 2022, Interpretability in the wild; eligible rows only",
        lack="no token comes twice",
    ),
    "first": Measure(
        "first token",
        "rests on the first token",
        "mean over queries i ≥ 1 that see token 0 of A[i, 0]",
        "Xiao et al. 2023, Efficient streaming language models with attention sinks",
        lack="only one token",
    ),
    "sink": Measure(
        "sink",
        "rests on one token, whatever the query",
        "the largest, over keys j, of the mean of A[i, j] over the queries i that see j "
        "(keys that at least 4 queries see; a learned sink apart)",
        "Gu et al. 2024, arXiv 2410.10781, where a head is a sink head above 0.3",
        lack="fewer than 4 tokens",
    ),
    "self": Measure(
        "itself",
        "looks at its own token",
        "mean over queries i of A[i, i]",
        "Clark et al. 2019, What does BERT look at?",
    ),
    "separator": Measure(
        "separators",
        "rests on tokens such as [SEP] that only mark places",
        "mean over queries that see one, of the weight on separator tokens: the tokenizer's "
        "[SEP], </s>, <s> and their kin, but for the first token",
        "Clark et al. 2019, What does BERT look at?",
        lack="no separator",
    ),
    "punctuation": Measure(
        "punctuation",
        "looks at commas, full stops and their kin",
        "mean over queries that see one, of the weight on tokens that are punctuation alone",
        "Clark et al. 2019, What does BERT look at?",
        lack="no punctuation",
    ),
    "entropy_bits": Measure(
        "entropy",
        "spreads its attention over many tokens",
        "mean over queries i of - Σ_j A[i, j] · log2 A[i, j]\n"
        "(a learned sink's weight is one outcome more)",
        "Clark et al. 2019, section 3.3; 0 bits is one token, log2 n is n tokens evenly",
        "bits",
    ),
    "distance": Measure(
        "distance",
        "looks far away",
        "Σ_ij A[i, j] · |i - j| / Σ_ij A[i, j]",
        "Vig & Belinkov 2019, Analyzing the structure of attention",
        "tokens",
    ),
    "largest": Measure(
        "largest weight",
        "puts most of its weight on one token at a time",
        "mean over queries i of max_j A[i, j]",
        "confidence in Voita et al. 2019, Analyzing multi-head self-attention",
    ),
}
"""In the order in which they are offered."""

UNMEASURED: tuple[MapKind, ...] = ("cell", "pair", "effect", "shift", "direct", "order")
"""What is no statistic: of the cursor's cell, of the sentences that are chosen, of other runs."""
OF_WEIGHTS: tuple[MapKind, ...] = ("cell", "pair")
"""What is of weights, and so has a difference where two runs are compared."""

TARGETS = {
    "logprob": "log p",
    "logit_difference": "logit difference",
    "divergence": "KL",
    "loss": "loss",
}
"""What effects are effects on, in short."""

ONE_TEXT: frozenset[MapKind] = frozenset({"previous", "induction", "duplicate", "self", "distance"})
"""What needs queries and keys that are the same tokens."""


def offered(look: Look) -> tuple[MapKind, ...]:
    """What there is to choose from: between sentences only where two are told apart."""
    missing = {
        *(["pair"] if look.between == "all" else []),
        *(["shift"] if look.before is look.after else []),
        *(["effect"] if look.target is None else []),
        *(["direct"] if look.aim is None else []),
        *(["order"] if not look.swaps else []),
    }
    return (*(kind for kind in MEASURES if kind not in missing), *look.tables)


def measure_of(look: Look) -> Measure:
    """The chosen measure, under the name that it has here."""
    if isinstance(look.map, HeadTable):
        table = look.map
        return Measure(
            table.name,
            table.says,
            table.says,
            table.source,
            table.unit,
            largest=table.largest,
            has_sign=table.has_sign,
        )
    found = MEASURES[look.map]
    if look.map == "pair":
        return replace(found, name=pair_name(look.between))
    if look.map == "effect" and look.target is not None:
        unit = "" if look.target.kind == "logit_difference" else "nats"
        name = f"{TARGETS[look.target.kind]}, head off"
        return replace(found, name=f"{name}, estimate" if look.estimates else name, unit=unit)
    return found


def is_on_random(look: Look) -> bool:
    """Whether the head map shows what was measured on random tokens, not on the prompt."""
    return is_statistic(look) and look.basis == "calibration"


def is_statistic(look: Look) -> bool:
    """Whether the head map shows what the engine measures of every head's pattern."""
    return look.map not in UNMEASURED and not isinstance(look.map, HeadTable)


def why_blank(look: Look) -> str:
    """Why no head has a value on the head map, in a few words."""
    stack = look.stack_info
    if look.map == "cell":
        return "this cell is not in the file" if look.is_given else "this cell is hidden"
    if isinstance(look.map, HeadTable):
        return f"nothing in {look.map.file}"
    if look.map in {"effect", "direct"}:
        return "not measured yet"
    if look.map in ONE_TEXT and stack is not None and stack.queries != stack.keys:
        return "queries and keys are two texts here"
    lack = measure_of(look).lack or "no value"
    return f"{lack} {'among random tokens' if is_on_random(look) else 'in this prompt'}"
