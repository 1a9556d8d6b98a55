"""A prompt in chunks of its tokens, against one forward over all of it."""

import pytest
import torch

from attntui.engine import chunks, room, run
from attntui.engine.capture import Recording
from attntui.engine.chunks import chunked, has_chunks
from attntui.engine.forward import forward, held_bytes
from attntui.engine.layers import RecordedLayer
from tests.engine import families

SUITED = ["gpt2", "llama", "mistral", "qwen2", "gemma2", "gemma3", "gpt_oss", "deepseek_v3"]
UNSUITED = ["bert", "t5", "bart", "jamba", "falcon", "qwen3_next"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows are 8 tokens in these models: a chunk of 13 begins in the middle of one."""
    monkeypatch.setattr(chunks, "LONG", 20)
    monkeypatch.setattr(chunks, "TRIED", 20)


@pytest.mark.parametrize("name", SUITED)
def test_chunks_give_what_one_forward_gives(name: str) -> None:
    loaded = families.build(name)
    prompt = families.prompt(loaded)
    loaded.stacks = tuple(tower.info for tower in forward(loaded, prompt)[0])
    assert has_chunks(loaded, prompt)
    (whole,), outputs = forward(loaded, prompt)
    (found,), parts = chunked(loaded, prompt, rows=13)
    torch.testing.assert_close(parts.logits, outputs.logits, atol=2e-5, rtol=1e-5)
    assert found.info == whole.info
    for layer, other in zip(whole.present, found.present, strict=True):
        assert isinstance(layer, RecordedLayer) and isinstance(other, RecordedLayer)
        n = layer.queries
        torch.testing.assert_close(other.rows(0, n), layer.rows(0, n), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(other.allowed(0, n), layer.allowed(0, n))
        assert other.call.checked == layer.call.checked
        torch.testing.assert_close(other.call.output, layer.call.output, atol=2e-5, rtol=1e-5)
        assert (other.call.name, other.call.index) == (layer.call.name, layer.call.index)


@pytest.mark.parametrize("name", UNSUITED)
def test_what_would_not_be_the_same_runs_whole(name: str) -> None:
    loaded = families.build(name)
    prompt = families.prompt(loaded)
    loaded.stacks = tuple(tower.info for tower in forward(loaded, prompt)[0])
    assert not has_chunks(loaded, prompt)


def test_a_model_whose_chunks_differ_runs_whole() -> None:
    """As one would whose positions do not go on from the cache."""
    loaded = families.build("llama")
    prompt = families.prompt(loaded)
    loaded.stacks = tuple(tower.info for tower in forward(loaded, prompt)[0])
    rotary = loaded.model.model.rotary_emb
    plain = rotary.forward
    rotary.forward = lambda x, position_ids: plain(x, position_ids - position_ids.min())
    assert not has_chunks(loaded, prompt)


@pytest.mark.parametrize("name", ["gpt2", "mistral"])
def test_layers_that_are_recorded_are_the_same_and_others_leave_nothing(name: str) -> None:
    loaded = families.build(name)
    prompt = families.prompt(loaded)
    what = Recording(frozenset({1}), frozenset({1}))
    (whole,), _ = forward(loaded, prompt, what=what)
    (found,), _ = chunked(loaded, prompt, what=what, rows=13)
    assert found.info == whole.info
    (layer,), (other,) = whole.present, found.present
    torch.testing.assert_close(
        other.rows(0, other.queries), layer.rows(0, layer.queries), atol=1e-6, rtol=1e-5
    )
    assert held_bytes((found,)) == held_bytes((whole,))


def test_nothing_is_kept_twice_and_progress_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ROWS", 10)
    loaded = families.build("llama")
    prompt = families.prompt(loaded)
    loaded.stacks = tuple(tower.info for tower in forward(loaded, prompt)[0])
    told: list[tuple[int, int]] = []
    found = run.trace(
        loaded,
        prompt,
        1,
        plan=room.Plan(in_chunks=True),
        progress=lambda _, done, total: told.append((done, total)),
    )
    at_once = run.trace(loaded, prompt, 2)
    assert found.recorded_bytes == at_once.recorded_bytes
    layers = len(found.views.tower("self").layers)
    chunked_ = [pair for pair in told if pair[1] == 4 * layers]
    assert chunked_ == [(done, 4 * layers) for done in range(4 * layers)]
