"""`attntui.load` and what a trace tells: transformers' own numbers, and a sentence for what is not.

Everything here runs in a real engine process.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

import attntui
from attntui.api.loop import Loop
from attntui.client import engine
from attntui.core.protocol import STATISTICS, Head, Mean, ModelOptions, PromptInput, Rollout
from attntui.engine import loading, run
from attntui.engine.encoding import encode
from tests.api.conftest import PROMPT
from tests.engine.conftest import Quiet

FAKE = Path(__file__).parents[1] / "client" / "fake_engine.py"
Loader = Callable[[str], attntui.Model]


def engine_of(model: attntui.Model | attntui.Trace) -> psutil.Process:
    child = model._host._engine._child
    assert child is not None
    return psutil.Process(child._process.pid)


def ended(process: psutil.Process) -> bool:
    try:
        process.wait(10)
    except psutil.TimeoutExpired:
        return False
    return True


def test_every_head_equals_eager(loaded: Loader, eager: Callable[..., Any]) -> None:
    outputs, tokens = eager("gpt2", PROMPT)
    trace = loaded("gpt2").trace(PROMPT)
    assert len(trace.tokens) == len(tokens)
    assert "".join(trace.tokens) == PROMPT
    assert trace.key_tokens == trace.tokens
    for layer, expected in enumerate(outputs.attentions):
        for head in range(expected.shape[1]):
            found = trace.attention(layer, head)
            assert found.dtype == np.float32
            assert found == pytest.approx(expected[0, head].numpy(), abs=1e-5)
        assert trace.mean(layer) == pytest.approx(expected[0].mean(0).numpy(), abs=1e-5)
    stacked = torch.stack(outputs.attentions)[:, 0].numpy()
    assert trace.mean() == pytest.approx(stacked.mean((0, 1)), abs=1e-5)
    chosen = stacked[0, 1] / 2 + stacked[1, 0] / 2
    assert trace.mean(heads=[(0, 1), (1, 0)]) == pytest.approx(chosen, abs=1e-5)
    assert trace.trust.exact


def test_rollout_equals_numpy(loaded: Loader, eager: Callable[..., Any]) -> None:
    outputs, _ = eager("gpt2", PROMPT)
    trace = loaded("gpt2").trace(PROMPT)
    fused = torch.stack(outputs.attentions)[:, 0].amax(1).numpy()
    fused /= fused.sum(-1, keepdims=True)
    joint = np.eye(fused.shape[-1])
    for layer in fused:
        joint = (0.7 * layer + 0.3 * np.eye(len(layer))) @ joint
    assert trace.rollout(0.3, head_fusion="max") == pytest.approx(joint, abs=1e-5)


def test_logits_equal_eager(loaded: Loader, tiny: Callable[[str], Path]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    inputs = AutoTokenizer.from_pretrained(tiny("gpt2"))(PROMPT, return_tensors="pt")
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(tiny("gpt2"))(**inputs).logits[0]
    assert loaded("gpt2").trace(PROMPT).logits() == pytest.approx(expected.numpy(), abs=1e-4)


def test_a_pair_of_sentences_and_the_end(
    tiny: Callable[[str], Path], eager: Callable[..., Any]
) -> None:
    outputs, tokens = eager("bert", PROMPT, "The boy opened the door")
    with attntui.load(tiny("bert"), device="cpu") as model:
        process = engine_of(model)
        trace = model.trace(PROMPT, pair="The boy opened the door")
        assert list(trace.tokens) == tokens
        assert trace.attention(1, 3) == pytest.approx(outputs.attentions[1][0, 3].numpy(), abs=1e-5)
        parts = [token.part for token in trace.info.sides[0].tokens]
        assert set(parts) == {-1, 0, 1}
        second = parts.index(1)
        crossing = trace.attention(1, 3, between="A-B")
        inside = outputs.attentions[1][0, 3, :second, second:].numpy()
        assert crossing[:second, second:] == pytest.approx(inside, abs=1e-5)
        assert np.isnan(crossing).sum() == crossing.size - inside.size
    assert ended(process)
    with pytest.raises(attntui.UserError, match="This model was closed: load it again"):
        trace.mean()
    with pytest.raises(attntui.UserError, match="closed"):
        model.trace("the boy")
    model.close()  # once more does nothing


def test_an_encoder_decoder(loaded: Loader, eager: Callable[..., Any]) -> None:
    trace = loaded("t5").trace(PROMPT, decoder_prompt="the dog")
    ids = [token.id for token in trace.info.sides[1].tokens]
    outputs, tokens = eager("t5", PROMPT, decoder=ids)
    assert len(trace.key_tokens) == len(tokens)
    assert len(trace.tokens) == len(ids)
    for stack, layers in {
        "encoder": outputs.encoder_attentions,
        "decoder": outputs.decoder_attentions,
        "cross": outputs.cross_attentions,
    }.items():
        found = trace.attention(1, 2, stack)  # type: ignore[arg-type]
        assert found == pytest.approx(layers[1][0, 2].numpy(), abs=1e-5)
    assert trace.attention(0, 1) == pytest.approx(
        outputs.cross_attentions[0][0, 1].numpy(), abs=1e-5
    )
    with pytest.raises(attntui.UserError, match="queries and keys of the same tokens"):
        trace.rollout()
    assert trace.rollout(stack="encoder").shape == (len(tokens), len(tokens))


def test_the_largest_weights(loaded: Loader) -> None:
    trace = loaded("gpt2").trace(PROMPT)
    row = trace.attention(1, 2)[-1]
    found = trace.top(-1, 3, layer=1, head=2)
    order = np.argsort(-row)[:3]
    assert [each.position for each in found] == order.tolist()
    assert [each.weight for each in found] == pytest.approx(row[order])
    assert [each.text for each in found] == [trace.tokens[at] for at in order]
    column = trace.mean(1)[:, 2]
    best = trace.top(2, 1, layer=1, direction="attended_by")[0]
    assert (best.position, best.weight) == (column.argmax(), pytest.approx(column.max()))


def test_statistics_by_name(loaded: Loader) -> None:
    trace = loaded("gpt2").trace(PROMPT)
    found = trace.statistics()
    assert tuple(found) == STATISTICS
    shape = len(trace.info.stacks[0].layers), trace.info.stacks[0].layers[0].heads
    assert {values.shape for values in found.values()} == {shape}
    for layer, head in np.ndindex(shape):
        diagonal = np.diagonal(trace.attention(layer, head), -1)
        assert found["previous"][layer, head] == pytest.approx(diagonal.mean(), abs=1e-5)


def test_the_numbers_are_the_screens(loaded: Loader, tiny: Callable[[str], Path]) -> None:
    """The engine's own, whose windows the screen shows."""
    options, work = ModelOptions(model=str(tiny("gpt2")), device="cpu"), Quiet()
    model, _ = loading.load(loading.prepare(options, work), work)
    inside = run.trace(model, encode(model, PromptInput(text=PROMPT)), 1)
    trace = loaded("gpt2").trace(PROMPT)
    count = len(trace.tokens)
    for view, found in {
        Head("self", 1, 2): trace.attention(1, 2),
        Mean("self", 0): trace.mean(0),
        Rollout("self"): trace.rollout(),
    }.items():
        assert found == pytest.approx(inside.rows(view, 0, count), abs=1e-6)


