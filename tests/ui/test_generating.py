"""The model writes on, on the screen: against greedy decoding with an eager model."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import attntui.ui.writing as writing_module
from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput, Sampling
from attntui.demo import MODELS
from attntui.ui.generation import Order, order_of
from attntui.ui.memory import Past
from attntui.ui.start import Start
from attntui.ui.widgets.prompt_box import PromptBox
from attntui.ui.widgets.ranked_list import RankedList
from attntui.ui.writing import Writing
from tests.ui.conftest import Opener, Screen
from tests.ui.test_editing import shown

TEXT = "Once upon a time there"
FOLDER = MODELS["demo"].folder


def eager(
    count: int, ids: list[int] | None = None, off: tuple[int, int] | None = None
) -> tuple[list[int], np.ndarray, torch.Tensor]:
    """The tokens that a model adds greedily, and its attention and chances over all of them."""
    net = AutoModelForCausalLM.from_pretrained(
        FOLDER, attn_implementation="eager", dtype=torch.float32
    ).eval()
    size = net.config.hidden_size // net.config.num_attention_heads
    ids = ids or AutoTokenizer.from_pretrained(FOLDER)(TEXT)["input_ids"]
    with torch.no_grad():
        if off is not None:
            weight = net.model.layers[off[0]].self_attn.o_proj.weight
            weight[:, off[1] * size : (off[1] + 1) * size] = 0
        for _ in range(count):
            ids = [*ids, int(net(torch.tensor([ids])).logits[0, -1].argmax())]
        outputs = net(torch.tensor([ids]), output_attentions=True)
    return ids, torch.stack(outputs.attentions)[:, 0].numpy(), outputs.logits[0].softmax(-1)


def ids_of(screen: Screen) -> list[int]:
    run = screen.main.look.run
    assert run is not None
    return [token.id for token in run.sides[0].tokens]


async def test_one_token_and_several(open_app: Opener) -> None:
    first, *_ = eager(1)
    ids, weights, chances = eager(6)
    async with open_app(prompt=TEXT, start=Start(layer=1, head=2)) as screen:
        main = screen.main
        await screen.press("full_stop")
        assert main.memory.prompts() == [Past(TEXT)]
        assert ids_of(screen) == first and main.look.query == len(first) - 1
        assert f"p {float(chances[len(first) - 2, first[-1]]):.3f}." in screen.text
        await screen.press("colon", *"5", "enter")
        assert ids_of(screen) == ids and main.look.query == len(ids) - 1
        np.testing.assert_allclose(shown(screen), weights[1, 2], atol=1e-4)
        text = AutoTokenizer.from_pretrained(FOLDER).decode(ids[1:])
        box = main.query_one(PromptBox)
        assert box.prompt == text and box.past == [Past(TEXT), Past(text)]
        assert main.session.prompt == PromptInput(text=text, ids=tuple(ids))
        await screen.press("up", "up")
        at = main.look.query
        assert "which came" in screen.text and f"({float(chances[at].max()):.3f})" in screen.text
        await screen.press("i", "enter")  # as it is, it is the same tokens
        assert ids_of(screen) == ids and main.session.prompt.ids == tuple(ids)
        await screen.press("i", "x", "enter")
        assert main.session.prompt == PromptInput(text=text + "x")


async def test_another_token_is_taken_and_the_first_again(open_app: Opener) -> None:
    ids, weights, chances = eager(4)
    async with open_app(prompt=TEXT, start=Start(layer=1, head=2)) as screen:
        main, listed = screen.main, screen.main.query_one("#predictions", RankedList)
        await screen.press("colon", *"4", "enter")
        await screen.press("up", "up")
        at = main.look.query
        assert at == len(ids) - 3
        main.set_focus(listed)
        await screen.press("down", "enter")
        other = int(chances[at].topk(2).indices[1])
        assert ids_of(screen) == [*ids[: at + 1], other] and main.look.query == at + 1
        np.testing.assert_allclose(shown(screen), eager(0, ids_of(screen))[1][1, 2], atol=1e-4)
        main.focus_page()
        await screen.press("up")
        assert main.look.query == at
        main.set_focus(listed)
        await screen.press("enter")
        await screen.press("full_stop")
        assert ids_of(screen) == ids
        np.testing.assert_allclose(shown(screen), weights[1, 2], atol=1e-4)


async def test_with_a_head_off_and_an_edge_cut(open_app: Opener) -> None:
    ids, weights, _ = eager(3, off=(0, 2))
    async with open_app(prompt=TEXT, start=Start(layer=0, head=2)) as screen:
        main = screen.main
        await screen.press("x")
        await screen.press("colon", *"3", "enter")
        await screen.until(lambda: main.look.after and len(main.look.queries) == len(ids))
        await screen.settled()
        assert ids_of(screen) == ids != eager(3)[0] and main.look.before is not None
        await screen.press("shift+down")
        np.testing.assert_allclose(shown(screen), weights[1, 2], atol=1e-4)
        await screen.press("ctrl+x")
        await screen.press("full_stop")
        assert len(main.look.edits.cuts) == 1 and len(ids_of(screen)) == len(ids) + 1
        cut = main.look.edits.cuts[0]
        assert shown(screen)[cut.query, cut.key] == 0
        assert "whole again" not in screen.text


async def test_only_the_present_run_goes_on(open_app: Opener) -> None:
    async with open_app(prompt=TEXT, start=Start(layer=0, head=2)) as screen:
        main, listed = screen.main, screen.main.query_one("#predictions", RankedList)
        await screen.press("x")
        await screen.press("c", "backspace", "D")
        assert main.look.shown == "before" and main.look.before_edits and not main.look.edits
        main.set_focus(listed)
        await screen.press("down", "enter")
        assert ids_of(screen) == eager(0)[0], "not the pinned run, which has a head off"
        assert "D goes to the present run" in screen.text


async def test_what_was_added_is_forgotten_with_its_text(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(prompt=TEXT, start=Start(layer=0, head=2)) as screen:
        main = screen.main
        await screen.press("ctrl+x")
        assert main.look.edits.cuts
        with monkeypatch.context() as given_up:  # Esc, before the longer text has run
            given_up.setattr(main, "work", lambda past: None)
            await screen.press("full_stop")
        await screen.press("up", "up")
        await screen.press("i", "ctrl+u", *"Once upon that day then", "enter")
        assert not main.look.edits.cuts and "whole again" in screen.text
        assert main.look.query < len(main.look.queries) - 1


async def test_what_came_stays_when_it_is_stopped(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = Writing._some
    async with open_app(prompt=TEXT) as screen:
        main = screen.main

        async def until_three(writing: Writing) -> None:
            await some(writing)
            if len(writing._probabilities) >= 3:
                main.action_leave()

        monkeypatch.setattr(Writing, "_some", until_three)
        monkeypatch.setattr(writing_module, "PATIENCE", 60)  # one token, then two, on any machine
        await screen.pilot.press("colon", *"50", "enter")
        await screen.until(lambda: main.look.run is not None and main.look.run.generated)
        assert ids_of(screen) == eager(3)[0]
        assert main.look.run is not None and main.look.run.generated is not None
        assert len(main.look.run.generated.probabilities) == 3
        assert not main.session.busy


async def test_a_masked_model_says_why_it_does_not(open_app: Opener) -> None:
    async with open_app("demo-bert", prompt="The [MASK] was late.") as screen:
        await screen.press("full_stop")
        assert "fills in masked places and does not write on" in screen.text
        await screen.press("colon", *"many", "enter")
        assert "“many” is no whole number: write it as in 20 temperature 0.8" in screen.text


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("", Order(20)),
        ("7", Order(7)),
        (
            "20 temperature 0.8 top-k 40 top-p 0.9 seed 1",
            Order(20, Sampling(temperature=0.8, top_k=40, top_p=0.9, seed=1)),
        ),
        ("t=.8, top k 3 seed: 5", Order(20, Sampling(temperature=0.8, top_k=3, seed=5))),
        ("3 tokens TOP_P 0.5 s 2", Order(3, Sampling(temperature=1.0, top_p=0.5, seed=2))),
        ("9 t 2 greedy", Order(9)),
    ],
)
def test_a_line_is_an_order(line: str, order: Order) -> None:
    assert order_of(line) == order
    assert order_of(order.text) == order


def test_a_seed_is_drawn_where_none_is_named() -> None:
    assert len({order_of("5 t 1").sampling.seed for _ in range(5)}) > 1


@pytest.mark.parametrize("line", ["x", "5 temperature", "5 top-k 0.5", "5 seed 99999999999999999"])
def test_a_line_that_cannot_be_read(line: str) -> None:
    with pytest.raises(UserError, match="write it as in 20 temperature"):
        order_of(line)


async def test_keys_in_one_packet_add_as_many_tokens(open_app: Opener) -> None:
    async with open_app(prompt=TEXT) as screen:
        before = len(screen.main.look.queries)
        for _ in range(4):
            screen.main.action_generate_next()
        await screen.until(lambda: not screen.main.session.busy)
        await screen.settled()
        assert len(screen.main.look.queries) == before + 4
