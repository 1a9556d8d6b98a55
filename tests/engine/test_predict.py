"""What a model says at a position, against transformers' own outputs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from attntui.core.errors import UserError
from attntui.core.protocol import GetPredictions, Predictions, PromptInput
from attntui.engine import encoding, predict, run

Load = Callable[[str], Any]


def traced(loaded: Any, work: Any, text: str, **more: Any) -> Any:
    encoded = encoding.encode(loaded, PromptInput(text=text, **more))
    return run.trace(loaded, encoded, 1, check_cancel=work.check_cancel, progress=work.progress)


def reference(loaded: Any, held: Any) -> torch.Tensor:
    """Logits of a plain forward (positions or nothing, vocabulary or classes)."""
    with torch.no_grad():
        output = loaded.model(**held.encoded.inputs)
    return output.logits[0].float()


@pytest.mark.parametrize(
    ("kind", "what", "more"),
    [
        ("gpt2", "next token", {}),
        ("bert", "token in this place", {}),
        ("t5", "next token", {"decoder_text": "John went"}),
    ],
)
def test_predictions_are_the_models_own(
    load: Load, work: Any, kind: str, what: str, more: dict[str, Any]
) -> None:
    loaded = load(kind)
    held = traced(loaded, work, "Mary went to the store", **more)
    logits = reference(loaded, held)
    for position in range(logits.shape[0]):
        found = predict.predictions(loaded, held, GetPredictions(1, position, 5))
        assert (found.run, found.position, found.what) == (1, position, what)
        chances = torch.softmax(logits[position], -1)
        best = torch.topk(chances, 5)
        assert [each.id for each in found.entries] == best.indices.tolist()
        np.testing.assert_allclose(
            [each.probability for each in found.entries], best.values, rtol=1e-5
        )
        for each in found.entries:
            assert each.logit == pytest.approx(float(logits[position, each.id]), abs=1e-4)
    np.testing.assert_allclose(predict.logits(loaded, held, 1, 3), logits[1:3].numpy(), atol=1e-5)


def test_classes_are_named_and_the_same_everywhere(load: Load, work: Any) -> None:
    loaded = load("classifier")
    held = traced(loaded, work, "Mary went")
    logits = reference(loaded, held)
    found = predict.predictions(loaded, held, GetPredictions(1, 0, 9))
    assert isinstance(found, Predictions) and found.what == "class"
    assert {each.text for each in found.entries} == {"dull", "bright", "odd"}
    assert found.entries[0].id == int(logits.argmax())
    assert sum(each.probability for each in found.entries) == pytest.approx(1, abs=1e-6)
    assert predict.predictions(loaded, held, GetPredictions(1, 2, 9)).entries == found.entries
    np.testing.assert_allclose(
        predict.logits(loaded, held, 0, 2), np.stack([logits, logits]), atol=1e-5
    )


def test_what_cannot_be_predicted_is_said(load: Load, work: Any) -> None:
    loaded = load("gpt2")
    held = traced(loaded, work, "Mary went")
    count = len(held.encoded.sides[0].tokens)
    for position in (-1, count):
        with pytest.raises(UserError, match="There is no position"):
            predict.predictions(loaded, held, GetPredictions(1, position, 5))
    with pytest.raises(UserError, match="There is no position"):
        predict.logits(loaded, held, 1, count + 1)
    headless = type(loaded)(**{**vars(loaded), "predicts": None})
    with pytest.raises(UserError, match="predicts nothing"):
        predict.predictions(headless, held, GetPredictions(1, 0, 5))
