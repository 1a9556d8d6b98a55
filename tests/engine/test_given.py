"""A file of attention in a model's place: the same numbers out as were put in, or a sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from attntui.core.errors import UserError
from attntui.core.protocol import (
    GetPredictions,
    GetStatistics,
    GetTop,
    Head,
    Load,
    Mean,
    ModelOptions,
    Open,
    PromptInput,
    Rollout,
    Top,
    Trace,
    Traced,
)
from tests.engine.conftest import Quiet
from tests.engine.given_files import TOKENS, A, Opened, weights


def test_every_head_is_what_the_file_holds(saved: Callable[..., Path]) -> None:
    opened = Opened(saved(attention=A, tokens=TOKENS))
    for layer, head in np.ndindex(3, 2):
        assert np.array_equal(opened.matrix(Head("self", layer, head)), A[layer, head])
    assert opened.matrix(Mean("self", 1)) == pytest.approx(A[1].mean(0), abs=1e-6)
    assert opened.matrix(Mean("self")) == pytest.approx(A.mean((0, 1)), abs=1e-6)
    step = (A.mean(1) + np.eye(5)) / 2
    assert opened.matrix(Rollout("self")) == pytest.approx(step[2] @ step[1] @ step[0], abs=1e-6)


def test_it_says_that_nothing_was_compared(saved: Callable[..., Path]) -> None:
    opened = Opened(saved(attention=A, tokens=TOKENS))
    trust = opened.run.trust
    assert (trust.exact, trust.self_check, trust.output_error) == (False, None, None)
    assert trust.why == "Read from a file; nothing was compared."
    assert trust.rows_checked == 15
    assert trust.row_sum_error < 1e-6
    assert trust.leak is None
    assert opened.model.capture == "given"
    assert opened.model.name == "given.npz"
    assert opened.model.predicts is None


def test_row_sums_and_leaks_are_measured(saved: Callable[..., Path]) -> None:
    causal = weights(3, 2, 5, 5, causal=True)
    causal[2, 1, 2] = [0.2, 0.2, 0.2, 0.3, 0.0]  # sums to 0.9, looks at the next token
    trust = Opened(saved(attention=causal, tokens=TOKENS)).run.trust
    assert trust.row_sum_error == pytest.approx(0.1, abs=1e-6)
    assert trust.leak == pytest.approx(0.3)


def test_only_whole_rows_are_checked(saved: Callable[..., Path]) -> None:
    """As attntui writes them with --between: what one sentence gives the other."""
    part = np.full_like(A, np.nan)
    part[..., :3, 3:] = A[..., :3, 3:]
    meta = json.dumps({"attntui": "0", "model": "m", "between": "A-B", "sinks": "hide"})
    saved_part = saved(attention=part, tokens=TOKENS, sentence_b_start=[3], meta=meta)
    opened = Opened(saved_part)
    assert (opened.run.trust.rows_checked, opened.run.trust.row_sum_error) == (0, 0)
    assert opened.model.notes[1:3] == (
        "The file holds A→B only: all else between the sentences is not in it.",
        "The file holds no weights on special tokens and attention sinks.",
    )
    part[0, :, 4] = A[0, :, 4] / 2
    trust = Opened(saved(attention=part, tokens=TOKENS)).run.trust
    assert trust.rows_checked == 1 and trust.row_sum_error == pytest.approx(0.5, abs=1e-6)


def test_tokens_keep_their_text_and_equal_texts_are_equal_tokens(
    saved: Callable[..., Path],
) -> None:
    opened = Opened(saved(attention=A, tokens=TOKENS, sentence_b_start=3))
    tokens = opened.run.sides[0].tokens
    assert [token.text for token in tokens] == TOKENS
    assert tokens[1].id == tokens[3].id and len({token.id for token in tokens}) == 4
    assert [token.part for token in tokens] == [0, 0, 0, 1, 1]
    assert [(word.first, word.last) for word in opened.run.sides[0].words] == [
        (at, at) for at in range(5)
    ]
    numbered = Opened(saved(attention=A, tokens=TOKENS, token_ids=[7, 8, 9, 8, 6]))
    assert [token.id for token in numbered.run.sides[0].tokens] == [7, 8, 9, 8, 6]


def test_a_part_of_the_heads_keeps_its_numbers(saved: Callable[..., Path]) -> None:
    opened = Opened(saved(attention=A[:2], tokens=TOKENS, layers=[3, 5], heads=[1, 2]))
    layers = opened.run.stacks[0].layers
    assert [(info.kind, info.heads) for info in layers] == [
        *[("none", 0)] * 3,
        ("full", 3),
        ("none", 0),
        ("full", 3),
    ]
    assert np.array_equal(opened.matrix(Head("self", 5, 2)), A[1, 1])
    assert opened.model.opens_at == (3, 1)
    assert np.isnan(opened.matrix(Head("self", 3, 0))).all()
    assert np.isnan(opened.matrix(Mean("self", 3))).all()
    assert "holds layers 3, 5 only" in opened.model.notes[0]
    assert "holds heads 1, 2 only" in opened.model.notes[1]
    assert opened.run.trust.row_sum_error < 1e-6
    with pytest.raises(UserError, match="layer 4 has no attention"):
        opened.matrix(Head("self", 4, 1))


def test_a_part_of_a_causal_model_is_causal(saved: Callable[..., Path]) -> None:
    causal = weights(3, 2, 5, 5, causal=True)
    opened = Opened(saved(attention=causal, tokens=TOKENS, heads=[0, 2]))
    assert opened.run.stacks[0].causal
    assert opened.run.trust.leak == 0


def test_a_missing_head_has_no_statistic_and_no_largest(saved: Callable[..., Path]) -> None:
    opened = Opened(saved(attention=A, tokens=TOKENS, heads=[0, 2]))
    _, (scores,) = opened.session.answer(GetStatistics(1, "self"), Quiet())
    assert np.isnan(scores[:, :, 1]).all()
    previous = np.einsum("lhii->lh", A[:, :, 1:, :-1]) / 4
    assert scores[3][:, [0, 2]] == pytest.approx(previous, abs=1e-6)
    top, _ = opened.session.answer(GetTop(1, Head("self", 0, 1), (4,), "attends_to", 3), Quiet())
    assert isinstance(top, Top) and not top.entries


def test_encoder_decoder_and_cross(saved: Callable[..., Path]) -> None:
    given = {
        "encoder_attention": weights(3, 2, 6, 6),
        "decoder_attention": weights(2, 4, 4, 4, causal=True),
        "cross_attention": weights(2, 4, 4, 6),
    }
    texts = {"encoder_tokens": list("abcdef"), "decoder_tokens": list("wxyz")}
    opened = Opened(saved(**given, **texts))
    assert [stack.name for stack in opened.run.stacks] == ["encoder", "decoder", "cross"]
    assert [stack.causal for stack in opened.run.stacks] == [False, True, False]
    for name in ("encoder", "decoder", "cross"):
        found = opened.matrix(Head(name, 1, 1))  # type: ignore[arg-type]
        assert np.array_equal(found, given[f"{name}_attention"][1, 1])


def test_other_keys(saved: Callable[..., Path]) -> None:
    cross = weights(2, 2, 5, 3)
    opened = Opened(saved(attention=cross, tokens=TOKENS, key_tokens=list("abc")))
    assert np.array_equal(opened.matrix(Head("cross", 1, 0)), cross[1, 0])


def test_what_export_says_of_itself(saved: Callable[..., Path]) -> None:
    meta = {
        "attntui": "0.1.0",
        "model": "de\x1b[31mmo",
        "attention": "decoder",
        "learned_sink": True,
        "trust": {"exact": True},
    }
    opened = Opened(saved(attention=A * np.float32(0.5), tokens=TOKENS, meta=json.dumps(meta)))
    assert opened.model.notes == ("attntui wrote this of de␛[31mmo, exact.",)
    stack = opened.run.stacks[0]
    assert (stack.name, stack.queries, stack.learned_sink) == ("decoder", "decoder", True)
    assert opened.run.trust.row_sum_error < 1e-6  # the sink has the other half
    asked = GetTop(1, Head("decoder", 0, 0), (2,), "attends_to", 9)
    top, _ = opened.session.answer(asked, Quiet())
    assert isinstance(top, Top)
    assert top.sink == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("meta", ["{", "[1]", '{"attention": ["x"], "trust": 1, "model": 2}'])
def test_a_broken_meta_is_ignored(saved: Callable[..., Path], meta: str) -> None:
    opened = Opened(saved(attention=A, tokens=TOKENS, meta=meta))
    assert opened.run.stacks[0].name == "self"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_safetensors_of_every_float(tmp_path: Path, dtype: torch.dtype) -> None:
    stored = torch.from_numpy(A).to(dtype)
    path = tmp_path / "given.safetensors"
    save_file({"attention": stored}, path, {"tokens": json.dumps(TOKENS)})
    opened = Opened(path)
    assert opened.model.dtype == str(dtype).removeprefix("torch.")
    for layer, head in np.ndindex(3, 2):
        expected = stored[layer, head].float().numpy()
        assert np.array_equal(opened.matrix(Head("self", layer, head)), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64, bool])
def test_npz_of_every_number(saved: Callable[..., Path], dtype: type) -> None:
    planted = np.eye(5)[None, None].astype(dtype)
    opened = Opened(saved(attention=planted, tokens=np.array(TOKENS, dtype="S")))
    assert np.array_equal(opened.matrix(Head("self", 0, 0)), np.eye(5))
    assert [token.text for token in opened.run.sides[0].tokens] == TOKENS


def test_half_a_character_can_still_be_sent(saved: Callable[..., Path]) -> None:
    opened = Opened(saved(attention=A, tokens=["\ud83d", *TOKENS[1:]]))
    opened.run.sides[0].tokens[0].text.encode()


def test_a_wrong_file_leaves_what_was_open(saved: Callable[..., Path]) -> None:
    opened = Opened(saved(attention=A, tokens=TOKENS))
    with pytest.raises(UserError):
        opened.session.answer(Open("none.npz"), Quiet())
    assert np.array_equal(opened.matrix(Head("self", 0, 0)), A[0, 0])


def test_there_is_no_model_to_ask(saved: Callable[..., Path]) -> None:
    opened = Opened(saved(attention=A, tokens=TOKENS))
    with pytest.raises(UserError, match="read from a file: there is no model to ask"):
        opened.session.answer(GetPredictions(1, 0, 3), Quiet())


def test_a_model_takes_a_files_place_and_a_file_a_models(
    saved: Callable[..., Path], tiny: Callable[[str], Path]
) -> None:
    opened = Opened(saved(attention=A, tokens=TOKENS))
    model = Load(ModelOptions(model=str(tiny("gpt2")), device="cpu"))
    opened.session.answer(model, Quiet())
    with pytest.raises(UserError, match="Run 1 is no longer held"):
        opened.matrix(Head("self", 0, 0))
    traced, _ = opened.session.answer(Trace(2, PromptInput(text="the boy")), Quiet())
    assert isinstance(traced, Traced) and traced.info.trust.exact
    opened.session.answer(Open(str(saved(attention=A, tokens=TOKENS))), Quiet())
    traced, _ = opened.session.answer(Trace(3, PromptInput(text="the boy")), Quiet())
    assert isinstance(traced, Traced) and not traced.info.trust.exact
