"""Words swapped: against eager attention of both texts, token beside token, by loops."""

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from attntui.core.errors import UserError
from attntui.core.protocol import Edits, GetOrder, Head, ModelOptions, PromptInput, Stack
from attntui.core.word_order import WordOrder, neighbours
from attntui.demo import MODELS
from attntui.engine import devices, encoding, loading, room, run
from attntui.engine.answers import answer
from attntui.engine.edits import changes
from attntui.engine.run import Run
from tests.engine import families

Load = Callable[[str], Any]
# Kind, stack, text, the word swapped with the next, the text then. The first pair of each has other
# numbers of tokens.
CASES: list[tuple[str, Stack, str, int, str]] = [
    ("gpt2", "self", "When Mary opened a garden door", 3, "When Mary opened garden a door"),
    ("gpt2", "self", "When Mary opened a garden door", 1, "When opened Mary a garden door"),
    ("bert", "self", "The boy opened a garden, playing", 3, "The boy a opened garden, playing"),
    ("t5", "encoder", "When Mary opened a garden door", 3, "When Mary opened garden a door"),
    ("t5", "cross", "When Mary opened a garden door", 3, "When Mary opened garden a door"),
]


def traced(loaded: Any, prompt: PromptInput) -> Run:
    return run.trace(loaded, encoding.encode(loaded, prompt), 1)


def lively(loaded: Any) -> Any:
    """The same model with larger weights: as initialised, its attention is nearly uniform."""
    model = copy.deepcopy(loaded.model)
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return dataclasses.replace(loaded, model=model)


def names(loaded: Any, text: str) -> list[str]:
    """Each token by its word and its number in it; no word of these texts comes twice."""
    batch = loaded.tokenizer(text, return_offsets_mapping=True)
    spaced = text.replace(",", " ,").split()
    found: list[str] = []
    for number, (start, end) in zip(batch["input_ids"], batch["offset_mapping"], strict=True):
        before = len(text[:end].replace(",", " ,").split())
        found.append(spaced[before - 1] if end > start else f"#{number}")
    return [f"{name}/{found[:at].count(name)}" for at, name in enumerate(found)]


def bits(p: np.ndarray, q: np.ndarray) -> float:
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(sum(np.nansum(each * np.log2(each / middle)) for each in (p, q)) / 2)


def expected(
    a: np.ndarray, b: np.ndarray, ours: list[str], theirs: list[str], moves: bool
) -> list[float]:
    """The three sums of one head; `moves`: queries are the swapped text's as well."""
    to = [theirs.index(name) for name in ours]
    pair = [at for at, place in enumerate(to) if at != place]
    first, last = min(pair), max(pair)
    pair = list(range(first, last + 1))
    sums = [0.0, 0.0, 0.0]
    for query in range(len(a)):
        inside = moves and query in pair
        count = 1.0 if inside else (a[query, pair].sum() + b[query, pair].sum()) / 2
        row = b[to[query] if moves else query]
        sums[0] += count * bits(a[query], row[to])
        sums[1] += count * bits(a[query], b[query])
        sums[2] += count
    return sums


