"""`Trace.generate`: against greedy decoding with an eager model."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import attntui
from attntui.core.errors import UserError
from attntui.demo import MODELS

TEXT = "Once upon a time there"


@pytest.fixture(scope="module")
def model() -> attntui.Model:
    return attntui.load("demo", device="cpu", offline=True)


def test_a_text_goes_on(model: attntui.Model) -> None:
    trace = model.trace(TEXT)
    longer = trace.generate(6)
    folder = MODELS["demo"].folder
    eager = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    inputs = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")
    with torch.no_grad():
        ids = eager.generate(inputs["input_ids"], do_sample=False, max_new_tokens=6)
        expected = eager(ids, output_attentions=True)
    assert [token.id for token in longer.info.sides[0].tokens] == ids[0].tolist()
    np.testing.assert_allclose(longer.attention(1, 2), expected.attentions[1][0, 2], atol=1e-4)
    np.testing.assert_allclose(longer.logits(), expected.logits[0], atol=1e-4)
    generated = longer.info.generated
    assert generated is not None and generated.first == len(trace.tokens)
    # Another run is asked about meanwhile; the longer one is made again of its tokens.
    assert trace.attention(1, 2).shape == (len(trace.tokens),) * 2
    np.testing.assert_allclose(longer.attention(1, 2), expected.attentions[1][0, 2], atol=1e-4)
    assert longer.generate(1).tokens[:-1] == longer.tokens


def test_edits_and_seeds(model: attntui.Model) -> None:
    off = model.trace(TEXT).edit(ablate="0.2", ablate_with="mean")
    longer = off.generate(4, top_k=30, seed=2)
    assert longer.tokens == off.generate(4, top_k=30, seed=2).tokens
    assert longer.tokens != off.generate(4, top_k=30, seed=3).tokens
    first = longer.attention(1, 2)
    off.attention(1, 2)
    np.testing.assert_allclose(longer.attention(1, 2), first, atol=1e-6)
    whole = model.trace(longer.info.generated.prompt.text)  # type: ignore[union-attr]
    assert whole.tokens == longer.tokens
    same = whole.edit(ablate="0.2", ablate_with="mean")
    np.testing.assert_allclose(same.attention(1, 2), first, atol=1e-4)


def test_what_cannot_be_is_said(model: attntui.Model) -> None:
    trace = model.trace(TEXT)
    with pytest.raises(UserError, match="top-p 2 is no share"):
        trace.generate(3, top_p=2)
    with pytest.raises(UserError, match="count must be int, not str"):
        trace.generate("three")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="At least one token"):
        trace.generate(0)
