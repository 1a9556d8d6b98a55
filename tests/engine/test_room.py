"""What a run is planned to take, fewer layers recorded, and memory that runs out on the way."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from attntui.core.errors import NoRoom, UserError
from attntui.core.protocol import (
    Edit,
    Edits,
    Flow,
    Generate,
    GetAttribution,
    GetEffects,
    GetStatistics,
    GetWindow,
    Head,
    Load,
    Mean,
    Measure,
    ModelOptions,
    PromptInput,
    Relevance,
    Rollout,
    Target,
    Trace,
    View,
)
from attntui.engine import capture, chunks, devices, encoding, failures, loading, ranks, room, run
from attntui.engine.model import LoadedModel
from attntui.engine.refusals import size
from attntui.engine.session import Session

TEXT = "the cat sat on the mat and the dog sat on the log"


def session_of(model: str, work: Any, **more: Any) -> Session:
    session = Session()
    session.answer(Load(ModelOptions(model=model, device="cpu", **more)), work)
    return session


def traced(session: Session, work: Any, number: int = 1, **more: Any) -> Any:
    reply, _ = session.answer(Trace(number, PromptInput(text=TEXT), **more), work)
    return reply.info


def window(session: Session, view: View, work: Any, tokens: int, number: int = 1) -> np.ndarray:
    request = GetWindow(number, view, (0, tokens), (0, tokens))
    weights: np.ndarray = session.answer(request, work)[1][0]
    return weights


@pytest.fixture(scope="module")
def demo() -> LoadedModel:
    class Quiet:
        def check_cancel(self) -> None: ...
        def progress(self, *_: Any, **__: Any) -> None: ...

    options = ModelOptions(model="demo", device="cpu")
    return loading.load(loading.prepare(options, Quiet()), Quiet())[0]


def needed(loaded: LoadedModel) -> tuple[room.Need, Any]:
    encoded = encoding.encode(loaded, PromptInput(text=TEXT))
    assert loaded.footprint is not None
    return room.need(loaded, loaded.footprint, encoded), encoded


def test_what_is_recorded_is_known_before(load: Callable[[str], Any]) -> None:
    """Of grouped-query heads, encoders with decoders, position bias, and eager attention."""
    for kind in ("gpt2", "llama", "bert", "t5", "bloom"):
        loaded = load(kind)
        need, encoded = needed(loaded)
        found = run.trace(loaded, encoded, 1)
        kept = sum(need.layers.values())
        if loaded.capture == "interface":
            biases = {
                id(layer.call.bias): layer.call.bias.nbytes
                for tower in found.towers
                for layer in tower.present
                if layer.call.bias is not None
            }
            outputs = sum(
                layer.call.output.nbytes for each in found.towers for layer in each.present
            )
            kept += sum(biases.values()) + outputs
        assert found.recorded_bytes == pytest.approx(kept, rel=0.02), kind


def test_what_does_not_fit_is_refused_with_what_would(
    demo: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    need, encoded = needed(demo)
    fixed, layers = need.work + need.outputs + room.SPARE, need.layers
    half = fixed + sum(layers.values()) // 2
    monkeypatch.setattr(devices, "available", lambda: half)
    with pytest.raises(NoRoom, match=r"--record fit: layers 0.*shorten it or load .* bfloat16"):
        room.plan(demo, encoded)
    monkeypatch.setattr(devices, "available", lambda: fixed - 1)
    with pytest.raises(UserError, match="shorten it") as caught:
        room.plan(demo, encoded)
    assert not isinstance(caught.value, NoRoom) and "fit" not in str(caught.value)
    monkeypatch.setattr(devices, "available", lambda: fixed + sum(layers.values()))
    assert room.plan(demo, encoded).recording == capture.EVERYTHING


def test_memory_that_was_not_given_back_is_no_lack(
    demo: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_back: list[bool] = []
    monkeypatch.setattr(devices, "release", lambda: given_back.append(True))
    monkeypatch.setattr(devices, "available", lambda: 20 * 10**9 if given_back else 0)
    encoded = needed(demo)[1]
    for _ in range(2):
        assert room.plan(demo, encoded).recording == capture.EVERYTHING
        assert len(given_back) == 1, "it takes time, where there is room"


def test_a_rank_asks_the_others_as_often_whether_it_has_room_or_not(
    demo: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one waits for ever for what the others do not say: here another has no room."""
    asked: list[Any] = []

    def pooled(facts: list[Any]) -> list[Any]:
        asked.append(facts)
        return [*facts, False] if isinstance(facts[0], bool) else facts

    monkeypatch.setattr(ranks, "pooled", pooled)
    counts = []
    for free in (0, 20 * 10**9):
        monkeypatch.setattr(devices, "available", lambda free=free: free)
        with suppress(UserError):
            room.plan(demo, needed(demo)[1])
        counts.append(len(asked))
        asked.clear()
    assert counts[0] == counts[1] > 1


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text above is long, and a chunk of it short."""
    monkeypatch.setattr(chunks, "LONG", 5)
    monkeypatch.setattr(chunks, "TRIED", 10)
    monkeypatch.setattr(room, "ROWS", 2)


@pytest.mark.usefixtures("short_chunks")
def test_what_has_no_room_to_run_whole_runs_in_chunks(
    demo: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    need, encoded = needed(demo)
    layers = sum(need.layers.values())
    assert need.chunk is not None and need.chunk < need.work
    whole, parts = (work + need.outputs + room.SPARE + layers for work in (need.work, need.chunk))
    for free, in_chunks in ((whole, False), (whole - 1, True), (parts, True)):
        monkeypatch.setattr(devices, "available", lambda free=free: free)
        found = room.plan(demo, encoded)
        assert (found.record, found.in_chunks) == ("all", in_chunks)
    with pytest.raises(UserError, match="shorten it"):
        room.plan(demo, encoded, whole=True)  # as an edit's, which is one forward
    # One layer alone never takes more than all of them.
    assert room.plan(demo, encoded, "0").in_chunks
    monkeypatch.setattr(devices, "available", lambda: parts - 1)
    with pytest.raises(NoRoom):
        room.plan(demo, encoded)
    assert room.plan(demo, encoded, "fit").in_chunks
    # Where memory runs out all the same: chunks first, then fewer layers in chunks.
    first = room.smaller(demo, encoded, room.Plan(), None)
    assert first == room.Plan(in_chunks=True)
    assert room.smaller(demo, encoded, first, None) is None
    second = room.smaller(demo, encoded, first, "fit")
    assert second is not None and second.in_chunks and second.recording.layers is not None
    # Chunks of some layers hold the keys of all: fewer of them take less.
    some = room.Plan("0,1", capture.Recording(frozenset({0, 1}), frozenset({0, 1})))
    fewer = room.smaller(demo, encoded, some, "fit")
    assert fewer is not None and not fewer.in_chunks and len(fewer.recording.layers or ()) == 1
    same = room.smaller(demo, encoded, some, "0,1")
    assert same is not None and same.in_chunks and same.recording == some.recording


@pytest.mark.usefixtures("short_chunks")
def test_a_refusal_tells_of_the_way_that_takes_least(
    demo: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    need, encoded = needed(demo)
    monkeypatch.setattr(room, "ROWS", len(encoded.sides[-1].tokens))  # a chunk is all there is
    monkeypatch.setattr(room, "SPARE", 0)
    monkeypatch.setattr(devices, "available", lambda: 0)
    with pytest.raises(UserError) as caught:
        room.plan(demo, encoded, "0")
    assert f"needs {size(need.work + need.outputs + need.layers[0])} with" in str(caught.value)


def test_as_many_layers_as_fit(demo: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    need, encoded = needed(demo)
    fixed = need.work + need.outputs + room.SPARE
    for count in range(1, len(need.layers)):
        free = fixed + count * max(need.layers.values())
        monkeypatch.setattr(devices, "available", lambda free=free: free)
        plan = room.plan(demo, encoded, "fit")
        assert plan.recording.layers is not None and len(plan.recording.layers) == count
        assert f"layers {plan.record} of the {len(need.layers)}" in plan.note


@pytest.mark.parametrize("kind", ["gpt2", "t5", "bloom"])
def test_layers_that_are_recorded_are_the_same_and_others_are_said_to_be_missing(
    kind: str, tiny: Callable[[str], Any], work: Any
) -> None:
    whole, part = (session_of(str(tiny(kind)), work, record=record) for record in ("all", "1"))
    before, after = traced(whole, work), traced(part, work)
    for stack, other in zip(before.stacks, after.stacks, strict=True):
        assert [layer.kind for layer in other.layers] == ["unrecorded", stack.layers[1].kind]
        assert other.layers[0].heads == 0 and other.layers[1] == stack.layers[1]
    name = before.stacks[0].name
    tokens = len(before.sides[0].tokens)
    same = [window(each, Head(name, 1, 2), work, tokens) for each in (whole, part)]
    assert np.array_equal(*same)
    assert after.recorded_bytes < 0.7 * before.recorded_bytes
    statistics = part.answer(GetStatistics(1, name), work)[1][0]
    assert np.isnan(statistics[:, 0]).all() and not np.isnan(statistics[0, 1]).all()
    with pytest.raises(UserError, match="layer 0 was not recorded"):
        window(part, Head(name, 0, 0), work, tokens)


def test_what_needs_all_layers_says_so(tiny: Callable[[str], Any], work: Any) -> None:
    session = session_of(str(tiny("llama")), work)
    tokens = len(traced(session, work, record="1").sides[0].tokens)
    target = Target(tokens - 1, 5)
    for view in (Rollout("self"), Mean("self"), Flow("self"), Relevance("self", target)):
        with pytest.raises(UserError, match="every layer, and layer 0 was not recorded"):
            window(session, view, work, tokens)
    assert np.allclose(window(session, Rollout("self", start_layer=1), work, tokens).sum(-1), 1)
    estimate = GetEffects(1, "self", 0, Measure("loss"), estimate=True)
    for request in (estimate, GetAttribution(1, target)):
        with pytest.raises(UserError, match="every layer"):
            session.answer(request, work)
    # What needs one layer works, and the layer's effect is that of a whole run.
    exact = GetEffects(1, "self", 1, Measure("loss"))
    part = session.answer(exact, work)[1][0]
    traced(session, work)
    assert np.array_equal(part, session.answer(exact, work)[1][0])


def test_edits_and_what_is_written_on_keep_the_same_layers(
    tiny: Callable[[str], Any], work: Any
) -> None:
    session = session_of(str(tiny("gpt2")), work)
    traced(session, work, record="1")
    edits = Edits(ablated=(Head("self", 1, 2),))
    edited = session.answer(Edit(2, 1, edits, keep=(1,)), work)[0].info
    longer = session.answer(Generate(3, 1, 2), work)[0].info
    for info in (edited, longer):
        assert [layer.kind for layer in info.stacks[0].layers] == ["unrecorded", "full"]


def test_layers_that_are_not_there(load: Callable[[str], Any]) -> None:
    encoded = needed(load("gpt2"))[1]
    with pytest.raises(UserError, match="There is no layer 7"):
        room.plan(load("gpt2"), encoded, "0,7")
    with pytest.raises(UserError, match="neither all nor a list"):
        room.plan(load("gpt2"), encoded, "some")


def test_runs_that_may_go_make_room(
    tiny: Callable[[str], Any], work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(str(tiny("gpt2")), work)
    traced(session, work)
    monkeypatch.setattr(devices, "available", lambda: 0 if 1 in session._runs else 20 * 10**9)
    with pytest.raises(UserError, match="shorten"):
        traced(session, work, 2, keep=(1,))
    assert traced(session, work, 2, keep=(1,), spare=(1,)).run == 2
    assert list(session._runs) == [2]


def test_memory_that_runs_out_on_the_way(
    tiny: Callable[[str], Any], work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan said that all fits; a forward that keeps more than one layer fails."""
    session = session_of(str(tiny("gpt2")), work)
    traced(session, work)
    add = capture.Recorder.add

    def adds(self: capture.Recorder, *about: Any) -> None:
        add(self, *about)
        if sum(call.kept for call in self.calls) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(capture.Recorder, "add", adds)
    asked = Trace(2, PromptInput(text=TEXT), keep=(1,))
    with pytest.raises(torch.OutOfMemoryError) as caught:
        session.answer(asked, work)
    reply, recover = failures.failed(caught.value, asked)
    assert reply.kind == "room" and recover and "--record fit" in reply.message
    info = traced(session, work, 2, record="fit", keep=(1,))
    assert info.notes == ("Recorded: layers 0 of the 2 that have attention.",)
    assert ("memory ran out, running again with less", 0, 0, "") in work.stages
    assert sorted(session._runs) == [1, 2]


