"""How well a model answers, whole and without heads: against eager models changed by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from attntui.core.errors import UserError
from attntui.core.protocol import GetAnswers, Head, Load, ModelOptions, PromptInput, Question
from attntui.engine.session import Session
from tests.engine import families

SETS = ((Head("self", 1, 0),), (Head("self", 0, 1), Head("self", 1, 2)), (Head("self", 0, 3),))
LABELS = {"dull": 0, "bright": 1, "1": 1}
Ask = Callable[..., list[np.ndarray]]


CLASSES = {
    "gpt2": AutoModelForCausalLM,
    "bert": AutoModelForMaskedLM,
    "classifier": AutoModelForSequenceClassification,
    "t5": AutoModelForSeq2SeqLM,
}


@pytest.fixture(scope="module")
def far(
    tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """The tiny models with attention far from uniform, so that a head matters."""
    root = tmp_path_factory.mktemp("far")

    def folder(kind: str) -> Path:
        if not (root / kind).exists():
            model = CLASSES[kind].from_pretrained(tiny(kind)).requires_grad_(False)
            families.spread(model)
            model.save_pretrained(root / kind)
            AutoTokenizer.from_pretrained(tiny(kind)).save_pretrained(root / kind)
        return root / kind

    return folder


@pytest.fixture
def ask(far: Callable[[str], Path], work: Any) -> Ask:
    def run(kind: str, question: Question, sets: Any = SETS, **more: Any) -> list[np.ndarray]:
        session = Session()
        session.answer(Load(ModelOptions(model=str(far(kind)), device="cpu")), work)
        _, arrays = session.answer(GetAnswers(question, sets, **more), work)
        return arrays

    return run


def without(model: Any, heads: tuple[Head, ...], find: Callable[[Any, int], Any]) -> Any:
    """The model with columns of its output projections zeroed."""
    config = model.config
    size = config.hidden_size // config.num_attention_heads
    for head in heads:
        weight = find(model, head.layer).weight
        columns = weight.data if config.model_type == "gpt2" else weight.data.T
        columns[head.head * size : (head.head + 1) * size] = 0
    return model


def scores(logits: torch.Tensor, answer: list[int], foil: tuple[int, int] | None) -> list[float]:
    """By loops, from logits (positions of the answer, outputs)."""
    chances = logits.double().log_softmax(-1)
    logprob = sum(float(chances[at, token]) for at, token in enumerate(answer))
    if foil is not None:
        at, token = foil
        return [logprob, float(logits[at, answer[at]] - logits[at, token])]
    margins = [
        min(float(row[token] - other) for number, other in enumerate(row) if number != token)
        for row, token in zip(logits, answer, strict=True)
    ]
    return [logprob, min(margins)]


def agree(
    found: list[np.ndarray],
    fresh: Callable[[], Any],
    find: Callable[[Any, int], Any],
    inputs: dict[str, torch.Tensor],
    positions: list[int] | None,
    answer: list[int],
    foil: tuple[int, int] | None,
) -> None:
    expected = []
    for heads in ((), *SETS):
        with torch.no_grad():
            logits = without(fresh(), heads, find)(**inputs).logits
        logits = logits if positions is None else logits[0, positions]
        expected.append(scores(logits, answer, foil))
    np.testing.assert_allclose(np.array(found).T, expected, atol=1e-4)
    assert np.ptp(found[0]) > 1e-3


@pytest.mark.parametrize("foil", [None, " dog went"])
def test_a_causal_model_goes_on(ask: Ask, far: Callable[[str], Path], foil: str | None) -> None:
    prompt, answer = "When Mary and John went to the", " store and John"
    tokenizer = AutoTokenizer.from_pretrained(far("gpt2"))
    before, after = tokenizer(prompt)["input_ids"], tokenizer(answer)["input_ids"]
    assert tokenizer(prompt + answer)["input_ids"] == before + after and len(after) > 1
    question = Question(prompt=PromptInput(text=prompt), answer=answer, foil=foil)
    agree(
        ask("gpt2", question),
        lambda: AutoModelForCausalLM.from_pretrained(far("gpt2"), attn_implementation="eager"),
        lambda model, layer: model.transformer.h[layer].attn.c_proj,
        {"input_ids": torch.tensor([before + after])},
        list(range(len(before) - 1, len(before) + len(after) - 1)),
        after,
        None if foil is None else (0, tokenizer(foil)["input_ids"][0]),
    )


def test_a_word_that_goes_on_is_read_as_it_would_be(ask: Ask, far: Callable[[str], Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(far("gpt2"))
    joined = tokenizer("the boy")["input_ids"]
    question = Question(prompt=PromptInput(text="the"), answer=" boy")
    prefix = tokenizer("the")["input_ids"]
    assert joined[: len(prefix)] == prefix
    agree(
        ask("gpt2", question),
        lambda: AutoModelForCausalLM.from_pretrained(far("gpt2"), attn_implementation="eager"),
        lambda model, layer: model.transformer.h[layer].attn.c_proj,
        {"input_ids": torch.tensor([joined])},
        list(range(len(prefix) - 1, len(joined) - 1)),
        joined[len(prefix) :],
        None,
    )


def test_a_masked_model_fills_in(ask: Ask, far: Callable[[str], Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(far("bert"))
    mask = tokenizer.mask_token
    text = f"the boy {mask} to the {mask}"
    inputs = tokenizer(text, return_tensors="pt")
    positions = [
        at for at, one in enumerate(inputs["input_ids"][0]) if one == tokenizer.mask_token_id
    ]
    answer = tokenizer("went store", add_special_tokens=False)["input_ids"]
    foil = tokenizer("went dog", add_special_tokens=False)["input_ids"]
    assert len(answer) == len(foil) == 2 == len(positions)
    agree(
        ask("bert", Question(prompt=PromptInput(text=text), answer="went store", foil="went dog")),
        lambda: AutoModelForMaskedLM.from_pretrained(far("bert"), attn_implementation="eager"),
        lambda model, layer: model.bert.encoder.layer[layer].attention.output.dense,
        dict(inputs),
        positions,
        answer,
        (1, foil[1]),
    )


@pytest.mark.parametrize(("label", "foil"), [("1", None), ("dull", "bright")])
def test_a_classifier_names_a_class(
    ask: Ask, far: Callable[[str], Path], label: str, foil: str | None
) -> None:
    text = "the boy went to the store"
    agree(
        ask("classifier", Question(prompt=PromptInput(text=text), answer=label, foil=foil)),
        lambda: AutoModelForSequenceClassification.from_pretrained(
            far("classifier"), attn_implementation="eager"
        ),
        lambda model, layer: model.bert.encoder.layer[layer].attention.output.dense,
        dict(AutoTokenizer.from_pretrained(far("classifier"))(text, return_tensors="pt")),
        None,
        [LABELS[label]],
        None if foil is None else (0, LABELS[foil]),
    )


def test_an_encoder_decoder_writes(ask: Ask, far: Callable[[str], Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(far("t5"))
    text, answer = "the boy went to the store", "the dog"
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    model = AutoModelForSeq2SeqLM.from_pretrained(far("t5"), attn_implementation="eager").eval()
    start = model.config.decoder_start_token_id
    cross = (Head("cross", 0, 1), Head("encoder", 1, 0))
    found = ask("t5", Question(prompt=PromptInput(text=text), answer=answer), (cross,))
    size = model.config.d_kv
    expected = []
    for off in (False, True):
        if off:
            projection = model.decoder.block[0].layer[1].EncDecAttention.o.weight.data
            projection[:, size : 2 * size] = 0
            model.encoder.block[1].layer[0].SelfAttention.o.weight.data[:, :size] = 0
        inputs = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            logits = model(**inputs, decoder_input_ids=torch.tensor([[start, *ids[:-1]]])).logits[0]
        expected.append(scores(logits, ids, None))
    np.testing.assert_allclose(np.array(found).T, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "question", "sentence"),
    [
        ("gpt2", ("the boy", "", None), "The answer is empty"),
        ("gpt2", ("the boy", " went", " went"), "nothing tells them apart"),
        ("bert", ("the boy", "went", None), "has 0 masked places and 'went' is 1 tokens: write"),
        ("classifier", ("the boy", "good", None), "'good' is no label of this model, which knows"),
    ],
)
def test_a_question_that_does_not_suit(
    ask: Ask, kind: str, question: tuple[str, str, str | None], sentence: str
) -> None:
    text, answer, foil = question
    with pytest.raises(UserError, match=sentence):
        ask(kind, Question(prompt=PromptInput(text=text), answer=answer, foil=foil))


def test_a_head_that_is_not_there(ask: Ask) -> None:
    question = Question(prompt=PromptInput(text="the boy"), answer=" went")
    with pytest.raises(UserError, match="there is no layer 7"):
        ask("gpt2", question, ((Head("self", 7, 0),),))
