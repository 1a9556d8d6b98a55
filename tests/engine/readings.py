"""Runs with words and special tokens, and a matrix read by loops: the reference for readings."""

from itertools import pairwise

import numpy as np

from attntui.core.protocol import Chosen, Head, Mean, Reading, SideInfo, Stack, Token, View, Word
from attntui.engine import run
from attntui.engine.model import Encoded
from attntui.engine.run import Run
from tests.engine import families

READINGS = [
    Reading(words, sinks) for words in (False, True) for sinks in ("show", "hide", "renormalise")
]
LENGTHS = (1, 3, 2, 1, 1, 4)
"""Tokens of one word after another, over and over."""


def traced(name: str) -> Run:
    """A run of a family; the first, the last and the tenth token of each side are special.

    So is the twentieth, which was typed, and so does not hide.
    """
    loaded = families.build(name)
    prompt = families.prompt(loaded)
    return run.trace(loaded, Encoded(prompt.inputs, tuple(map(_with_words, prompt.sides))), 1)


def _with_words(side: SideInfo) -> SideInfo:
    count = len(side.tokens)
    special = {0, 10, count - 1}
    tokens = tuple(
        Token(one.id, one.text, special=at in special | {20}, part=-1 if at in special else 0)
        for at, one in enumerate(side.tokens)
    )
    starts, at = [], 0
    while at < count:
        starts.append(at)
        at += LENGTHS[len(starts) % len(LENGTHS)]
    words = [Word("".join(map(str, range(a, b))), a, b - 1) for a, b in pairwise([*starts, count])]
    return SideInfo(side.name, tokens, tuple(words))


def matrix(run_: Run, view: View) -> tuple[np.ndarray, np.ndarray]:
    """A view's whole matrix (n, m) by tokens, and a learned sink's share (n), from the layers."""
    tower = next(tower for tower in run_.towers if tower.name == view.stack)
    whole = [layer.rows(0, layer.queries).double().numpy() for layer in tower.present]
    shares = [
        np.zeros(heads.shape[:2]) if (share := layer.sinks(0, layer.queries)) is None else share
        for layer, heads in zip(tower.present, whole, strict=True)
    ]
    some: list[tuple[int, int]]
    if isinstance(view, Head):
        some = [(view.layer, view.head)]
    elif isinstance(view, Chosen):
        some = list(view.heads)
    else:
        assert isinstance(view, Mean)
        numbers = range(len(whole)) if view.layer is None else [view.layer]
        some = [(layer, head) for layer in numbers for head in range(len(whole[layer]))]
    weights = np.mean([whole[layer][head] for layer, head in some], axis=0)
    return weights, np.mean([np.asarray(shares[layer][head]) for layer, head in some], axis=0)


def spans(side: SideInfo, words: bool) -> list[range]:
    """The tokens of each position."""
    if words:
        return [range(word.first, word.last + 1) for word in side.words]
    return [range(at, at + 1) for at in range(len(side.tokens))]


def sinks(run_: Run, stack: Stack, above: float) -> set[int]:
    """Tokens whose mean received weight, over all heads and queries that see them, is above."""
    tower = next(tower for tower in run_.towers if tower.name == stack)
    found = set()
    for key in range(tower.shape[1]):
        means = []
        for layer in tower.present:
            heads = layer.rows(0, layer.queries).numpy()
            seers = [i for i in range(layer.queries) if heads[:, i, key].any()]
            if len(seers) >= 4:
                means += [head[seers, key].mean() for head in heads]
        if means and np.mean(means) > above:
            found.add(key)
    return found


def hiding(run_: Run, stack: Stack, words: bool, above: float) -> set[int]:
    """The positions that hide: those with a special token or a sink in them."""
    keys = run_.sides(stack)[1]
    tokens = {at for at, token in enumerate(keys.tokens) if token.special and token.part < 0}
    tokens |= sinks(run_, stack, above)
    return {at for at, span in enumerate(spans(keys, words)) if tokens & set(span)}


def read(
    run_: Run, view: View, reading: Reading, above: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A view's matrix as it is read, NaN where it hides; a learned sink's share; what hides."""
    weights, share = matrix(run_, view)
    queries, keys = (spans(side, reading.words) for side in run_.sides(view.stack))
    found = np.zeros((len(queries), len(keys)))
    sink, hidden = np.zeros(len(queries)), np.zeros(len(queries))
    hides = hiding(run_, view.stack, reading.words, above) if reading.sinks != "show" else set()
    for i, rows in enumerate(queries):
        sink[i] = np.mean([share[row] for row in rows])
        for j, columns in enumerate(keys):
            found[i, j] = np.mean([sum(weights[row, key] for key in columns) for row in rows])
        hidden[i] = sum(found[i, j] for j in hides)
        if reading.sinks == "renormalise":
            left = sum(found[i, j] for j in range(len(keys)) if j not in hides) + sink[i]
            found[i] /= left or 1
            sink[i] /= left or 1
    found[:, list(hides)] = np.nan
    return found, sink, hidden
