"""Weights between words, over every kind of tokenizer, against loops over eager attention."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from attntui.core.protocol import GetWindow, Head, PromptInput, Reading, Stack
from attntui.engine import eager, encoding, run
from attntui.engine.windows import window
from tests.engine.test_words import CODE, EMOJI, ENGLISH, KINDS, MIXED

TEXTS = {"english": ENGLISH[:30], "emoji": EMOJI[:8], "mixed": MIXED[:12], "code": CODE[:24]}
"""The tiny models read 32 to 64 tokens, and bytes of one emoji can be a token each."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_rows_of_words_are_sums_and_means_of_tokens(
    load: Callable[[str], Any], text: str, kind: str
) -> None:
    loaded = load(kind)
    encoded = encoding.encode(loaded, PromptInput(text=TEXTS[text], truncate="right"))
    traced = run.trace(loaded, encoded, 1)
    stack: Stack = "encoder" if kind == "t5" else "self"
    with eager.eager(loaded.model), torch.no_grad():
        outputs = loaded.model(**encoded.inputs, output_attentions=True)
    weights = eager.weights(loaded.model, outputs)[stack][1][0, 3].numpy()

    words = traced.sides(stack)[0].words
    spans = [range(word.first, word.last + 1) for word in words]
    expected = [
        [np.mean([sum(weights[i, j] for j in keys) for i in queries]) for keys in spans]
        for queries in spans
    ]
    reading = Reading(words=True)
    every = (0, len(words))
    request = GetWindow(1, Head(stack, 1, 3), every, every, reading=reading)
    _, (found, *_) = window(traced.reader(stack, reading), request)
    assert len(words) < len(weights)
    assert_allclose(found, expected, atol=1e-5)
    assert_allclose(found.sum(-1), 1, atol=1e-5)