def test_words_and_sinks(loaded: Loader) -> None:
    trace = loaded("gpt2").trace(PROMPT)
    tokens, words = trace.attention(1, 2), trace.attention(1, 2, words=True)
    assert "".join(trace.words()) == PROMPT.replace(" ", "")
    assert words.shape == (len(trace.words()),) * 2
    spans = [(word.first, word.last + 1) for word in trace.info.sides[0].words]
    keys = np.stack([tokens[:, first:last].sum(1) for first, last in spans], 1)
    expected = np.stack([keys[first:last].mean(0) for first, last in spans])
    assert words == pytest.approx(expected, abs=1e-6)
    found = trace.top(-1, 1, layer=1, head=2, words=True)[0]
    assert found.text == trace.words(keys=True)[int(words[-1].argmax())]
    hidden = trace.mean(sinks="hide")
    shown = ~np.isnan(hidden).all(0)
    assert np.array_equal(hidden[:, shown], trace.mean()[:, shown])


def test_an_edited_trace_beside_the_plain_one(loaded: Loader, tiny: Callable[[str], Path]) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trace = loaded("gpt2").trace(PROMPT)
    plain = trace.attention(1, 2)
    found = trace.edit(ablate=[(0, 1)])
    model = AutoModelForCausalLM.from_pretrained(tiny("gpt2"), attn_implementation="eager").eval()
    size = model.config.n_embd // model.config.n_head
    model.transformer.h[0].attn.c_proj.weight.data[size : 2 * size] = 0
    inputs = AutoTokenizer.from_pretrained(tiny("gpt2"))(PROMPT, return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs, output_attentions=True)
    assert found.attention(1, 2) == pytest.approx(expected.attentions[1][0, 2].numpy(), abs=1e-5)
    assert found.logits() == pytest.approx(expected.logits[0].numpy(), abs=1e-4)
    assert trace.attention(1, 2) == pytest.approx(plain) and found.trust.exact
    cut = found.edit(cut="3:1@0-1.2")
    assert [cut.attention(layer, 2)[3, 1] for layer in (0, 1)] == [0, 0]
    assert np.array_equal(cut.attention(0, 1), trace.attention(0, 1)), "its own edits only"


def test_an_older_trace_can_still_be_asked(loaded: Loader) -> None:
    model = loaded("gpt2")
    first, second = model.trace(PROMPT), model.trace("the boy went")
    assert first.attention(0, 0).shape == (len(first.tokens),) * 2
    assert second.attention(0, 0).shape == (len(second.tokens),) * 2
    assert first.mean() == pytest.approx(model.trace(PROMPT).mean())


