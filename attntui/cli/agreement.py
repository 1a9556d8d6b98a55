"""How often a head's strongest word is the one that a treebank's relation names.

For each relation and both directions, as Clark et al. 2019 (arXiv 1906.04341, section 4.2) for the
direction from dependent to head, beside the best guess that knows only a distance.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args

import numpy as np

from attntui.cli.table import aligned
from attntui.cli.treebank import Relation, Sentence
from attntui.cli.word_tokens import Placed, placed
from attntui.client.engine import Engine
from attntui.client.questions import ask
from attntui.core.edit_names import head_name
from attntui.core.errors import UserError
from attntui.core.protocol import Arrays, GetStrongest, Head, RunInfo, StackInfo

Direction = Literal["dependent_to_head", "head_to_dependent"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
"""Who attends to whom."""
ARROWS = {
    "dependent_to_head": "dependent → head",
    "head_to_dependent": "head → dependent",
}

OFFSETS = sorted(
    (offset for offset in range(-10, 11) if offset), key=lambda each: (abs(each), each)
)
"""Guesses of the baseline, in words from the word that attends; of equals the nearest."""
SHOWN = 20
"""Relations that the table names."""


class Tally:
    """One relation in one direction, counted."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.n = 0
        self.right = np.zeros(shape, np.int64)
        """(layers, heads)"""
        self.offsets = np.zeros(len(OFFSETS), np.int64)

    def add(self, right: np.ndarray, offset: int) -> None:
        """One more; `right` (layers, heads) bool."""
        self.n += 1
        self.right += right
        if offset in OFFSETS:
            self.offsets[OFFSETS.index(offset)] += 1

    @property
    def accuracy(self) -> np.ndarray:
        """(layers, heads): the share that is right."""
        return self.right / self.n

    @property
    def best(self) -> tuple[int, int]:
        """Layer and head; the first of equals."""
        layer, head = divmod(int(self.right.argmax()), self.right.shape[1])
        return layer, head

    @property
    def baseline(self) -> tuple[int, float]:
        """The best offset and its accuracy."""
        at = int(self.offsets.argmax())
        return OFFSETS[at], float(self.offsets[at] / self.n)

    def state(self) -> Any:
        """As JSON takes it."""
        return [self.n, self.right.tolist(), self.offsets.tolist()]

    @classmethod
    def of(cls, state: Any) -> "Tally":
        """From `state`."""
        n, right, offsets = state
        tally = cls(np.shape(right))
        tally.n, tally.right, tally.offsets = n, np.array(right), np.array(offsets)
        return tally


