"""A prompt in chunks of its tokens, against one forward over all of it."""

import pytest
import torch

from attntui.engine import chunks, run
from attntui.engine.chunks import chunked, in_chunks
from attntui.engine.forward import forward
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
    assert in_chunks(loaded, prompt, None)
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
    assert not in_chunks(loaded, prompt, None)


def test_a_model_whose_chunks_differ_runs_whole() -> None:
    """As one would whose positions do not go on from the cache."""
    loaded = families.build("llama")
    prompt = families.prompt(loaded)
    loaded.stacks = tuple(tower.info for tower in forward(loaded, prompt)[0])
    rotary = loaded.model.model.rotary_emb
    plain = rotary.forward
    rotary.forward = lambda x, position_ids: plain(x, position_ids - position_ids.min())
    assert not in_chunks(loaded, prompt, None)


def test_nothing_is_kept_twice_and_progress_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ROWS", 10)
    loaded = families.build("llama")
    prompt = families.prompt(loaded)
    loaded.stacks = tuple(tower.info for tower in forward(loaded, prompt)[0])
    told: list[tuple[int, int]] = []
    found = run.trace(loaded, prompt, 1, progress=lambda _, done, total: told.append((done, total)))
    at_once = run.trace(loaded, prompt, 2, changes={99: None})  # type: ignore[dict-item]
    assert found.recorded_bytes == at_once.recorded_bytes
    layers = len(found.views.tower("self").layers)
    chunked_ = [pair for pair in told if pair[1] == 4 * layers]
    assert chunked_ == [(done, 4 * layers) for done in range(4 * layers)]
