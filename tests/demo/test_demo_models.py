"""What the bundled weights do, measured by plain transformers with eager attention."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from attntui.demo import DEFAULT_PROMPT, JAPANESE_MASKED_PROMPT, MODELS

HELD_OUT = json.loads((Path(__file__).parent / "held_out.json").read_text(encoding="utf-8"))
LOADERS = {"demo": AutoModelForCausalLM, "demo-bert": AutoModelForMaskedLM}


@cache
def bundled(name):
    folder = MODELS[name].folder
    model = LOADERS[name].from_pretrained(
        folder, local_files_only=True, attn_implementation="eager"
    )
    return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)


def attention(model, ids):
    """(layers, heads, query, key)"""
    with torch.no_grad():
        output = model(torch.tensor([ids]), output_attentions=True)
    return np.stack([weights[0].float().numpy() for weights in output.attentions])


def induction_keys(ids, query):
    """Where the tokens stand that came after earlier copies of the query's token."""
    return [key for key in range(1, query + 1) if ids[key - 1] == ids[query]]


@cache
def scores():
    """Each pattern's mean weight over eligible rows, (layers, heads), on repeated random tokens."""
    model, tokenizer = bundled("demo")
    previous, induction = [], []
    for seed in range(8):
        some = np.random.default_rng(seed).integers(1, len(tokenizer), 40).tolist()
        ids = [tokenizer.bos_token_id, *some, *some]
        weights = attention(model, ids)
        for query in range(1, len(ids)):
            previous.append(weights[:, :, query, query - 1])
            if keys := induction_keys(ids, query):
                induction.append(weights[:, :, query, keys].sum(-1))
    return {
        "previous": np.mean(previous, 0),
        "induction": np.mean(induction, 0),
    }


@pytest.mark.parametrize("pattern", ["previous", "induction"])
def test_a_head_of_the_causal_model_shows(pattern):
    assert scores()[pattern].max() > 0.5


def test_a_head_of_the_causal_model_rests_on_the_first_token_of_a_text():
    model, tokenizer = bundled("demo")
    means = [
        attention(model, tokenizer(sentence)["input_ids"])[:, :, 1:, 0].mean(-1)
        for sentence in HELD_OUT["english"][:60]
    ]
    assert np.mean(means, 0).max() > 0.5


def test_the_causal_model_copies_what_repeats():
    model, tokenizer = bundled("demo")
    right = []
    for seed in range(8):
        some = np.random.default_rng(seed).integers(1, len(tokenizer), 40).tolist()
        ids = torch.tensor([[tokenizer.bos_token_id, *some, *some]])
        with torch.no_grad():
            guesses = model(ids).logits[0, 41:-1].argmax(-1)
        right += (guesses == ids[0, 42:]).tolist()
    assert np.mean(right) > 0.5


def test_the_default_prompt_shows_the_induction_head():
    model, tokenizer = bundled("demo")
    ids = tokenizer(DEFAULT_PROMPT)["input_ids"]
    assert 14 <= len(ids) <= 24
    last = len(ids) - 1
    (target,) = induction_keys(ids, last)
    layer, head = np.unravel_index(scores()["induction"].argmax(), scores()["induction"].shape)
    row = attention(model, ids)[layer, head, last]
    assert row.argmax() == target and row[target] > 0.5
    with torch.no_grad():
        assert model(torch.tensor([ids])).logits[0, last].argmax() == ids[target]


@pytest.mark.parametrize("language", ["english", "japanese"])
def test_the_masked_model_beats_any_one_answer(language):
    model, tokenizer = bundled("demo-bert")
    sentences = HELD_OUT[language]
    assert len(set(sentences)) == 200
    right, answers = 0, []
    for number, sentence in enumerate(sentences):
        inputs = tokenizer(sentence, return_tensors="pt")
        ids = inputs["input_ids"][0]
        places = [place for place in range(1, len(ids) - 1) if (place + number) % 7 == 0]
        expected = ids[places].tolist()
        ids[places] = tokenizer.mask_token_id
        with torch.no_grad():
            guesses = model(**inputs).logits[0, places].argmax(-1).tolist()
        right += sum(guess == answer for guess, answer in zip(guesses, expected, strict=True))
        answers += expected
    assert len(answers) > 400
    commonest = max(map(answers.count, set(answers)))
    assert right >= 2 * commonest


def test_ordinary_text_has_no_unknown_pieces():
    _, tokenizer = bundled("demo-bert")
    text = "Don't stop, “Zoë” said -- 東京へ行きました。「ガギグ」ーヴァイオリン、ぱぴぷぺぽ!？"
    assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
    assert tokenizer.tokenize("かが") != tokenizer.tokenize("かか")
    assert tokenizer(JAPANESE_MASKED_PROMPT)["input_ids"].count(tokenizer.mask_token_id) == 1


def test_sentence_pairs_are_told_apart():
    _, tokenizer = bundled("demo-bert")
    pair = tokenizer("a cat", "猫")
    assert pair["token_type_ids"] == [0] * (len(pair["input_ids"]) - 2) + [1, 1]
    assert pair["input_ids"][0] == tokenizer.cls_token_id
    assert pair["input_ids"].count(tokenizer.sep_token_id) == 2


@pytest.mark.parametrize("text", ["A tale.\n\tTwo  spaces", "日本語 🙂 👩‍🚀", "\x00\x1b[31mé“”"])
def test_the_causal_tokenizer_loses_nothing(text):
    _, tokenizer = bundled("demo")
    ids = tokenizer(text)["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize("name", MODELS)
def test_small_files_load_as_float32(name):
    folder = MODELS[name].folder
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 8_000_000
    model, tokenizer = bundled(name)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert len(tokenizer) == model.config.vocab_size
    assert model.config.max_position_embeddings >= 512
