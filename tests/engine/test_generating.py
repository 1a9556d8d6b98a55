"""Texts continued by the model: against eager models on the final text, and `model.generate`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from attntui.core.errors import UserError
from attntui.core.protocol import (
    Cut,
    Edits,
    Generate,
    Generated,
    GetPredictions,
    Head,
    ModelOptions,
    PromptInput,
    Sampling,
    Stack,
)
from attntui.demo import MODELS
from attntui.engine import encoding, generating, loading, predict, run, sampling
from attntui.engine.edits import changes
from attntui.engine.model import Cancelled, LoadedModel
from attntui.engine.run import Run
from attntui.engine.steps import Steps, steps
from tests.engine import families
from tests.engine.conftest import Quiet

Build = Callable[[str], LoadedModel]
TEXT = "Mary went to the store"
STEPPED = ("gpt2", "llama", "mistral", "t5", "bart", "demo")
WHOLE = ("dynamic", "bloom")


@pytest.fixture(scope="module")
def build(tiny: Callable[[str], Path]) -> Build:
    """A loaded model of a kind, far from uniform."""
    held: dict[str, LoadedModel] = {}

    def loaded(kind: str) -> LoadedModel:
        if kind not in held:
            folder = kind if kind in MODELS else str(tiny(kind))
            plan = loading.prepare(ModelOptions(model=folder, device="cpu"), Quiet())
            held[kind], _ = loading.load(plan, Quiet())
            if kind not in MODELS:
                families.spread(held[kind].model)
        return held[kind]

    return loaded


def trace(loaded: LoadedModel, prompt: PromptInput | None = None, number: int = 1) -> Run:
    two_sided = loaded.model.config.is_encoder_decoder
    given = PromptInput(text=TEXT, decoder_text="to Mary" if two_sided else None)
    return run.trace(loaded, encoding.encode(loaded, prompt or given), number)


def generate(base: Run, count: int, work: Any = None, **more: Any) -> tuple[Run, Generated]:
    return generating.generate(base, Generate(9, base.number, count, **more), work or Quiet())


def ids(found: Run) -> list[int]:
    return [token.id for token in found.encoded.sides[-1].tokens]


def difference(found: Run, other: Run) -> float:
    """The largest of any weight, learned or not, and of any logit."""
    assert found.logits is not None and other.logits is not None
    gaps = [(found.logits - other.logits).abs().max()]
    for tower, same in zip(found.towers, other.towers, strict=True):
        assert tower.shape == same.shape
        for layer, twin in zip(tower.present, same.present, strict=True):
            gaps.append((layer.rows(0, layer.queries) - twin.rows(0, twin.queries)).abs().max())
    return float(torch.stack(gaps).max())


@pytest.fixture(autouse=True)
def endless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models do not happen to end their texts, but where a test is about that."""
    if "stops" not in request.node.name:
        monkeypatch.setattr(generating, "end_ids", lambda loaded: set())


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is run as a whole."""

    def no_whole(*_: Any) -> None:
        raise AssertionError("the whole text ran again")

    monkeypatch.setattr(generating, "Whole", no_whole)


@pytest.mark.parametrize("kind", STEPPED)
@pytest.mark.usefixtures("stepped")
def test_twenty_steps_are_one_run_over_the_final_text(build: Build, kind: str) -> None:
    loaded = build(kind)
    found, generated = generate(trace(loaded), 20)
    outputs = families.eager_outputs(loaded, found.encoded)
    for stack, layers in families.eager_attentions(outputs).items():
        tower = found.views.tower(stack)  # type: ignore[arg-type]
        for layer, expected in zip(tower.present, layers, strict=True):
            assert (layer.rows(0, layer.queries) - expected).abs().max() < 1e-4
    assert found.logits is not None
    assert (found.logits - outputs.logits[0]).abs().max() < 1e-4
    assert found.trust.exact and found.trust.leak in (0.0, None)
    assert len(ids(found)) == generated.first + 20
    chances = outputs.logits[0].softmax(-1)[generated.first - 1 : -1]
    expected = chances[torch.arange(20), ids(found)[generated.first :]]
    assert generated.probabilities == pytest.approx(expected.tolist(), abs=1e-5)
    again = trace(loaded, generated.prompt)
    assert again.encoded.sides == found.encoded.sides and difference(found, again) < 1e-4


@pytest.mark.parametrize("kind", WHOLE)
def test_where_keys_cannot_be_kept_the_whole_text_runs(build: Build, kind: str) -> None:
    loaded = build(kind)
    base = trace(loaded)
    found, generated = generate(base, 6)
    assert difference(found, trace(loaded, generated.prompt)) < 1e-6
    assert found.logits is not None
    likeliest = found.logits[generated.first - 1 : -1].argmax(-1)
    assert likeliest.tolist() == ids(found)[generated.first :]


EDITED = {
    "gpt2": Edits((Head("self", 0, 1), Head("self", 1, 2)), cuts=(Cut("self", 4, 2, 0, 1, 3),)),
    "llama": Edits((Head("self", 0, 3),), cuts=(Cut("self", 5, 1, 0, 1),)),
    "t5": Edits((Head("cross", 0, 1), Head("encoder", 1, 0)), cuts=(Cut("cross", 1, 2, 1, 1),)),
}


@pytest.mark.parametrize("kind", EDITED)
@pytest.mark.usefixtures("stepped")
def test_edits_stay_in_force(build: Build, kind: str) -> None:
    loaded = build(kind)
    plain = trace(loaded)
    last = len(ids(plain)) - 1
    stack: Stack = "decoder" if kind == "t5" else "self"
    edits = EDITED[kind]
    edits = Edits(edits.ablated, cuts=(*edits.cuts, Cut(stack, last, 0, 0, 1)))
    base = run.trace(loaded, plain.encoded, 2, changes=changes(plain, edits))
    found, generated = generate(base, 20)
    whole = trace(loaded, generated.prompt)
    expected = run.trace(loaded, whole.encoded, 3, changes=changes(whole, edits))
    assert difference(found, expected) < 1e-4 < 1e-2 < difference(found, whole)
    assert found.again is not None
    again = run.trace(loaded, whole.encoded, 4, changes=found.again.changes)
    assert difference(found, again) < 1e-4
    before, _ = generate(found, 1, last=last - 1)  # without the row of that cut
    assert before.views.layer(stack, 0).rows(last, last + 1)[0, 0, 0] > 0


@pytest.mark.usefixtures("stepped")
def test_a_head_at_its_mean_keeps_the_mean_of_the_text_before(build: Build) -> None:
    loaded = build("llama")
    plain = trace(loaded)
    kept = changes(plain, Edits((Head("self", 0, 3),), "mean"))
    found, generated = generate(run.trace(loaded, plain.encoded, 2, changes=kept), 5)
    whole = encoding.encode(loaded, generated.prompt)
    assert difference(found, run.trace(loaded, whole, 3, changes=kept)) < 1e-4


@pytest.mark.parametrize("kind", STEPPED)
def test_greedy_is_transformers_own(build: Build, tiny: Callable[[str], Path], kind: str) -> None:
    loaded = build(kind)
    base = trace(loaded)
    found, generated = generate(base, 12)
    two_sided = loaded.model.config.is_encoder_decoder
    folder = MODELS[kind].folder if kind in MODELS else tiny(kind)
    chosen = AutoModelForSeq2SeqLM if two_sided else AutoModelForCausalLM
    own = chosen.from_pretrained(folder, attn_implementation="eager").eval()
    own.load_state_dict(loaded.model.state_dict())
    for name in ("forced_bos_token_id", "forced_eos_token_id", "eos_token_id"):
        setattr(own.generation_config, name, None)
    inputs = base.encoded.inputs
    with torch.no_grad():
        written = own.generate(**inputs, do_sample=False, num_beams=1, max_new_tokens=12)[0]
    assert ids(found) == written.tolist() and generated.first == len(ids(base))


def reference(logits: torch.Tensor, options: Sampling) -> torch.Tensor:
    scores = TemperatureLogitsWarper(options.temperature)(None, logits[None])
    if options.top_k is not None:
        scores = TopKLogitsWarper(options.top_k)(None, scores)
    if options.top_p is not None:
        scores = TopPLogitsWarper(options.top_p)(None, scores)
    shares: torch.Tensor = scores[0].softmax(-1)
    return shares


@pytest.mark.parametrize(
    "options",
    [
        Sampling(temperature=0.7),
        Sampling(temperature=1.5, top_k=5),
        Sampling(temperature=1.0, top_p=0.6),
        Sampling(temperature=0.8, top_k=12, top_p=0.9),
        Sampling(temperature=1.0, top_k=900, top_p=0.001),
    ],
)
def test_tokens_are_drawn_as_transformers_draws_them(options: Sampling) -> None:
    logits = torch.randn(40, generator=torch.Generator().manual_seed(3)) * 2
    expected = reference(logits, options)
    found = sampling.distribution(logits, options)
    assert (found - expected).abs().max() < 1e-6
    drawn = torch.tensor([sampling.choose(logits, options, at) for at in range(4000)])
    shares = torch.bincount(drawn, minlength=40) / len(drawn)
    assert (shares - expected).abs().max() < 0.03
    assert not shares[expected == 0].any()


@pytest.mark.usefixtures("stepped")
def test_a_seed_gives_the_same_tokens_however_they_are_asked_for(build: Build) -> None:
    loaded = build("demo")
    base = found = trace(loaded)
    options = Sampling(temperature=1.2, top_k=50, seed=4)
    for _ in range(8):
        found, _ = generate(found, 1, sampling=options)
    together, _ = generate(base, 8, sampling=options)
    assert ids(found) == ids(together) and difference(found, together) < 1e-4
    other, _ = generate(base, 8, sampling=Sampling(temperature=1.2, top_k=50, seed=5))
    assert ids(other) != ids(found)


@pytest.mark.parametrize("kind", ["demo", "t5", "bloom"])
def test_branch_and_return(build: Build, kind: str) -> None:
    loaded = build(kind)
    first, generated = generate(trace(loaded), 6)
    at = generated.first + 1
    came = ids(first)[at + 1]
    asked = GetPredictions(9, at, 3)
    listed = predict.predictions(loaded, first, asked)
    assert listed.came is not None and listed.came.id == came == listed.entries[0].id
    other = listed.entries[1]
    branch, taken = generate(first, 2, last=at, tokens=(other.id,))
    assert ids(branch)[: at + 2] == [*ids(first)[: at + 1], other.id]
    assert len(ids(branch)) == at + 4 and taken.first == at + 1
    assert taken.probabilities[0] == pytest.approx(other.probability, abs=1e-6)
    assert difference(branch, trace(loaded, taken.prompt)) < 1e-4
    back, _ = generate(branch, len(ids(first)) - at - 2, last=at, tokens=(came,))
    assert ids(back) == ids(first) and difference(back, first) < 1e-4


def test_the_text_is_what_was_typed_and_what_was_added(build: Build) -> None:
    found, generated = generate(trace(build("demo")), 5)
    prompt, tokens = generated.prompt, found.encoded.sides[0].tokens
    assert prompt.text.startswith(TEXT) and prompt.ids == tuple(ids(found))
    assert prompt.text == "".join(token.text for token in tokens if not token.special).lstrip()
    for token in tokens[1:]:
        assert prompt.text[token.start : token.end].strip() == token.text.strip()
    encoder, written = generate(trace(build("bart")), 3)
    assert written.prompt.text == TEXT and written.prompt.ids is None
    assert (written.prompt.decoder_text or "").startswith("to Mary")
    assert ids(encoder)[1:] == list(written.prompt.decoder_ids or ())


def test_tokens_that_no_text_makes_are_read_as_they_are(build: Build) -> None:
    loaded = build("gpt2")
    odd = tuple(ord(letter) - 32 for letter in "ab")  # single letters, where a merge would be
    prompt = PromptInput(text="whatever it says", ids=odd * 3)
    encoded = encoding.encode(loaded, prompt)
    assert encoded.inputs["input_ids"].tolist() == [list(odd * 3)]
    assert encoded.prompt == prompt


def test_it_stops_at_an_end_and_where_the_text_is_full(build: Build) -> None:
    loaded = build("demo")
    base = trace(loaded)
    greedy, _ = generate(base, 6)
    ends = loaded.model.generation_config
    before, ends.eos_token_id = ends.eos_token_id, ids(greedy)[-3]
    try:
        found, generated = generate(base, 6)
        assert ids(found) == ids(greedy)[:-3] and len(generated.probabilities) == 3
        assert "The model ends the text here, with" in found.encoded.notes[-1]
        with pytest.raises(UserError, match="ends the text here"):
            generate(found, 1)
    finally:
        ends.eos_token_id = before
    short = build("gpt2")
    full, _ = generate(trace(short), 1000)
    assert len(ids(full)) == 64 and "at most 64 tokens: the text is full" in full.encoded.notes[-1]
    with pytest.raises(UserError, match="the text is full"):
        generate(full, 1)


@pytest.mark.parametrize(
    ("kind", "more", "sentence"),
    [
        ("bert", {}, "fills in masked places and does not write on"),
        ("classifier", {}, "classifies a text and does not write on"),
        ("gpt2", {"last": 99}, "There is no position 99"),
        ("gpt2", {"tokens": (10_000,)}, "There is no token 10000"),
        ("gpt2", {"sampling": Sampling(temperature=0.0)}, "A temperature of 0 is none"),
        ("gpt2", {"sampling": Sampling(temperature=1.0, top_k=0)}, "top-k 0 keeps no token"),
        ("gpt2", {"sampling": Sampling(temperature=1.0, top_p=1.5)}, "top-p 1.5 is no share"),
    ],
)
def test_what_cannot_be_is_said(build: Build, kind: str, more: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        generate(trace(build(kind)), 2, **more)


def test_progress_is_told_and_it_can_be_given_up(build: Build) -> None:
    base, work = trace(build("demo")), Quiet()
    generate(base, 3, work)
    assert [each[:3] for each in work.stages] == [("generating", at, 3) for at in (1, 2, 3)]

    class Impatient(Quiet):
        def check_cancel(self) -> None:
            if len(self.stages) == 2:
                raise Cancelled

    with pytest.raises(Cancelled):
        generate(base, 9, Impatient())


def test_steps_that_disagree_are_not_taken(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = build("llama")
    forward = Steps._forward

    def wrong(self: Steps, token: int, *rest: Any) -> Any:
        logits, calls = forward(self, token, *rest)
        return logits + 0.01, calls

    monkeypatch.setattr(Steps, "_forward", wrong)
    found, generated = generate(trace(loaded), 3)
    assert difference(found, trace(loaded, generated.prompt)) < 1e-6


@pytest.mark.parametrize("name", ["gpt_oss", "gemma2", "llama4", "opt", "gpt_neox", "marian"])
def test_steps_of_many_families(name: str) -> None:
    """Learned sinks, soft caps, chunks, offsets of positions: from the middle of a text on."""
    loaded = families.build(name)
    prompt = families.prompt(loaded)
    base, kept = run.trace(loaded, prompt, 1), 20
    assert base.again is not None
    walk = steps(base, base.again, kept)
    assert walk is not None
    more = torch.tensor([[5, 9, 11, 20, 33, 7, 8, 9, 10, 12]])
    for token in more[0].tolist():
        walk.add(token)
    sides = {
        side.name: torch.tensor([[token.id for token in side.tokens]]) for side in prompt.sides
    }
    last = prompt.sides[-1].name
    sides[last] = torch.cat([sides[last][:, :kept], more], dim=1)
    longer = families.encoded(**sides)
    found, whole = walk.run(2, longer), run.trace(loaded, longer, 3)
    assert difference(found, whole) < 1e-4 and found.stacks == whole.stacks
    assert found.trust.output_error is not None and found.trust.output_error < 1e-5


@pytest.mark.parametrize("name", ["deepseek_v3", "jamba", "falcon"])
def test_other_caches_are_not_taken(name: str) -> None:
    loaded = families.build(name)
    base = run.trace(loaded, families.prompt(loaded), 1)
    assert base.again is not None and steps(base, base.again, 20) is None
