"""How far heads look: against a loop over eager attention, and on a text said several times."""

from typing import Any

import numpy as np
import pytest
import torch

from attntui.core.errors import UserError
from attntui.core.protocol import GetReach, SideInfo, Stack, Token
from attntui.engine import run
from attntui.engine.answers import answer
from attntui.engine.model import Encoded
from tests.engine import families

BEYOND = (0, 3, 10)


def expected(weights: np.ndarray, beyond: int | None = None) -> np.ndarray:
    """(layers, heads): the mean distance, or the share of weight further than so many tokens."""
    layers, heads, queries, keys = weights.shape
    found = np.zeros((layers, heads))
    for layer in range(layers):
        for head in range(heads):
            total = counted = 0.0
            for i in range(queries):
                for j in range(keys):
                    weight = float(weights[layer, head, i, j])
                    far = abs(i - j)
                    total += weight
                    counted += weight * (far if beyond is None else far > beyond)
            found[layer, head] = counted / total
    return found


def eager(loaded: Any, prompt: Encoded, stack: Stack) -> np.ndarray:
    outputs = families.eager_outputs(loaded, prompt)
    return torch.stack(families.eager_attentions(outputs)[stack]).numpy()


@pytest.mark.parametrize(
    ("name", "stack"),
    [("gpt2", "self"), ("gpt_oss", "self"), ("bert", "self"), ("t5", "encoder"), ("t5", "decoder")],
)
def test_distances_and_shares_equal_a_loop(name: str, stack: Stack, work: Any) -> None:
    loaded = families.build(name)
    prompt = families.prompt(loaded)
    base = run.trace(loaded, prompt, 1)
    _, (distance, beyond, tokens) = answer(loaded, base, GetReach(1, stack, BEYOND), work)
    weights = eager(loaded, prompt, stack)
    np.testing.assert_allclose(distance, expected(weights), rtol=1e-4)
    for at, each in enumerate(BEYOND):
        np.testing.assert_allclose(beyond[at], expected(weights, each), atol=1e-5)
    assert tokens[0] == weights.shape[2]


def text(special: tuple[int, ...], ids: torch.Tensor) -> Encoded:
    """A prompt of these ids, those at some places special."""
    parts = [-1 if at in special else 0 for at in range(len(ids))]
    tokens = tuple(
        Token(int(one), str(int(one)), part=part) for one, part in zip(ids, parts, strict=True)
    )
    return Encoded({"input_ids": ids[None]}, (SideInfo("text", tokens),))


def test_a_longer_text_is_the_same_text_again_between_its_special_tokens(work: Any) -> None:
    loaded = families.build("bert")
    base = run.trace(loaded, text((0, 4, 7), torch.tensor([3, 11, 12, 13, 4, 14, 15, 4])), 1)
    _, (distance, beyond, tokens) = answer(loaded, base, GetReach(1, "self", (2,), 3), work)
    first, second = [11, 12, 13], [14, 15]
    longer = torch.tensor([3, *first * 3, 4, *second * 3, 4])
    weights = eager(loaded, text((), longer), "self")
    assert tokens[0] == len(longer)
    np.testing.assert_allclose(distance, expected(weights), rtol=1e-4)
    np.testing.assert_allclose(beyond[0], expected(weights, 2), atol=1e-5)


def test_both_texts_of_an_encoder_decoder_grow(work: Any) -> None:
    loaded = families.build("t5")
    prompt = families.prompt(loaded, 9, 5)
    base = run.trace(loaded, prompt, 1)
    _, (distance, _, tokens) = answer(loaded, base, GetReach(1, "decoder", (), 2), work)
    ids = [prompt.inputs[name].repeat(1, 2) for name in ("input_ids", "decoder_input_ids")]
    longer = families.encoded(encoder=ids[0], decoder=ids[1])
    np.testing.assert_allclose(distance, expected(eager(loaded, longer, "decoder")), rtol=1e-4)
    assert tokens[0] == 10


def test_what_has_no_distance_says_so(work: Any) -> None:
    loaded = families.build("t5")
    base = run.trace(loaded, families.prompt(loaded, 9, 5), 1)
    with pytest.raises(UserError, match="cross attention has two"):
        answer(loaded, base, GetReach(1, "cross"), work)
    loaded = families.build("gpt2")
    base = run.trace(loaded, families.prompt(loaded), 1)
    with pytest.raises(
        UserError, match=r"64 times this text is 2,560 tokens; the model reads at most"
    ):
        answer(loaded, base, GetReach(1, "self", (), 64), work)
