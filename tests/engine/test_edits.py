"""Heads switched off and edges cut: against eager models with zeroed columns, and hooks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attntui.core.errors import UserError
from attntui.core.protocol import Cut, Edits, Head, Stack
from attntui.engine import run
from attntui.engine.edits import changes
from attntui.engine.run import Run
from tests.engine import families

PROJECTIONS: dict[tuple[str, Stack], str] = {
    ("gpt2", "self"): "transformer.h.{}.attn.c_proj",
    ("llama", "self"): "model.layers.{}.self_attn.o_proj",
    ("qwen3", "self"): "model.layers.{}.self_attn.o_proj",
    ("gemma2", "self"): "model.layers.{}.self_attn.o_proj",
    ("gpt_oss", "self"): "model.layers.{}.self_attn.o_proj",
    ("bert", "self"): "bert.encoder.layer.{}.attention.output.dense",
    ("t5", "encoder"): "encoder.block.{}.layer.0.SelfAttention.o",
    ("t5", "decoder"): "decoder.block.{}.layer.0.SelfAttention.o",
    ("t5", "cross"): "decoder.block.{}.layer.1.EncDecAttention.o",
    ("bart", "cross"): "model.decoder.layers.{}.encoder_attn.out_proj",
}
"""The output projection of a layer, whose input holds the heads one after the other."""
CALLS: dict[Stack, Callable[[int], int]] = {
    "self": lambda layer: layer,
    "encoder": lambda layer: layer,
    "decoder": lambda layer: 2 + 2 * layer,
    "cross": lambda layer: 3 + 2 * layer,
}
"""Which softmax of a forward is a layer's: an encoder of two layers comes first."""
CASES = list(PROJECTIONS)


def heads_of(stack: Stack) -> tuple[Head, ...]:
    """Two heads of one layer, in no order, and one of the next."""
    return Head(stack, 0, 3), Head(stack, 0, 1), Head(stack, 1, 2)


def both(name: str) -> tuple[Any, Any, Run]:
    loaded = families.build(name)
    prompt = families.prompt(loaded)
    return loaded, prompt, run.trace(loaded, prompt, 1)


def edited(loaded: Any, base: Run, edits: Edits) -> Run:
    return run.trace(loaded, base.encoded, 2, changes=changes(base, edits))


def agree(found: Run, outputs: Any) -> None:
    """Every weight of every layer, and the logits."""
    for stack, layers in families.eager_attentions(outputs).items():
        tower = found.views.tower(stack)  # type: ignore[arg-type]
        for layer, expected in zip(tower.present, layers, strict=True):
            assert (layer.rows(0, layer.queries) - expected).abs().max() < 1e-5
    assert found.logits is not None
    assert (found.logits - outputs.logits[0]).abs().max() < 1e-4


def sizes(found: Run, head: Head) -> tuple[int, int]:
    """The slice of a head in the projection's input."""
    size = found.views.layer(head.stack, head.layer).call.value.shape[-1]  # type: ignore[attr-defined]
    return head.head * size, (head.head + 1) * size


def projection(model: nn.Module, case: tuple[str, Stack], layer: int) -> nn.Module:
    return model.get_submodule(PROJECTIONS[case].format(layer))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_head_off_is_its_columns_of_the_projection_zeroed(case: tuple[str, Stack]) -> None:
    name, stack = case
    loaded, prompt, base = both(name)
    found = edited(loaded, base, Edits(heads_of(stack)))
    plain = families.eager_outputs(loaded, prompt)
    for head in heads_of(stack):
        weight = projection(loaded.model, case, head.layer).weight
        columns = weight if name == "gpt2" else weight.T  # GPT-2's is (in, out)
        columns[slice(*sizes(base, head))] = 0
    expected = families.eager_outputs(loaded, prompt)
    agree(found, expected)
    assert (expected.logits - plain.logits).abs().max() > 1e-2


