"""Heads off and edges cut on the screen: against an eager model with zeroed columns."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from attntui.core.protocol import ModelOptions
from attntui.demo import DEFAULT_PROMPT, MODELS
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.model_view import ModelView
from attntui.ui.widgets.ranked_list import RankedList
from tests.ui.conftest import PROMPT, Opener, Screen

OFF = (0, 2)
"""The head of `demo` that looks at the previous token."""


def eager(
    off: Sequence[tuple[int, int]] = (), text: str = PROMPT
) -> tuple[np.ndarray, torch.Tensor]:
    """(layers, heads, n, n), and the logits at the last token; the columns of some heads zeroed."""
    folder = MODELS["demo"].folder
    net = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()
    size = net.config.hidden_size // net.config.num_attention_heads
    ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        for layer, head in off:
            weight = net.model.layers[layer].self_attn.o_proj.weight
            weight[:, head * size : (head + 1) * size] = 0
        outputs = net(ids, output_attentions=True)
    return torch.stack(outputs.attentions)[:, 0].numpy(), outputs.logits[0, -1]


def shown(screen: Screen) -> np.ndarray:
    window = screen.main.query_one(AttentionGrid).window
    assert window is not None
    return window.weights


async def test_a_head_off_its_difference_and_the_way_back(open_app: Opener) -> None:
    (before, logits_before), (after, logits_after) = eager(), eager([OFF])
    async with open_app(start=Start(layer=0, head=2)) as screen:
        main, heads = screen.main, screen.main.query_one(HeadMap)
        await screen.press("x", "shift+down")
        assert "head 0.2 off" in screen.text and "×" in screen.text
        np.testing.assert_allclose(shown(screen), after[1, 2], atol=1e-5)
        listed = main.query_one("#predictions", RankedList)
        p, q = logits_before.softmax(-1), logits_after.softmax(-1)
        divergence = float((p * (p / q).log()).sum())
        assert f"KL {divergence:.3f} nats" in screen.text
        best = int(torch.maximum(p, q).argmax())
        assert listed.entries[0].before == pytest.approx(float(p[best]), abs=1e-5)
        assert listed.entries[0].share == pytest.approx(float(q[best]), abs=1e-5)

        await screen.press("D")
        np.testing.assert_allclose(shown(screen), before[1, 2], atol=1e-5)
        assert "before: the model as it is" in screen.text and "→0." not in screen.text
        await screen.press("D")
        difference = after - before
        np.testing.assert_allclose(shown(screen), difference[1, 2], atol=1e-5)
        assert np.abs(difference[1, 2]).max() > 0.5
        at = main.look.query, main.look.key
        np.testing.assert_allclose(heads.values, difference[:, :, *at], atol=1e-5)
        assert f"{difference[1, 2, *at]:+.4f}" in screen.text
        top = main.query_one("#attends", RankedList).entries[0]
        row = difference[1, 2, at[0]]
        assert (top.position, top.share) == (
            np.abs(row).argmax(),
            pytest.approx(row[np.abs(row).argmax()], abs=1e-5),
        )
        view = await screen.show("5", ModelView)
        assert view.palette.zero and "their largest" not in screen.text.split("difference:")[0]

        await screen.press("1", "backspace")
        np.testing.assert_allclose(shown(screen), before[1, 2], atol=1e-5)
        assert main.look.before is None and "off" not in screen.lines[3]
        await screen.press("D")
        assert "Nothing is changed" in screen.text


async def test_what_is_predicted_is_of_the_run_in_sight(open_app: Opener) -> None:
    async with open_app(prompt=DEFAULT_PROMPT, start=Start(layer=0, head=2)) as screen:
        await screen.press("x")
        before, *others = screen.main.query_one("#predictions", RankedList).entries
        now = max(others, key=lambda each: each.share)
        assert now.share > before.share
        assert f"({now.share:.3f})" in screen.text
        assert f"({before.share:.3f})" not in screen.text


async def test_a_prompt_after_another_is_run_with_the_head_off(open_app: Opener) -> None:
    async with open_app(start=Start(layer=0, head=2), prompt="The dog.") as screen:
        await screen.press("x", "ctrl+x")
        assert len(screen.main.look.edits.cuts) == 1
        await screen.press("i", "ctrl+u", *"The cat saw the dog. The cat saw the dog.", "enter")
        await screen.until(lambda: len(screen.main.look.queries) > 5 and screen.main.look.before)
        await screen.settled()
        assert not screen.main.look.edits.cuts
        await screen.press("shift+down")
        np.testing.assert_allclose(shown(screen), eager([OFF])[0][1, 2], atol=1e-5)


async def test_an_edge_is_cut_wider_each_time_then_whole(open_app: Opener) -> None:
    before = eager()[0]
    async with open_app(start=Start(layer=1, head=2)) as screen:
        look = screen.main.look
        query, key = look.query, look.key
        for count in (1, 4, 16, 0):
            await screen.press("ctrl+x")
            heads = screen.main.query_one(HeadMap)
            await screen.until(lambda: (heads.values == 0).sum() == count)  # noqa: B023
            await screen.settled()
            row = shown(screen)[query]
            if count:
                assert row[key] == 0 and row.sum() == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(shown(screen), before[1, 2], atol=1e-5)


async def test_which_head_matters(open_app: Opener) -> None:
    plain = eager()[1].log_softmax(-1)
    token = int(plain.argmax())
    async with open_app(start=Start(layer=0, head=2)) as screen:
        heads = screen.main.query_one(HeadMap)
        await screen.press("M")
        await screen.until(lambda: heads.values is not None and not np.isnan(heads.values).any())
        assert heads.values is not None
        for head in ((0, 0), OFF, (1, 1), (3, 3)):
            expected = float(eager([head])[1].log_softmax(-1)[token] - plain[token])
            assert heads.values[head] == pytest.approx(expected, abs=1e-4)
        exact = heads.values
        await screen.press("G")
        place = np.unravel_index(np.abs(exact).argmax(), exact.shape)
        assert (screen.main.look.layer, screen.main.look.head) == place
        await screen.press("E")
        assert "Estimated in one pass" in screen.text
        assert "estimate" in heads.title and heads.values is not None
        assert not np.allclose(heads.values, exact)
        await screen.press("M", "M")
        assert screen.main.look.target is not None
        assert screen.main.look.target.kind == "logit_difference"


async def measured(screen: Screen) -> np.ndarray:
    """The head map, once every head was off in turn."""
    heads = screen.main.query_one(HeadMap)
    await screen.until(lambda: heads.values is not None and not np.isnan(heads.values).any())
    await screen.settled()
    assert heads.values is not None
    return heads.values


async def test_effects_are_of_the_present_text_as_it_is(open_app: Opener) -> None:
    plain = eager()[1].log_softmax(-1)
    token = int(plain.argmax())
    expected = [
        float(eager([head])[1].log_softmax(-1)[token] - plain[token]) for head in (OFF, (3, 3))
    ]
    async with open_app(prompt="The old" + PROMPT[3:], start=Start(layer=0, head=2)) as screen:
        main = screen.main
        main.change(replace(main.look, query=2))
        await screen.press("delete")
        assert main.look.is_retyped and len(main.look.queries) == len(eager()[0][0, 0])
        main.change(replace(main.look, query=len(main.look.queries) - 1))
        await screen.settled()
        await screen.press("M")
        found = await measured(screen)
        assert [found[OFF], found[3, 3]] == pytest.approx(expected, abs=1e-4), "of this text"
        await screen.press("c", "x")
        assert main.look.edits.ablated and main.look.facing is not None
        found = await measured(screen)
        assert [found[OFF], found[3, 3]] == pytest.approx(expected, abs=1e-4), "without the edit"
        assert main.look.before is not None and main.look.before.run == main.session.base
        await screen.press("i", "x", "enter")
        await screen.press("D")
        assert main.look.shown == "before" and main.look.before.run != main.session.base
        assert main.query_one(HeadMap).values is None, "the pinned text's are not known"
        await screen.press("M")
        assert "Heads are switched off in the present run" in screen.text


async def test_what_is_measured_goes_with_its_place_and_its_model(open_app: Opener) -> None:
    async with open_app(start=Start(layer=0, head=2)) as screen:
        main = screen.main
        await screen.press("V", "V", "M")
        assert main.look.method == "gradient" and main.look.aim is not None
        await measured(screen)
        await screen.press("i", "ctrl+u", *"The cat", "enter")
        await screen.until(lambda: len(main.look.queries) < 5)
        await screen.settled()
        assert main.look.map == "cell" and main.look.method == "weights"
        assert "There is no position" not in screen.text
        await screen.press("V", "V", "M")
        await measured(screen)
        main.open_model(ModelOptions(model="demo-bert"))
        await screen.until(lambda: main.look.model is not None and main.look.model.name != "demo")
        await screen.settled()
        assert main.look.map == "cell" and main.look.target is None
        assert main.look.method == "weights" and main.look.aim is None


async def test_another_text_is_compared_with_the_pinned_one(open_app: Opener) -> None:
    before = eager()[0]
    longer = "Then " + PROMPT[:1].lower() + PROMPT[1:]
    async with open_app(start=Start(layer=1, head=2)) as screen:
        main = screen.main
        await screen.press("c")
        await screen.press("i", "ctrl+u", *longer, "enter")
        await screen.until(lambda: main.look.before is not None)
        await screen.settled()
        after = shown(screen)
        assert len(main.look.queries) > len(before[0, 0])
        entries = main.query_one("#predictions", RankedList).entries
        assert entries[0].before is not None
        await screen.press("D", "D")
        difference, window = shown(screen), main.query_one(AttentionGrid).window
        assert window is not None
        tokens = [token.text for token in main.look.queries]
        extra = tokens.index("Then")
        assert np.isnan(difference[:, extra]).all() or np.isnan(difference[extra]).all()
        last = after[-1, -3:] - before[1, 2, -1, -3:]
        np.testing.assert_allclose(difference[-1, -3:], last, atol=1e-5)
        await screen.press("c")
        assert main.look.before is None and "No run is pinned" in screen.text
