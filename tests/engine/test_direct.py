"""Direct logit attribution: the parts against the model's own logit, heads against their hooks."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from attntui.core.errors import UserError
from attntui.core.protocol import Edits, GetAttribution, Head, Target
from attntui.engine import run
from attntui.engine.answers import answer
from attntui.engine.run import Run
from tests.engine import families
from tests.engine.test_edits import both, edited, projection

TARGETS = [Target(17, 5), Target(39, 9, 3)]
SUMS = [
    "gpt2",
    "gpt_bigcode",
    "llama",
    "mistral",
    "mixtral",
    "qwen2",
    "qwen3",
    "phi",
    "phi3",
    "gemma2",
    "gemma3",
    "gpt_oss",
    "gpt_neox",
    "opt",
    "jamba",
    "cohere2",
    "starcoder2",
    "olmo2",
    "deepseek_v3",
]


def attributed(loaded: Any, base: Run, target: Target, work: Any) -> list[np.ndarray]:
    return answer(loaded, base, GetAttribution(1, target), work)[1]


def uneven(name: str) -> tuple[Any, Any, Run]:
    """As `both`, with biases that are not 0 and gains that are not 1."""
    loaded = families.build(name)
    generator = torch.Generator().manual_seed(3)
    for parameter in loaded.model.parameters():
        if parameter.ndim == 1:
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    prompt = families.prompt(loaded)
    return loaded, prompt, run.trace(loaded, prompt, 1)


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize("name", SUMS)
def test_all_parts_sum_to_the_eager_models_logit(name: str, target: Target, work: Any) -> None:
    loaded, prompt, base = uneven(name)
    heads, rest, y = attributed(loaded, base, target, work)
    row = families.eager_outputs(loaded, prompt).logits[0, target.position]
    expected = row[target.token] - (0 if target.foil is None else row[target.foil])
    assert y[0] == pytest.approx(float(expected), abs=1e-4)
    assert np.nansum(heads.astype(float)) + rest.sum(dtype=float) == pytest.approx(
        float(expected), abs=1e-4
    )
    assert np.nanmax(np.abs(heads)) > 1e-3
    assert len(rest) == len(heads) + 2


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_heads_part_is_what_it_writes_through_the_frozen_norm(name: str, work: Any) -> None:
    loaded, prompt, base = uneven(name)
    target = Target(17, 5)
    heads, rest, _ = attributed(loaded, base, target, work)
    model, kept = loaded.model, dict[Any, Tensor]()
    body = model.transformer if name == "gpt2" else model.model
    norm = body.ln_f if name == "gpt2" else body.norm
    layers = body.h if name == "gpt2" else body.layers
    projections = [projection(model, (name, "self"), at) for at in range(len(layers))]
    for module in [norm, *projections, layers[0]]:
        module.register_forward_pre_hook(
            lambda module, args: kept.update({module: args[0][0, 17].double()})
        )
    families.eager_outputs(loaded, prompt)
    x, u = kept[norm], model.lm_head.weight[5].double()
    centre = x - x.mean() if name == "gpt2" else x
    eps = norm.eps if name == "gpt2" else norm.variance_epsilon
    scale = norm.weight.double() / (centre.square().mean() + eps).sqrt()

    def part(vector: Tensor) -> float:
        return float(((vector - vector.mean() if name == "gpt2" else vector) * scale) @ u)

    for at, module in enumerate(projections):
        weight = module.weight.double() if name == "gpt2" else module.weight.T.double()
        for head in range(4):
            rows = slice(8 * head, 8 * head + 8)
            expected = part(kept[module][rows] @ weight[rows])
            assert heads[at, head] == pytest.approx(expected, abs=1e-5)
    assert rest[0] == pytest.approx(part(kept[layers[0]]), abs=1e-5)


def test_a_head_that_is_off_adds_nothing(work: Any) -> None:
    loaded, _, base = both("gpt2")
    found = edited(loaded, base, Edits((Head("self", 0, 1),)))
    heads, rest, y = attributed(loaded, found, Target(17, 5), work)
    assert heads[0, 1] == 0 and found.logits is not None
    assert y[0] == found.logits[17, 5]
    assert heads.sum() + rest.sum() == pytest.approx(float(y[0]), abs=1e-4)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bert", "here no norm leads from the last layer to the head"),
        ("t5", "here a decoder reads an encoder's output, too"),
        ("bloom", "its own eager code"),
        ("qwen3_next", "output projection was not found"),
    ],
)
def test_where_a_logit_is_no_sum_it_says_why(name: str, sentence: str, work: Any) -> None:
    loaded, _, base = both(name)
    with pytest.raises(UserError, match=sentence):
        attributed(loaded, base, Target(17, 5), work)


@pytest.mark.parametrize(
    ("name", "option", "sentence"),
    [
        ("gemma2", {"final_logit_softcapping": 1.0}, "soft cap"),
        ("granite", {"residual_multiplier": 0.5}, "layer 0 does not add its sublayers"),
        ("opt", {"do_layer_norm_before": False}, "no norm leads from the last layer"),
    ],
)
def test_options_that_make_no_sum_are_refused(
    name: str, option: dict[str, Any], sentence: str, work: Any
) -> None:
    model, config, options = families.FAMILIES[name]
    loaded = families.load(model, config, {**options, **option})
    base = run.trace(loaded, families.prompt(loaded), 1)
    with pytest.raises(UserError, match=sentence):
        attributed(loaded, base, Target(17, 5), work)


def test_a_logit_in_proportion_to_what_the_head_gives_is_a_sum(work: Any) -> None:
    model, config, options = families.FAMILIES["granite"]
    loaded = families.load(model, config, {**options, "logits_scaling": 3.0})
    base = run.trace(loaded, families.prompt(loaded), 1)
    heads, rest, y = attributed(loaded, base, Target(17, 5), work)
    assert heads.sum() + rest.sum() == pytest.approx(float(y[0]), abs=1e-4)
    assert abs(y[0]) > 1e-2


def test_parts_that_do_not_add_up_are_refused(work: Any) -> None:
    """What is changed between two layers is no layer's part."""
    loaded, _, base = both("llama")
    loaded.model.model.layers[1].register_forward_pre_hook(lambda _, args: (2 * args[0], *args[1:]))
    base = run.trace(loaded, base.encoded, 1)
    with pytest.raises(UserError, match="parts do not add up"):
        attributed(loaded, base, Target(17, 5), work)