@contextmanager
def replaced(module: nn.Module, change: Callable[[Tensor], None]) -> Iterator[None]:
    """Change what goes into a module."""

    def before(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        inputs = arguments[0].clone()
        change(inputs)
        return inputs, *arguments[1:]

    handle = module.register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_head_at_its_mean_gives_the_mean_of_the_run_before(case: tuple[str, Stack]) -> None:
    name, stack = case
    loaded, prompt, base = both(name)
    found = edited(loaded, base, Edits(heads_of(stack), "mean"))
    seen: dict[int, Tensor] = {}
    for layer in (0, 1):
        module = projection(loaded.model, case, layer)
        with replaced(module, lambda x, layer=layer: seen.update({layer: x.clone()})):  # type: ignore[misc]
            families.eager_outputs(loaded, prompt)

    def change(layer: int) -> Callable[[Tensor], None]:
        def put(inputs: Tensor) -> None:
            for head in (head for head in heads_of(stack) if head.layer == layer):
                part = slice(*sizes(base, head))
                inputs[..., part] = seen[layer][..., part].mean(1, keepdim=True)

        return put

    modules = [projection(loaded.model, case, layer) for layer in (0, 1)]
    with replaced(modules[0], change(0)), replaced(modules[1], change(1)):
        agree(found, families.eager_outputs(loaded, prompt))


@contextmanager
def cut_before_softmax(cells: dict[int, list[tuple[Any, int, int]]]) -> Iterator[None]:
    """The scores of (head, query, key) of the nth softmax of a forward become -inf."""
    softmax, count = torch.nn.functional.softmax, 0

    def cutting(scores: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        nonlocal count
        if scores.ndim == 4:
            scores = scores.clone()
            for head, query, key in cells.get(count, ()):
                scores[0, head, query, key] = -torch.inf
            count += 1
        return softmax(scores, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "softmax", cutting)
        yield


CUT_CASES = [case for case in CASES if case[0] not in {"qwen3", "bart"}]


@pytest.mark.parametrize("case", CUT_CASES, ids=str)
def test_a_cut_edge_is_minus_infinity_before_the_softmax(case: tuple[str, Stack]) -> None:
    name, stack = case
    loaded, prompt, base = both(name)
    edits = Edits(
        cuts=(
            Cut(stack, 9, 4, 0, 0, head=0),
            Cut(stack, 20, 15, 0, 1),
            Cut(stack, 20, 16, 1, 1, head=2),
        )
    )
    cells = {
        CALLS[stack](0): [(0, 9, 4), (slice(None), 20, 15)],
        CALLS[stack](1): [(slice(None), 20, 15), (2, 20, 16)],
    }
    found = edited(loaded, base, edits)
    with cut_before_softmax(cells):
        expected = families.eager_outputs(loaded, prompt)
    agree(found, expected)
    plain = families.eager_outputs(loaded, prompt)
    assert (expected.logits - plain.logits).abs().max() > 1e-3
    layer = found.views.layer(stack, 0)
    assert layer.rows(9, 10)[0, 0, 4] == 0 and layer.rows(9, 10)[1, 0, 4] > 0
    assert float(layer.rows(0, layer.queries).sum(-1).min()) > 0.99 or layer.learned_sink


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "t5"])
def test_nothing_changed_changes_nothing(name: str) -> None:
    loaded, _, base = both(name)
    again = edited(loaded, base, Edits())
    assert base.logits is not None and again.logits is not None
    assert torch.equal(again.logits, base.logits)
    for tower, other in zip(base.towers, again.towers, strict=True):
        for layer, same in zip(tower.present, other.present, strict=True):
            assert torch.equal(layer.rows(0, layer.queries), same.rows(0, same.queries))


def test_an_ablation_and_a_cut_in_one_layer() -> None:
    case: tuple[str, Stack] = ("llama", "self")
    loaded, prompt, base = both("llama")
    edits = Edits((Head("self", 1, 2),), cuts=(Cut("self", 9, 4, 0, 2),))
    found = edited(loaded, base, edits)
    columns = projection(loaded.model, case, 1).weight.T
    columns[slice(*sizes(base, Head("self", 1, 2)))] = 0
    everywhere = {layer: [(slice(None), 9, 4)] for layer in range(3)}
    with cut_before_softmax(everywhere):
        agree(found, families.eager_outputs(loaded, prompt))
    assert found.trust.output_error is not None and found.trust.output_error < 1e-5


@pytest.mark.parametrize(
    ("edits", "sentence"),
    [
        (Edits((Head("self", 9, 0),)), "there is no layer 9"),
        (Edits((Head("self", 0, 4),)), "there is no head 4: heads are 0 to 3"),
        (Edits((Head("cross", 0, 0),)), "no cross attention here, only self"),
        (Edits(cuts=(Cut("self", 40, 0, 0, 0),)), "no cell 40, 0 in 40 x 40"),
        (Edits(cuts=(Cut("self", 4, 9, 0, 1),)), "query 4 cannot see key 9"),
        (Edits(cuts=(Cut("self", 0, 0, 0, 1),)), "query 0 can see key 0 only"),
        (Edits(cuts=(Cut("self", 9, 4, 1, 0),)), "there is no layers 1 to 0"),
        (Edits(cuts=(Cut("self", 9, 4, 0, 7),)), "there is no layers 0 to 7"),
        (Edits(cuts=(Cut("self", 9, 4, 0, 0, 7),)), "there is no head 7 in layer 0"),
    ],
)
def test_what_cannot_be_edited_is_named(edits: Edits, sentence: str) -> None:
    _, _, base = both("llama")
    with pytest.raises(UserError, match=sentence):
        changes(base, edits)


def test_a_model_read_eagerly_cannot_be_edited() -> None:
    _, _, base = both("bloom")
    with pytest.raises(UserError, match="read from its own eager code"):
        changes(base, Edits((Head("self", 0, 0),)))