class Agreement:
    """All relations of a treebank. In a causal model only words before the attending one count."""

    what = "sentences"
    columns: tuple[str, ...] = (
        "relation",
        "direction",
        "layer",
        "head",
        "accuracy",
        "baseline_offset",
        "baseline_accuracy",
        "n",
    )

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        self._sentences = sentences
        self.texts: Sequence[str] = [sentence.text for sentence in sentences]
        self.content = repr(sentences)
        self._tallies: dict[str, dict[str, Tally]] = {}
        self._words = self._straddled = self._missing = self._relations = self._left_out = 0

    def begin(self, stack: StackInfo) -> None:
        """See `Survey`."""
        if stack.queries != stack.keys or stack.name == "decoder":
            raise UserError(
                f"The {stack.name} attention does not read the treebank's text: use --attention"
                " encoder."
            )
        self._stack = stack
        self._shape = len(stack.layers), max(layer.heads for layer in stack.layers)

    async def look(self, engine: Engine, run: RunInfo, at: int) -> tuple[Placed, np.ndarray]:
        """See `Survey`: the words that have tokens, and (layers, heads, words) their strongest."""
        side = next(side for side in run.sides if side.name == self._stack.keys)
        words = placed(self._sentences[at], side.tokens)
        request = GetStrongest(run.run, self._stack.name, words.tokens)
        _, (strongest,) = await ask(engine, request, Arrays)
        return words, strongest

    def add(self, shown: tuple[Placed, np.ndarray], at: int) -> None:
        """See `Survey`."""
        sentence, (words, strongest) = self._sentences[at], shown
        places = {word: place for place, word in enumerate(words.words)}
        self._words += len(sentence.words)
        self._straddled += words.straddled
        self._missing += words.missing
        for relation in sentence.relations:
            self._relations += 1
            if relation.dependent in places and relation.head in places:
                self._add(relation, places, strongest)
            else:
                self._left_out += 1

    def _add(self, relation: Relation, places: dict[int, int], strongest: np.ndarray) -> None:
        ends = relation.dependent, relation.head
        for direction, (word, right) in zip(DIRECTIONS, (ends, ends[::-1]), strict=True):
            if right > word and self._stack.causal:
                continue
            tallies = self._tallies.setdefault(relation.name, {})
            tally = tallies.setdefault(direction, Tally(self._shape))
            tally.add(strongest[..., places[word]] == places[right], right - word)

    def state(self) -> Any:
        """See `Survey`."""
        counts = self._words, self._straddled, self._missing, self._relations, self._left_out
        tallies = {
            name: {direction: tally.state() for direction, tally in both.items()}
            for name, both in self._tallies.items()
        }
        return [counts, tallies]

    def restore(self, state: Any) -> None:
        """See `Survey`."""
        counts, tallies = state
        self._words, self._straddled, self._missing, self._relations, self._left_out = counts
        self._tallies = {
            name: {direction: Tally.of(each) for direction, each in both.items()}
            for name, both in tallies.items()
        }

    def rows(self) -> Iterator[Sequence[object]]:
        """See `Survey`: relations by name, all heads of each."""
        for name, both in sorted(self._tallies.items()):
            for direction in DIRECTIONS:
                if direction in both:
                    yield from self._heads(name, direction, both[direction])

    def _heads(self, name: str, direction: str, tally: Tally) -> Iterator[Sequence[object]]:
        offset, share = tally.baseline
        for layer, info in enumerate(self._stack.layers):
            for head in range(info.heads):
                *stack, _ = head_name(Head(self._stack.name, layer, head)).split(".")
                accuracy = f"{tally.accuracy[layer, head]:.9g}"
                where = ".".join(stack), head
                yield name, direction, *where, accuracy, offset, f"{share:.9g}", tally.n

    def lines(self, top: int | None) -> Iterator[str]:
        """See `Survey`: the commonest relations, punctuation left out, each with its best head."""
        yield f"{self._words:,} words, {self._relations:,} relations between them"
        if self._left_out or self._straddled or self._missing:
            yield (
                f"left out: {self._straddled:,} words that share a token with another,"
                f" {self._missing:,} without a token, and so {self._left_out:,} relations"
            )
        if self._stack.causal:
            yield "a word sees only those before it: only relations to such words count"
        ranked = sorted(
            ((name, both) for name, both in self._tallies.items() if name != "punct"),
            key=lambda each: (-max(tally.n for tally in each[1].values()), each[0]),
        )
        shown = ranked[: SHOWN if top is None else top]
        yield ""
        yield aligned([TITLES, *(_line(self._stack, *each) for each in shown)])
        if len(shown) < len(ranked):
            yield f"and {len(ranked) - len(shown)} more, that are rarer"


TITLES = ("relation", "direction", "head", "accuracy", "baseline", "offset", "n")


def _line(stack: StackInfo, name: str, both: dict[str, Tally]) -> Sequence[str]:
    """A relation in the direction in which more of it was seen, else in the better one."""
    direction, tally = max(both.items(), key=lambda each: (each[1].n, each[1].accuracy.max()))
    offset, share = tally.baseline
    return (
        name,
        ARROWS[direction],
        head_name(Head(stack.name, *tally.best)),
        f"{tally.accuracy.max():.3f}",
        f"{share:.3f}",
        f"{offset:+d}",
        str(tally.n),
    )
