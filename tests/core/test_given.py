"""What can be attention, in whatever axes it comes, and one sentence for what cannot."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from attntui.core.axes import numbers, one_layer, place, split
from attntui.core.errors import UserError
from attntui.core.given import assemble

RANDOM = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    """Random attention: the last axis sums to 1."""
    found = RANDOM.random(shape) ** 4
    return (found / found.sum(-1, keepdims=True)).astype(np.float32)


def tokens(count: int) -> list[str]:
    return [f"t{at}" for at in range(count)]


A = weights(3, 2, 5, 5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (A, A),
        (A[:, None], A),  # stacked outputs of transformers
        (A[1], A[1:2]),
        (A[1, 1], A[1:2, 1:2]),
        (A[:1], A[:1]),  # outputs.attentions[0], or one layer: the same thing
    ],
)
def test_axes_become_layers_of_heads(given: np.ndarray, expected: np.ndarray) -> None:
    assert np.array_equal(np.stack([np.asarray(one) for one in split(given, "x")]), expected)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: split(weights(3, 4, 2, 5, 5), "attention"), "layer 0 of attention holds 4 texts"),
        (lambda: one_layer(weights(2, 4, 5, 5), "layer 0"), "holds 2 texts, its batch: choose one"),
        (lambda: split(weights(5), "attention"), r"has 1 axes: it must be \(layers, heads, query"),
        (lambda: split(np.zeros((1,) * 6), "attention"), "has 6 axes"),
        (lambda: numbers([[1, 0], [1]], "attention"), "lists of unequal length"),
        (lambda: numbers(["a"], "attention"), "no real numbers but <U1"),
        (lambda: numbers(np.zeros(2, complex), "attention"), "no real numbers but complex128"),
        (lambda: place([A[0], A[1]], [3], None), "layers must hold a number for each of the 2"),
        (lambda: place([A[0], A[1]], [3, 3], None), "rising from 0"),
        (lambda: place([A[0], A[1]], [-1, 3], None), "rising from 0"),
        (lambda: place([A[0], A[1]], [0, 10**9], None), "rising from 0"),
        (lambda: place([A[0]], None, [0, 10**9]), "heads must hold a number for each of the 2"),
        (lambda: place([A[0]], None, []), "heads must hold"),
    ],
)
def test_other_axes_and_numbers_are_refused(call: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        call()


def test_layers_and_heads_keep_their_numbers() -> None:
    placed = place(split(A, "attention"), [1, 2, 5], [0, 3])
    found = assemble({"attention": placed}, {"tokens": tokens(5)}).stacks["self"]
    assert [at for at, layer in enumerate(found) if layer is not None] == [1, 2, 5]
    for at, layer in zip([1, 2, 5], A, strict=True):
        held = found[at]
        assert held is not None and held.shape == (4, 5, 5)
        assert np.array_equal(held[[0, 3]], layer)
        assert np.isnan(held[1:3]).all()


def test_a_layer_with_fewer_heads_has_fewer_heads() -> None:
    """As export writes it: what a layer lacks is NaN."""
    ragged = A.copy()
    ragged[1, 1] = np.nan
    ragged[2] = np.nan
    found = assemble({"attention": list(ragged)}, {"tokens": tokens(5)}).stacks["self"]
    assert [None if layer is None else len(layer) for layer in found] == [2, 1, None]


def test_other_keys_make_it_cross_attention() -> None:
    layers = split(weights(2, 2, 4, 6), "attention")
    found = assemble({"attention": layers}, {"tokens": tokens(4), "key_tokens": ["k"] * 6})
    assert found.sides == {"decoder": tokens(4), "encoder": ["k"] * 6}
    assert list(found.stacks) == ["cross"]


def test_encoder_decoder_and_cross_share_their_tokens() -> None:
    found = assemble(
        {
            "cross_attention": split(weights(2, 2, 4, 6), ""),
            "encoder_attention": split(weights(3, 2, 6, 6), ""),
            "decoder_attention": split(weights(2, 2, 4, 4), ""),
        },
        {"encoder_tokens": ["e"] * 6, "decoder_tokens": ["d"] * 4},
    )
    assert list(found.stacks) == ["encoder", "decoder", "cross"]
    assert found.sides == {"encoder": ["e"] * 6, "decoder": ["d"] * 4}
    assert not found.notes


def test_what_is_odd_but_possible_is_noted() -> None:
    short = A.copy()
    short[0, 0, 2] *= 0.5
    short[0, 1, 3] = np.nan
    notes = assemble({"attention": list(short)}, {"tokens": tokens(5)}).notes
    assert notes == [
        "1 rows of attention hold NaN, shown as not given.",
        "Rows of attention sum to 0.50 to 1.00 instead of 1.",
    ]
    parts = A.copy()
    parts[:, :, :, 2] = np.nan
    notes = assemble({"attention": list(parts)}, {"tokens": tokens(5)}).notes
    assert notes == ["30 rows of attention hold NaN, shown as not given."], "no row can sum to 1"
    dropped = A * np.float32(1.5)  # as dropout does while a model is trained
    assert "sum to 1.50" in assemble({"attention": list(dropped)}, {"tokens": tokens(5)}).notes[0]


def test_a_learned_sink_explains_rows_below_one() -> None:
    found = assemble({"attention": list(A / 2)}, {"tokens": tokens(5)}, learned_sink=True)
    assert not found.notes


def replaced(at: tuple[int, ...], value: float) -> np.ndarray:
    found = A.copy()
    found[at] = value
    return found


SCORES = (RANDOM.standard_normal((3, 2, 5, 5)) * 4).astype(np.float32)
MASKED = np.where(np.tri(5, dtype=bool), np.abs(SCORES), -np.inf).astype(np.float32)


@pytest.mark.parametrize(
    ("attention", "count", "sentence"),
    [
        (SCORES, 5, r"layer 0 of attention holds -\S+: these are no attention weights. Scores"),
        (MASKED, 5, "holds -inf: these are no attention weights"),
        (replaced((1, 0, 2, 3), np.inf), 5, "layer 1 of attention holds inf"),
        (np.abs(SCORES), 5, r"a row of layer 0 of attention sums to \S+: these are no attention"),
        (np.swapaxes(A, -1, -2), 5, "the columns sum to 1 and the rows do not: swap its last two"),
        (A, 4, "is 5 x 5 .query x key. and there are 4 tokens: give one text for each token"),
        (
            A[..., :4, :],
            5,
            "is 4 x 5 .query x key. and there are 5 tokens: where the keys are othe",
        ),
        (A, 0, "tokens is empty"),
        (np.full_like(A, np.nan), 5, "holds nothing"),
        (A[:0], 5, "holds nothing"),
    ],
)
def test_what_is_no_attention_is_refused_in_words(
    attention: np.ndarray, count: int, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        assemble({"attention": list(attention)}, {"tokens": tokens(count)})


def test_layers_of_different_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="layer 1 of attention is 4 x 4 and another is 5 x 5"):
        assemble({"attention": [A[0], weights(2, 4, 4)]}, {"tokens": tokens(5)})


def test_swapped_cross_attention_is_seen() -> None:
    texts = {"encoder_tokens": ["e"] * 6, "decoder_tokens": ["d"] * 4}
    with pytest.raises(UserError, match="4 decoder_tokens and 6 encoder_tokens: swap its last two"):
        assemble({"cross_attention": [weights(2, 6, 4)]}, texts)


@pytest.mark.parametrize(
    ("names", "texts", "sentence"),
    [
        ([], {}, "there is no attention"),
        (["attention"], {}, "attention needs tokens: a list of texts"),
        (["cross_attention"], {"decoder_tokens": tokens(5)}, "needs encoder_tokens"),
        (["attention", "cross_attention"], {"tokens": tokens(5)}, "but not both"),
    ],
)
def test_what_is_missing_is_named(
    names: list[str], texts: dict[str, list[str]], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        assemble({name: list(A) for name in names}, texts)
