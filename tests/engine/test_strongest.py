"""Each word's strongest word, against loops over the weights of a file and of eager models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from attntui.core.errors import UserError
from attntui.core.protocol import Arrays, GetStrongest, Load, ModelOptions, PromptInput, Trace
from attntui.engine import layers
from attntui.engine.session import Session
from tests.engine import families
from tests.engine.given_files import Opened, weights

Spans = tuple[tuple[int, int], ...]
TEXT = "When Mary and John went to the store, John gave a drink to Mary."


def expected(matrix: np.ndarray, words: Spans) -> list[int]:
    """One head's, word by word; `matrix` (queries, keys)."""
    found = []
    for query, rows in enumerate(words):
        best, most = -1, 0.0
        for key, columns in enumerate(words):
            if key != query:
                each = [sum(matrix[row, at] for at in range(*columns)) for row in range(*rows)]
                if np.mean(each) > most:
                    best, most = key, float(np.mean(each))
        found.append(best)
    return found


def asked(session: Session, stack: Any, words: Spans, work: Any) -> np.ndarray:
    reply, (found,) = session.answer(GetStrongest(1, stack, words), work)
    assert isinstance(reply, Arrays) and reply.names == ("strongest",)
    return found


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("tile", [1, 2**20])
def test_of_a_file(
    saved: Callable[..., Path], work: Any, monkeypatch: Any, causal: bool, tile: int
) -> None:
    monkeypatch.setattr(layers, "LEAST_ROWS", 1)
    monkeypatch.setattr(layers, "CACHED_WEIGHTS", tile)
    given = weights(3, 2, 30, 30, causal=causal)
    given[1, 0, 7:11] = np.nan
    opened = Opened(saved(attention=given, tokens=[f"t{at}" for at in range(30)]))
    words = ((1, 2), (2, 5), (7, 8), (8, 11), (11, 12), (15, 19), (20, 22), (28, 29))
    found = asked(opened.session, "self", words, work)
    numbers = np.nan_to_num(given)
    assert found.tolist() == [[expected(head, words) for head in layer] for layer in numbers]
    if causal:
        assert (found[..., 0] == -1).all() and (found < np.arange(len(words))).all()


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_of_a_model(tiny: Callable[[str], Path], tmp_path: Path, work: Any, kind: str) -> None:
    model = AutoModel.from_pretrained(tiny(kind), attn_implementation="eager")
    families.spread(model.requires_grad_(False))
    model.eval().save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny(kind))
    tokenizer.save_pretrained(tmp_path)
    session = Session()
    session.answer(Load(ModelOptions(model=str(tmp_path), device="cpu")), work)
    session.answer(Trace(1, PromptInput(text=TEXT)), work)
    inputs = tokenizer(TEXT, return_tensors="pt")
    words = tuple((at, at + 2) for at in range(1, inputs["input_ids"].shape[1] - 2, 3))
    with torch.no_grad():
        attentions = model(**inputs, output_attentions=True).attentions
    found = asked(session, "self", words, work)
    assert len(words) > 3
    assert found.tolist() == [
        [expected(head, words) for head in layer[0].numpy()] for layer in attentions
    ]


def test_words_that_are_none(saved: Callable[..., Path], work: Any) -> None:
    session = Opened(saved(attention=weights(1, 1, 4, 4), tokens=list("abcd"))).session
    assert asked(session, "self", (), work).shape == (1, 1, 0)
    assert asked(session, "self", ((0, 4),), work).tolist() == [[[-1]]]
    for words in (((0, 5),), ((-1, 1),), ((2, 2),), ((2, 3), (0, 1)), ((0, 2), (1, 3))):
        with pytest.raises(UserError, match="words must be ranges of the 4 tokens"):
            asked(session, "self", words, work)
    with pytest.raises(UserError, match="no encoder attention"):
        asked(session, "encoder", ((0, 1),), work)


def test_two_texts_have_no_common_words(load: Callable[[str], Any], work: Any) -> None:
    from attntui.engine import encoding, run
    from attntui.engine.strongest import strongest

    loaded = load("t5")
    prompt = PromptInput(text="When Mary", decoder_text="and John")
    traced = run.trace(loaded, encoding.encode(loaded, prompt), 1)
    assert strongest(traced, GetStrongest(1, "encoder", ((0, 1), (1, 2)))).shape[-1] == 2
    with pytest.raises(UserError, match="cross attention is of two texts"):
        strongest(traced, GetStrongest(1, "cross", ((0, 1),)))
