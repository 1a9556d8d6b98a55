"""`attntui.given` and `attntui.view`: what was put in comes out of the engine, bit for bit."""

import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attntui
from attntui.api import elsewhere
from attntui.api.host import Host
from attntui.ui.start import Start
from tests.api.conftest import PROMPT

RANDOM = np.random.default_rng(2)


def weights(*shape: int) -> np.ndarray:
    found = RANDOM.random(shape) ** 4
    return (found / found.sum(-1, keepdims=True)).astype(np.float32)


TOKENS = ["[CLS]", "the", "\x00cat", "[SEP]", "日本"]
A = weights(3, 2, 5, 5)


@pytest.fixture(scope="module")
def one_host() -> Iterator[None]:
    """Every `given` of this module asks one engine: importing torch takes seconds."""
    patch = pytest.MonkeyPatch()
    host = Host()
    patch.setattr(elsewhere, "Host", lambda: host)
    yield
    patch.undo()
    host.close()


@pytest.mark.usefixtures("one_host")
def test_what_was_given_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    trace = attntui.given(A, TOKENS, 3)
    assert trace.tokens == tuple(TOKENS)
    assert [token.part for token in trace.info.sides[0].tokens] == [0, 0, 0, 1, 1]
    for layer, head in np.ndindex(3, 2):
        assert np.array_equal(trace.attention(layer, head), A[layer, head])
    assert trace.mean() == pytest.approx(A.mean((0, 1)), abs=1e-6)
    step = (A.mean(1) + np.eye(5)) / 2
    assert trace.rollout() == pytest.approx(step[2] @ step[1] @ step[0], abs=1e-6)
    best = int(A[1, 0, 4].argmax())
    assert trace.top(4, 1, layer=1, head=0) == [(best, TOKENS[best], A[1, 0, 4, best])]
    assert trace.statistics()["previous"][2, 1] == pytest.approx(
        np.diagonal(A[2, 1], -1).mean(), abs=1e-6
    )
    assert not trace.trust.exact
    assert trace.trust.why == "Read from a file; nothing was compared."
    with pytest.raises(attntui.UserError, match="there is no model to ask"):
        trace.logits()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("one_host")
def test_layers_of_different_widths_and_without_attention() -> None:
    ragged = [A[0], None, A[1, :1], None]
    trace = attntui.given(ragged, TOKENS)
    layers = trace.info.stacks[0].layers
    assert [(info.heads, info.kind) for info in layers][:3] == [
        (2, "full"),
        (0, "none"),
        (1, "full"),
    ]
    assert np.array_equal(trace.attention(2, 0), A[1, 0])
    assert trace.mean() == pytest.approx((A[0].mean(0) + A[1, 0]) / 2, abs=1e-6)


@pytest.mark.usefixtures("one_host")
def test_bertvizs_encoder_decoder_arguments() -> None:
    encoder, decoder, cross = weights(2, 2, 6, 6), weights(2, 2, 5, 5), weights(2, 2, 5, 6)
    trace = attntui.given(
        encoder_attention=tuple(encoder[:, None]),
        decoder_attention=tuple(decoder[:, None]),
        cross_attention=tuple(cross[:, None]),
        encoder_tokens=list("abcdef"),
        decoder_tokens=TOKENS,
    )
    assert (trace.tokens, trace.key_tokens) == (tuple(TOKENS), tuple("abcdef"))
    assert np.array_equal(trace.attention(1, 0), cross[1, 0])
    assert np.array_equal(trace.attention(1, 0, "encoder"), encoder[1, 0])
    assert np.array_equal(trace.attention(1, 0, "decoder"), decoder[1, 0])


@pytest.mark.usefixtures("one_host")
def test_a_whole_output_of_transformers(eager: Callable[..., Any]) -> None:
    outputs, tokens = eager("gpt2", PROMPT)
    trace = attntui.given(outputs, tokens)
    assert list(trace.tokens) == tokens
    assert np.array_equal(trace.attention(1, 3), outputs.attentions[1][0, 3].numpy())
    assert trace.info.stacks[0].causal
    assert trace.trust.leak == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"attention": A, "tokens": TOKENS[1:]}, "there are 4 tokens: give one text for each"),
        ({"attention": A}, "attention needs tokens"),
        ({"attention": A * 30, "tokens": TOKENS}, "sums to 30: these are no attention weights"),
        ({"attention": A - 1, "tokens": TOKENS}, "these are no attention weights"),
        ({"tokens": TOKENS}, "there is no attention"),
        ({"attention": A, "tokens": "the cat"}, "tokens must be a list of texts"),
        ({"attention": A, "tokens": TOKENS, "cross_attention": A}, "but not both"),
        ({"attention": A, "tokens": TOKENS, "sentence_b_start": 5}, "sentence_b_start must be"),
        ({"attention": A, "tokens": TOKENS, "sentence_b_start": 0}, "sentence_b_start must be"),
        ({"cross_attention": A, "decoder_tokens": TOKENS}, "needs encoder_tokens"),
    ],
)
@pytest.mark.parametrize("call", [attntui.given, attntui.view])
def test_what_is_wrong_is_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., Any],
    arguments: dict[str, Any],
    sentence: str,
) -> None:
    monkeypatch.setattr(Host, "do", None)
    with pytest.raises(attntui.UserError, match=sentence):
        call(**arguments)


def test_view_needs_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(attntui.UserError, match=r"needs a terminal: attntui\.given takes the same"):
        attntui.view(A, TOKENS)


def test_view_opens_the_screen_on_a_private_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(elsewhere, "has_terminal", lambda: True)
    seen: list[tuple[int, Start]] = []

    def run_file(path: str, start: Start) -> int:
        assert Path(path).stat().st_size > A.nbytes
        seen.append((stat.S_IMODE(Path(path).parent.stat().st_mode), start))
        return 0

    monkeypatch.setattr("attntui.ui.app.run_file", run_file)
    attntui.view(A, TOKENS, layer=1, head=0)
    assert seen == [(0o700, Start(layer=1, head=0))]
    assert not list(tmp_path.iterdir())
