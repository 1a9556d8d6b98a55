"""Heads off and edges cut from the command line: against eager models that are changed by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, GPT2LMHeadModel

from tests.cli.conftest import PROMPT, Command

GIVEN = ("-p", PROMPT, "--device", "cpu", "--offline")


def read(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def test_an_export_without_heads(attntui: Command, gpt2: Path, tmp_path: Path) -> None:
    output = tmp_path / "off.npz"
    options = ["--ablate", "1.3,0.2", "--logits", "-o", str(output)]
    done = attntui("export", "-m", str(gpt2), *GIVEN, *options)
    assert done.returncode == 0, done.stderr
    model = GPT2LMHeadModel.from_pretrained(gpt2, attn_implementation="eager").eval()
    for layer, head in ((1, 3), (0, 2)):
        model.transformer.h[layer].attn.c_proj.weight.data[head * 8 : head * 8 + 8] = 0
    inputs = AutoTokenizer.from_pretrained(gpt2)(PROMPT, return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs, output_attentions=True)
    found = read(output)
    np.testing.assert_allclose(found["attention"], torch.cat(expected.attentions), atol=1e-5)
    np.testing.assert_allclose(found["logits"], expected.logits[0], atol=1e-4)
    meta = json.loads(str(found["meta"]))
    assert (meta["ablated"], meta["ablated_with"], meta["cut"]) == (["0.2", "1.3"], "zero", [])


def test_an_encoder_decoder_names_its_stack(attntui: Command, bart: Path, tmp_path: Path) -> None:
    output = tmp_path / "off.npz"
    given = ["-m", str(bart), *GIVEN, "--decoder-prompt", "John and Mary", "--attention", "cross"]
    edits = ["--ablate", "cross.0.1", "--cut", "2:1@cross.1-2"]
    done = attntui("export", *given, *edits, "--logits", "-o", str(output))
    assert done.returncode == 0, done.stderr
    model = AutoModelForSeq2SeqLM.from_pretrained(bart, attn_implementation="eager").eval()
    model.model.decoder.layers[0].encoder_attn.out_proj.weight.data[:, 8:16] = 0
    found = read(output)
    assert (found["attention"][1:, :, 2, 1] == 0).all() and (found["attention"][0, :, 2, 1]).all()
    assert json.loads(str(found["meta"]))["cut"] == ["2:1@cross.1-2"]
    tokenizer = AutoTokenizer.from_pretrained(bart)
    inputs = dict(tokenizer(PROMPT, return_tensors="pt"))
    inputs["decoder_input_ids"] = torch.tensor([found["token_ids"].tolist()])
    with torch.no_grad():
        expected = model(**inputs, output_attentions=True).cross_attentions
    np.testing.assert_allclose(found["attention"][0], expected[0][0], atol=1e-5)
    np.testing.assert_allclose(found["attention"][1][:, :2], expected[1][0][:, :2], atol=1e-5)
    refused = attntui("export", *given, "--ablate", "0.1", "-o", str(tmp_path / "no.npz"))
    assert refused.returncode == 2
    assert "there is no self attention here, only encoder, decoder, cross" in refused.stderr


def test_show_names_what_is_changed(attntui: Command, gpt2: Path) -> None:
    edits = ["--ablate", "1.3", "--ablate-with", "mean", "--cut", "4:2@0.1"]
    done = attntui("show", "-m", str(gpt2), *GIVEN, *edits, "--width", "300")
    assert done.returncode == 0, done.stderr
    assert "head 1.3 at its mean · cut 4:2@0.1 · exact" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--ablate 5", "'5' is no list of heads such as 5.1,6.2 or cross.5.1"),
        ("--cut 5", "'5' is no edge such as 9:4@5.1"),
        ("--ablate-with mean", "--ablate-with needs --ablate"),
        ("--ablate 9.9", "there is no layer 9: layers are 0 to 2"),
        ("--cut 1:4@0", "query 1 cannot see key 4: there is nothing to cut"),
    ],
)
def test_what_cannot_be_changed_is_said(
    attntui: Command, gpt2: Path, tmp_path: Path, options: str, said: str
) -> None:
    done = attntui("export", "-m", str(gpt2), *GIVEN, *options.split(), "-o", "a.npz")
    assert done.returncode == 2 and said in done.stderr
    assert not (tmp_path / "a.npz").exists()