def test_many_threads_ask_at_once(loaded: Loader) -> None:
    model = loaded("gpt2")
    traces = [model.trace(text) for text in (PROMPT, "the boy went", "the dog")]
    expected = [trace.mean() for trace in traces]
    right: list[bool] = []

    def ask(at: int) -> None:
        for _ in range(5):
            right.append(np.array_equal(traces[at].mean(), expected[at]))

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert right == [True] * 15


async def test_it_works_inside_a_running_loop(loaded: Loader) -> None:
    """As in a notebook, whose cells run inside a loop of its own."""
    assert (
        loaded("gpt2").trace(PROMPT).mean().shape == (len(loaded("gpt2").trace(PROMPT).tokens),) * 2
    )


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m, t: t.attention(9, 0), "there is no layer 9: layers are 0 to 1"),
        (lambda m, t: t.attention(0, 99), "there is no head 99"),
        (lambda m, t: t.attention(0.5, 0), "layer must be int, not float"),
        (lambda m, t: t.attention(0, 0, "cross"), "there is no cross attention here, only self"),
        (lambda m, t: t.attention(0, 0, sinks="none"), "sinks must be show, hide or renormalise"),
        (
            lambda m, t: t.attention(0, 0, between="B"),
            "between must be all, A-A, A-B, B-A or B-B, not 'B'",
        ),
        (lambda m, t: t.mean(between="A-B"), "A-B needs two sentences"),
        (lambda m, t: t.edit(ablate=[(9, 9)]), "there is no layer 9"),
        (lambda m, t: t.edit(cut="3"), "'3' is no edge such as 9:4@5.1"),
        (lambda m, t: t.edit("0.1", "one"), "ablate_with must be zero or mean, not 'one'"),
        (lambda m, t: t.mean(0, heads=[(0, 0)]), "but not both"),
        (lambda m, t: t.rollout(residual=2), "residual must be between 0 and 1, not 2"),
        (
            lambda m, t: t.rollout(head_fusion="sum"),
            "head_fusion must be mean, max or min, not 'su",
        ),
        (lambda m, t: t.top(99), "there is no position 99: there are"),
        (lambda m, t: t.top(0, head=1), "give layer too"),
        (lambda m, t: t.statistics("other"), "on must be prompt or calibration, not 'other'"),
        (lambda m, t: m.trace(""), "The prompt is empty"),
        (lambda m, t: m.trace(["a", "b"]), "prompt must be str, not list"),
        (lambda m, t: m.trace("a", truncate="up"), "truncate must be left or right, not 'up'"),
        (lambda m, t: m.trace("the boy", decoder_prompt="x"), "has no decoder of its own"),
        (lambda m, t: attntui.load("no/such-model", offline=True), "no/such-model is not on"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    loaded: Loader, call: Callable[[attntui.Model, Any], Any], sentence: str
) -> None:
    model = loaded("gpt2")
    trace = model.trace("the boy")
    with pytest.raises(attntui.UserError, match=sentence):
        call(model, trace)
    assert trace.mean().sum(1) == pytest.approx(1, abs=1e-5)


def test_numpys_integers_are_integers(loaded: Loader) -> None:
    trace = loaded("gpt2").trace(PROMPT)
    layer, head = np.int64(1), np.int32(2)
    assert np.array_equal(trace.attention(layer, head), trace.attention(1, 2))  # type: ignore[arg-type]


def test_a_forgotten_model_ends_with_its_last_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ENGINE", (sys.executable, str(FAKE)))
    trace = attntui.load("fake").trace("tokens 3")
    process = engine_of(trace)
    assert trace.mean().shape == (3, 3)
    del trace
    assert ended(process)


def test_a_dead_engine_is_an_error_with_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ENGINE", (sys.executable, str(FAKE)))
    with attntui.load("fake") as model:
        trace = model.trace("tokens 3")
        with pytest.raises(attntui.EngineGone, match="ended with exit status 7") as caught:
            model.trace("exit 7")
        assert caught.value.__notes__[0].startswith("The engine's log:")
        with pytest.raises(attntui.EngineGone):
            trace.mean()


def test_an_interrupt_gives_the_call_up() -> None:
    loop = Loop()
    given_up = threading.Event()

    async def wait() -> None:
        import asyncio

        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            given_up.set()
            raise

    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        loop.run(wait())
    assert given_up.wait(5)

    async def nothing() -> None: ...

    loop.close(nothing())


SCRIPT = """
import attntui
trace = attntui.load({folder!r}, device="cpu").trace("the boy")
print(trace._host._engine._child._process.pid, trace.mean().shape)
"""


def test_the_engine_ends_with_the_process(tiny: Callable[[str], Path]) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error::ResourceWarning",
            "-c",
            SCRIPT.format(folder=str(tiny("gpt2"))),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": str(Path(attntui.__file__).parents[1])},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    number = int(done.stdout.split()[0])
    assert not psutil.pid_exists(number) or ended(psutil.Process(number))