@pytest.mark.parametrize(("kind", "stack", "text", "word", "swapped"), CASES)
def test_sums_are_those_of_two_eager_runs(
    kind: str,
    stack: Stack,
    text: str,
    word: int,
    swapped: str,
    load: Load,
    work: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = lively(load(kind))
    decoder = "Mary opened" if stack == "cross" else None
    prompt = PromptInput(text=text, decoder_text=decoder)
    found = traced(loaded, prompt)
    _, (sums, count) = answer(loaded, found, GetOrder(1, stack, word), work)
    assert count == 1 and sums.dtype == np.float32
    ours, theirs = (
        families.eager_attentions(
            families.eager_outputs(loaded, encoding.encode(loaded, replace(prompt, text=each)))
        )[stack]
        for each in (text, swapped)
    )
    tokens = names(loaded, text), names(loaded, swapped)
    assert sorted(tokens[0]) == sorted(tokens[1]) and len(set(tokens[0])) == len(tokens[0])
    for layer, head in np.ndindex(sums.shape[1:]):
        pair = ours[layer][head].numpy(), theirs[layer][head].numpy()
        wanted = expected(*map(np.float64, pair), *tokens, stack != "cross")  # type: ignore[arg-type]
        np.testing.assert_allclose(sums[:, layer, head], wanted, atol=1e-4, rtol=1e-4)
    assert np.abs(sums[0] - sums[1]).max() > 0.1
    monkeypatch.setattr("attntui.engine.order.tiles", one_by_one)
    _, (tiled, _) = answer(loaded, found, GetOrder(1, stack, word), work)
    np.testing.assert_allclose(tiled, sums, atol=1e-5)


def one_by_one(layer: Any, heads: int) -> Any:
    """Tiles of one row each."""
    return ((row, row + 1) for row in range(layer.queries))


def test_words_that_become_other_tokens_are_left_out(load: Load, work: Any) -> None:
    loaded = load("gpt2")
    text = "When Mary went to the store, John gave a drink to Mary."
    side = traced(loaded, PromptInput(text=text)).encoded.sides[0]
    words = [each.text for each in side.words]
    assert [words[at] for at in neighbours(side)] == words[:5] + words[7:12]
    order = WordOrder()
    run_ = traced(loaded, PromptInput(text="When Mary went"))
    for word in (0, 1):
        order.add(answer(loaded, run_, GetOrder(1, "self", word), work)[1])
    tokens = [
        len(loaded.tokenizer(each)["input_ids"]) for each in (" When", "When", " Mary", "Mary")
    ]
    assert tokens[0] != tokens[1] or tokens[2] != tokens[3], "else nothing is left out"
    assert (order.pairs, order.left_out) == (1, 1)


def test_demo_has_a_head_of_order_and_heads_of_words(work: Any) -> None:
    options = ModelOptions(model="demo", device="cpu")
    loaded, _ = loading.load(loading.prepare(options, work), work)
    found = traced(loaded, PromptInput(text=MODELS["demo"].prompt))
    order = WordOrder()
    for word in neighbours(found.encoded.sides[0]):
        order.add(answer(loaded, found, GetOrder(1, "self", word), work)[1])
    assert order.by_words is not None and order.by_position is not None
    difference = order.by_words - order.by_position
    assert divmod(int(np.nanargmax(difference)), 4) == (0, 2), "it looks at the token before"
    assert difference[0, 2] > 0.7
    assert (difference[1] < -0.1).all(), "heads of induction look for a word"


def test_a_head_that_is_off_stays_off(load: Load, work: Any) -> None:
    loaded = lively(load("gpt2"))
    edits = Edits((Head("self", 0, 0), Head("self", 0, 1)))
    runs = []
    for text in ("When Mary opened a garden door", "When Mary opened garden a door"):
        base = traced(loaded, PromptInput(text=text))
        runs.append(run.trace(loaded, base.encoded, 2, changes=changes(base, edits)))
    _, (sums, _) = answer(loaded, runs[0], GetOrder(2, "self", 3), work)
    tokens = names(loaded, text.replace("garden a", "a garden")), names(loaded, text)
    for head in range(4):
        a, b = (each.rows(Head("self", 1, head), 0, len(tokens[0])) for each in runs)
        wanted = expected(np.float64(a), np.float64(b), *tokens, True)
        np.testing.assert_allclose(sums[:, 1, head], wanted, atol=1e-4)


def test_what_cannot_be_swapped_is_said(load: Load, work: Any) -> None:
    t5 = load("t5")
    found = traced(t5, PromptInput(text="a door", decoder_text="a"))
    with pytest.raises(UserError, match="not the decoder's"):
        answer(t5, found, GetOrder(1, "decoder", 0), work)
    with pytest.raises(UserError, match="no word 9"):
        answer(t5, found, GetOrder(1, "encoder", 9), work)


def test_a_swap_that_has_no_room_to_run_whole_is_refused(
    work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ModelOptions(model="demo", device="cpu")
    loaded, _ = loading.load(loading.prepare(options, work), work)
    found = traced(loaded, PromptInput(text=MODELS["demo"].prompt))
    found = dataclasses.replace(found, plan=room.Plan(in_chunks=True))
    monkeypatch.setattr(devices, "available", lambda: 0)
    with pytest.raises(UserError, match="shorten it"):
        answer(loaded, found, GetOrder(1, "self", neighbours(found.encoded.sides[0])[0]), work)
