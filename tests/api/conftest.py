"""Tiny models for the Python API, and what transformers itself says of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForSeq2SeqLM, AutoTokenizer

import attntui
from attntui.client import engine
from tests.engine.conftest import tiny  # noqa: F401  # a fixture

PROMPT = "When Mary and John went to the store"


@pytest.fixture(autouse=True)
def quick_start(warm_engine: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of these tests start with the imports done."""
    monkeypatch.setattr(engine, "ENGINE", warm_engine)


@pytest.fixture(scope="session")
def loaded(tiny: Callable[[str], Path]) -> Iterator[Callable[[str], attntui.Model]]:  # noqa: F811
    """A tiny model of a kind, in its own process; loaded once."""
    held: dict[str, attntui.Model] = {}

    def load(kind: str) -> attntui.Model:
        if kind not in held:
            held[kind] = attntui.load(tiny(kind), device="cpu")
        return held[kind]

    yield load
    for model in held.values():
        model.close()


@pytest.fixture(scope="session")
def eager(tiny: Callable[[str], Path]) -> Callable[..., Any]:  # noqa: F811
    """transformers' own outputs, attention included, and the tokens that it read."""

    def run(kind: str, *texts: str, decoder: list[int] | None = None) -> tuple[Any, list[str]]:
        tokenizer = AutoTokenizer.from_pretrained(tiny(kind))
        loader = AutoModel if decoder is None else AutoModelForSeq2SeqLM
        model = loader.from_pretrained(tiny(kind), attn_implementation="eager").eval()
        pair = len(texts) == 2
        inputs = dict(tokenizer(*texts, return_tensors="pt", return_token_type_ids=pair))
        if decoder is not None:
            inputs["decoder_input_ids"] = torch.tensor([decoder])
        with torch.no_grad():
            outputs = model(**inputs, output_attentions=True)
        return outputs, tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])

    return run