class _OnGpu(LoadedModel):
    """Says that its layers run on a GPU: what a plan makes of that."""

    def device_of(self, layer: int) -> torch.device:
        return self.device


def test_a_gpu_that_has_no_room_keeps_on_the_cpu(
    demo: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    need, encoded = needed(demo)
    gpu = torch.device("cuda", 0)
    elsewhere = _OnGpu(**{**vars(demo), "device": gpu, "layer_devices": {}})
    fixed, whole = need.work + need.outputs + room.SPARE, sum(need.layers.values())
    free = {gpu: fixed, room.CPU: 10**10}
    monkeypatch.setattr(devices, "free", lambda device: free[device])
    plan = room.plan(elsewhere, encoded)
    assert plan.recording.on_cpu and plan.recording.layers is None
    assert "kept on the CPU: cuda:0 has no room" in plan.note
    elsewhere.options = replace(demo.options, keep_on="device")
    with pytest.raises(UserError, match="--keep-on cpu"):
        room.plan(elsewhere, encoded)
    free[gpu] = fixed + whole
    assert not room.plan(elsewhere, encoded).recording.on_cpu
    elsewhere.options = replace(demo.options, keep_on="cpu")
    assert room.plan(elsewhere, encoded).recording.on_cpu
    # Where memory runs out all the same: the CPU first, then fewer layers.
    elsewhere.options = demo.options
    first = room.smaller(elsewhere, encoded, room.Plan(), None)
    assert first is not None and first.recording.on_cpu
    assert room.smaller(elsewhere, encoded, first, None) is None
    second = room.smaller(elsewhere, encoded, first, "fit")
    assert second is not None and second.recording.on_cpu
    assert len(second.recording.layers or ()) == len(need.layers) // 2
    # Ranks wait for each other inside the forward: one alone cannot run again.
    monkeypatch.setattr("attntui.engine.ranks._group", object())
    assert room.smaller(elsewhere, encoded, room.Plan(), "fit") is None
