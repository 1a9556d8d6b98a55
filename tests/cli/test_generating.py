"""`--generate`: the screen's tokens from the command line, against an eager model's own."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from attntui.cli.generation import Generation, GenerationChoice
from attntui.core.errors import UserError
from attntui.core.protocol import Sampling
from tests.cli.conftest import PROMPT, Command

GIVEN = ("-p", PROMPT, "--device", "cpu", "--offline")


def test_an_export_of_a_text_that_the_model_went_on_with(
    attntui: Command, gpt2: Path, tmp_path: Path
) -> None:
    output = tmp_path / "longer.npz"
    options = ["--generate", "7", "--ablate", "1.3", "--logits", "-o", str(output)]
    done = attntui("export", "-m", str(gpt2), *GIVEN, *options)
    assert done.returncode == 0, done.stderr
    model = GPT2LMHeadModel.from_pretrained(gpt2, attn_implementation="eager").eval()
    model.transformer.h[1].attn.c_proj.weight.data[24:32] = 0
    inputs = AutoTokenizer.from_pretrained(gpt2)(PROMPT, return_tensors="pt")
    start = inputs["input_ids"].shape[1]
    with torch.no_grad():
        ids = model.generate(**inputs, do_sample=False, max_new_tokens=7)
        ids = ids[:, :-1] if ids[0, -1] == 2 else ids
        expected = model(ids, output_attentions=True)
    with np.load(output) as file:
        found = dict(file)
    assert found["token_ids"].tolist() == ids[0].tolist() and len(ids[0]) > start
    np.testing.assert_allclose(found["attention"], torch.cat(expected.attentions), atol=1e-4)
    meta = json.loads(str(found["meta"]))
    added = meta["generated"]
    assert (added["first"], added["token_ids"]) == (start, ids[0, start:].tolist())
    chances = expected.logits[0].softmax(-1)[start - 1 : -1]
    chosen = chances[torch.arange(len(chances)), ids[0, start:]]
    np.testing.assert_allclose(added["probabilities"], chosen, atol=1e-5)
    assert added["temperature"] is None and meta["prompt"]["ids"] == ids[0].tolist()


def test_show_lists_what_was_drawn(attntui: Command) -> None:
    options = ["--generate", "3", "--temperature", "0.9", "--top-k", "20", "--seed", "3"]
    done = attntui("show", "-p", "Once upon a time", *options, "--width", "300")
    assert done.returncode == 0, done.stderr
    assert "3 tokens added temperature 0.9, top-k 20, seed 3" in done.stdout
    assert "added from token" in done.stdout


def test_options_without_a_count_are_refused() -> None:
    with pytest.raises(UserError, match="--top-k needs --generate"):
        GenerationChoice(top_k=5).order()
    assert GenerationChoice().order() is None
    assert GenerationChoice(4).order() == Generation(4, Sampling())
    assert GenerationChoice(4, top_p=0.5, seed=1).order() == Generation(
        4, Sampling(temperature=1.0, top_p=0.5, seed=1)
    )
