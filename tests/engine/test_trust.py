"""Trust is lost when, and only when, something is wrong."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AttentionMaskInterface

from attntui.engine import capture, masks, run, trust
from attntui.engine.layers import RecordedLayer
from attntui.engine.model import LoadedModel
from attntui.engine.stacks import Tower
from tests.engine import families


def checked(name: str) -> LoadedModel:
    """A model whose check at load has been run."""
    loaded = families.build(name)
    loaded.self_check, loaded.stacks = trust.self_check(loaded, families.prompt(loaded, 12))
    return loaded


def test_a_sound_capture_is_exact() -> None:
    loaded = checked("llama")
    found = run.trace(loaded, families.prompt(loaded), 1).trust
    assert found.exact and found.why == "" and found.leak == 0
    assert found.self_check is not None and found.self_check <= 1e-6
    assert found.output_error is not None and 0 < found.output_error <= 1e-6
    assert found.row_sum_error <= 1e-6 and found.rows_checked == 9


def test_wrong_scaling_is_found_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = capture.attention

    def broken(*arguments: Any, scaling: float | None = None, **rest: Any) -> Any:
        return sound(*arguments, scaling=(scaling or 1) * 1.01, **rest)

    monkeypatch.setitem(capture.AttentionInterface._global_mapping, capture.NAME, broken)
    loaded = checked("llama")
    found = run.trace(loaded, families.prompt(loaded), 1).trust
    assert not found.exact and "at load" in found.why
    assert found.self_check is not None and found.self_check > 1e-4


def test_a_lost_window_is_found_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens where the mask function is not registered: windows vanish."""

    def without_window(**arguments: Any) -> masks.RuleMask:
        return replace(masks.lazy_mask(**arguments), plain="causal")

    monkeypatch.setitem(AttentionMaskInterface._global_mapping, capture.NAME, without_window)
    loaded = checked("mistral")
    found = run.trace(loaded, families.prompt(loaded), 1).trust
    assert not found.exact and "at load" in found.why and found.leak == 0


def test_a_wrong_recomputation_is_found_in_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = checked("gpt2")
    sound = RecordedLayer._products
    monkeypatch.setattr(RecordedLayer, "_products", lambda *args: sound(*args) * 1.001)
    found = run.trace(loaded, families.prompt(loaded), 1).trust
    assert loaded.self_check == 0
    assert not found.exact and "kernel's output" in found.why
    assert found.output_error is not None and found.output_error > 1e-5


def test_a_wrong_kernel_is_found_in_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = checked("gpt2")
    sound = capture.attend
    monkeypatch.setattr(capture, "attend", lambda call: sound(call) * 1.001)
    found = run.trace(loaded, families.prompt(loaded), 1).trust
    assert not found.exact and found.self_check == 0


def test_attention_to_the_future_is_seen() -> None:
    """One layer's mask is lost; the other layers still say that the stack is causal."""
    loaded = checked("llama")
    (tower,) = run.trace(loaded, families.prompt(loaded), 1).towers
    layer = tower.present[1]
    assert isinstance(layer, RecordedLayer)
    layer.call.mask = masks.as_mask(None, layer.queries, layer.keys, torch.device("cpu"))
    layer.causal = False
    found = trust.check(loaded, (tower,))
    assert found.leak is not None and found.leak > 0.01 and not found.exact


def test_a_learned_sink_is_no_error() -> None:
    loaded = checked("gpt_oss")
    traced = run.trace(loaded, families.prompt(loaded), 1)
    rows = traced.towers[0].present[0].rows(0, 40)
    assert float(rows.sum(-1).min()) < 0.9
    assert traced.trust.exact and traced.trust.row_sum_error < 1e-5
    assert traced.stacks[0].learned_sink


def test_a_bidirectional_model_has_no_leak_to_measure() -> None:
    loaded = checked("bert")
    found = run.trace(loaded, families.prompt(loaded), 1).trust
    assert found.exact and found.leak is None


def test_without_a_check_at_load_nothing_is_called_exact() -> None:
    loaded = families.build("llama")
    found = run.trace(loaded, families.prompt(loaded), 1).trust
    assert not found.exact and "not compared" in found.why


def test_nan_never_passes() -> None:
    loaded = checked("llama")
    layer = loaded.model.model.layers[1].self_attn.v_proj
    layer.weight[0, 0] = math.nan
    found = run.trace(loaded, families.prompt(loaded), 1).trust
    assert not found.exact
    assert found.output_error is not None and math.isnan(found.output_error)


def test_other_layers_than_eager_are_no_match() -> None:
    loaded = families.build("llama")
    (tower,) = run.trace(loaded, families.prompt(loaded), 1).towers
    fewer = Tower("self", tower.layers[:2])
    assert trust._difference((fewer,), (tower,)) == math.inf
    loaded.self_check = math.inf
    assert "same layers" in trust.check(loaded, (tower,)).why
