"""The same input in bertviz: what it is given and shows, cell for cell, equals what our views ask.

bertviz 1.4 writes all its numbers, unrounded, as JSON into the page that it returns; they are read
from there. It is given transformers' own eager attention; its neuron view runs forks of BERT and
GPT-2 of its own, which get the same weights. So both sides differ by rounding in a forward only.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
)

from attntui.core.pairs import sentence_boundary
from attntui.core.protocol import (
    BETWEEN,
    GetMaps,
    GetScores,
    GetWindow,
    Head,
    Load,
    ModelOptions,
    PromptInput,
    Reading,
    RunInfo,
    Scores,
    SideInfo,
    Trace,
    Traced,
)
from attntui.engine.session import Session
from tests.engine import families

pytest.importorskip("bertviz")
pytestmark = pytest.mark.bertviz

TOLERANCE = 1e-5
PLAIN = Reading()
CLASSES = {"gpt2": AutoModelForCausalLM, "bert": AutoModelForMaskedLM, "t5": AutoModelForSeq2SeqLM}
TEXT, PAIR = "When Mary and John went to the store,", "John gave a drink to the boy."
NAMES = {
    "self": "attentions",
    "encoder": "encoder_attentions",
    "decoder": "decoder_attentions",
    "cross": "cross_attentions",
}


@dataclass
class Both:
    """One input in our engine, and what transformers itself makes of it."""

    session: Session
    work: Any
    info: RunInfo
    model: Any
    tokenizer: Any
    inputs: dict[str, torch.Tensor]

    def ask(self, request: Any) -> Any:
        return self.session.answer(request, self.work)

    def side(self, name: str) -> SideInfo:
        return next(side for side in self.info.sides if side.name == name)

    def names(self, side: str) -> list[str]:
        """Tokens as bertviz is given them."""
        ids = [token.id for token in self.side(side).tokens]
        names: list[str] = self.tokenizer.convert_ids_to_tokens(ids)
        return names

    def attentions(self) -> dict[str, Any]:
        """Eager attention by stack, a tuple of (1, heads, queries, keys)."""
        with torch.no_grad():
            outputs = self.model(**self.inputs, output_attentions=True)
        return {stack: getattr(outputs, name) for stack, name in NAMES.items() if name in outputs}


@pytest.fixture
def both(tiny: Callable[[str], Path], tmp_path: Path, work: Any) -> Callable[..., Both]:
    """An input run on both sides, with attention far from uniform."""

    def run(kind: str, text: str, **more: str) -> Both:
        tokenizer = AutoTokenizer.from_pretrained(tiny(kind))
        model = CLASSES[kind].from_pretrained(tiny(kind), attn_implementation="eager").eval()
        families.spread(model.requires_grad_(False))
        model.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        session = Session()
        session.answer(Load(ModelOptions(model=str(tmp_path), device="cpu")), work)
        traced, _ = session.answer(Trace(1, PromptInput(text=text, **more)), work)
        assert isinstance(traced, Traced)
        segments = kind == "bert"
        inputs = tokenizer(
            text, more.get("pair"), return_tensors="pt", return_token_type_ids=segments
        )
        made = Both(session, work, traced.info, model, tokenizer, dict(inputs))
        if "decoder_text" in more:
            made.inputs["decoder_input_ids"] = torch.tensor(
                [[token.id for token in made.side("decoder").tokens]]
            )
        return made

    return run


def shown(page: str, before: str) -> Any:
    """The data that a returned page of bertviz begins its script with."""
    at = page.index(before) + len(before)
    return json.JSONDecoder().raw_decode(page, at)[0]


def given(view: str, **arguments: Any) -> list[dict[str, Any]]:
    """What bertviz's head or model view shows: each filter's name, tokens and attention."""
    import bertviz

    page = getattr(bertviz, view)(**arguments, html_action="return", prettify_tokens=False)
    return shown(page.data, "const params = ")["attention"]  # type: ignore[no-any-return]


def lines(made: Both, stack: str, reading: Reading = PLAIN) -> np.ndarray:
    """(layers, heads, queries, keys): the windows that our lines are drawn from."""
    shapes = next(each for each in made.info.stacks if each.name == stack)
    rows, keys = (len(made.side(side).tokens) for side in (shapes.queries, shapes.keys))
    return np.stack(
        [
            np.stack(
                [
                    made.ask(
                        GetWindow(1, Head(stack, at, head), (0, rows), (0, keys), reading=reading)
                    )[1][0]
                    for head in range(layer.heads)
                ]
            )
            for at, layer in enumerate(shapes.layers)
        ]
    )


def maps(made: Both, stack: str, reading: Reading = PLAIN) -> np.ndarray:
    """(layers, heads, queries, keys): what our model view is drawn from, unpooled."""
    shapes = next(each for each in made.info.stacks if each.name == stack)
    return np.stack(
        [
            made.ask(GetMaps(1, stack, at, 1, 1, reading=reading))[1][0]
            for at in range(len(shapes.layers))
        ]
    )


OURS = {"head_view": lines, "model_view": maps}


def agree(ours: np.ndarray, theirs: list[Any]) -> None:
    other = np.array(theirs)
    assert ours.shape == other.shape
    assert np.abs(ours - other).max() < TOLERANCE
    assert other.max() > 0.2 + other.mean(), "nothing to see in uniform attention"


@pytest.mark.parametrize("view", OURS)
@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_lines_and_maps_of_self_attention(both: Callable[..., Both], kind: str, view: str) -> None:
    made = both(kind, TEXT)
    attention = made.attentions()["self"]
    (found,) = given(view, attention=attention, tokens=made.names("text"))
    assert found["left_text"] == found["right_text"] == made.names("text")
    agree(OURS[view](made, "self"), found["attn"])


@pytest.mark.parametrize("view", OURS)
def test_lines_and_maps_of_an_encoder_decoder(both: Callable[..., Both], view: str) -> None:
    made = both("t5", TEXT, decoder_text="John went to the door")
    found = given(
        view,
        **{f"{stack}_attention": layers for stack, layers in made.attentions().items()},
        encoder_tokens=made.names("encoder"),
        decoder_tokens=made.names("decoder"),
    )
    assert [each["name"] for each in found] == ["Encoder", "Decoder", "Cross"]
    for each in found:
        agree(OURS[view](made, each["name"].lower()), each["attn"])


@pytest.mark.parametrize("view", OURS)
def test_the_pair_filters(both: Callable[..., Both], view: str) -> None:
    """bertviz is told where sentence B begins as its readme does it: from the segment ids."""
    made = both("bert", TEXT, pair=PAIR)
    tokens = made.names("text")
    start = made.inputs["token_type_ids"][0].tolist().index(1)
    assert sentence_boundary(made.side("text").tokens) == start
    found = {
        each["name"].replace("Sentence ", "").replace(" -> ", "-"): each
        for each in given(
            view,
            attention=made.attentions()["self"],
            tokens=tokens,
            sentence_b_start=start,
        )
    }
    assert {name.lower() for name in found} == {name.lower() for name in BETWEEN}
    for pair in BETWEEN:
        theirs = found["All" if pair == "all" else pair]
        ours = OURS[view](made, "self", Reading(between=pair))
        kept = ~np.isnan(ours[0, 0])
        queries, keys = kept.any(1), kept.any(0)
        assert theirs["left_text"] == [name for at, name in enumerate(tokens) if queries[at]]
        assert theirs["right_text"] == [name for at, name in enumerate(tokens) if keys[at]]
        agree(ours[..., kept].reshape(*ours.shape[:2], queries.sum(), keys.sum()), theirs["attn"])


def fork(made: Both, kind: str) -> Any:
    """The model's weights in bertviz's own copy of its code."""
    from bertviz import transformers_neuron_view as forks

    config = made.model.config
    if kind == "gpt2":
        options = forks.GPT2Config(
            config.vocab_size,
            n_positions=config.n_positions,
            n_ctx=config.n_positions,
            n_embd=config.n_embd,
            n_layer=config.n_layer,
            n_head=config.n_head,
        )
        copy, weights = forks.GPT2Model, made.model.transformer.state_dict()
    else:
        options = forks.BertConfig(
            config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            intermediate_size=config.intermediate_size,
            max_position_embeddings=config.max_position_embeddings,
        )
        copy, weights = forks.BertModel, made.model.bert.state_dict()
    options.output_attentions = True
    model = copy(options)
    loaded = model.load_state_dict(weights, strict=False)
    assert not loaded.unexpected_keys
    assert all("pooler" in name or name.endswith("attn.bias") for name in loaded.missing_keys)
    return model.eval()


@pytest.mark.parametrize(
    ("kind", "pair"), [("gpt2", None), ("bert", None), ("bert", PAIR)], ids=["gpt2", "bert", "pair"]
)
def test_the_neuron_view(both: Callable[..., Both], kind: str, pair: str | None) -> None:
    """Queries, keys, their products and the weights of every head, query and key."""
    from bertviz import neuron_view

    made = both(kind, TEXT, **({"pair": pair} if pair else {}))
    page = neuron_view.show(
        fork(made, kind), kind, made.tokenizer, TEXT, pair, html_action="return"
    )
    found = shown(page.data, "window.bertviz_params = ")["attention"]["all"]
    count = len(made.side("text").tokens)
    assert len(found["left_text"]) == count
    for layer, (weights, queries, keys) in enumerate(
        zip(found["attn"], found["queries"], found["keys"], strict=True)
    ):
        for head, each in enumerate(weights):
            for query in range(count):
                scores, parts = made.ask(GetScores(1, "self", layer, head, query, (0, count)))
                assert scores == Scores(1, 8**-0.5)
                close(parts[0], queries[head][query])
                close(parts[1], keys[head])
                products = np.array(keys[head]) @ np.array(queries[head][query])
                seen = query + 1 if kind == "gpt2" else count
                close((parts[2] / scores.scaling)[:seen], products[:seen])
                close(parts[3], each[query])


def close(ours: np.ndarray, theirs: Any) -> None:
    other = np.array(theirs)
    assert ours.shape == other.shape
    assert np.abs(ours - other).max() < TOLERANCE * max(1, np.abs(other).max())
