"""Lenses on the screen: gradient and relevance by autograd on an eager model."""

import asyncio
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from attntui.core.protocol import Gradient, Request
from attntui.demo import MODELS
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.ranked_list import RankedList
from tests.ui.conftest import PROMPT, Opener, Screen


def gradients() -> tuple[np.ndarray, str]:
    """(layers, heads, n, n) of weight times gradient of the likeliest logit at the last token."""
    folder = MODELS["demo"].folder
    net = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    outputs = net(tokenizer(PROMPT, return_tensors="pt")["input_ids"], output_attentions=True)
    for layer in outputs.attentions:
        layer.retain_grad()
    best = int(outputs.logits[0, -1].argmax())
    outputs.logits[0, -1, best].backward()
    found = [(each * each.grad)[0].detach() for each in outputs.attentions]
    return torch.stack(found).numpy(), tokenizer.decode([best])


def shown(screen: Screen) -> np.ndarray:
    window = screen.main.query_one(AttentionGrid).window
    assert window is not None
    return window.weights


async def test_v_goes_from_weights_through_every_lens(open_app: Opener) -> None:
    expected, best = gradients()
    async with open_app(start=Start(layer=1, head=2)) as screen:
        weights = shown(screen)
        await screen.press("V")
        assert "length of what is passed on" in screen.text and "Norm 1.2" in screen.text
        assert shown(screen).max() > 0 and not np.allclose(shown(screen), weights)
        await screen.press("V")
        assert "attention x gradient" in screen.text and best.strip() in screen.lines[3]
        np.testing.assert_allclose(shown(screen), expected[1, 2], atol=1e-5)
        listed = screen.main.query_one("#attends", RankedList).entries
        row = expected[1, 2, screen.main.look.query]
        assert listed[0].position == np.abs(row).argmax()
        assert "+" in listed[0].figures or "-" in listed[0].figures
        await screen.press("m")
        np.testing.assert_allclose(shown(screen), expected[1].mean(0), atol=1e-5)

        await screen.press("V")
        relevance = np.eye(len(row))
        for layer in expected:
            relevance = relevance + np.maximum(layer, 0).mean(0) @ relevance
        np.testing.assert_allclose(shown(screen), relevance - np.eye(len(row)), atol=1e-5)
        await screen.press("equals_sign")
        assert "Chefer et al. 2021" in "\n".join(screen.lines)
        await screen.press("escape", "V")
        assert "Flow" in screen.text
        await screen.press("V")
        assert screen.main.look.method == "weights"
        await screen.press("2", "V")
        assert "1 and 3" in screen.text


@pytest.mark.parametrize("style", ["auto", "shade"])
async def test_what_is_painted_keeps_its_palette_while_another_view_is_on_its_way(
    open_app: Opener, style: Literal["auto", "shade"]
) -> None:
    async with open_app(start=Start(style=style)) as screen:
        grid = screen.main.query_one(AttentionGrid)
        await screen.press("V", "V", "s")
        assert isinstance(screen.main.look.view, Gradient)
        grid.show_look(replace(screen.main.look, method="weights"))
        grid.refresh()
        await screen.pilot.pause()
        assert grid.palette.zero, "signed, as the weights that are painted"


async def test_a_lens_that_is_passed_by_is_given_up(open_app: Opener) -> None:
    async with open_app() as screen:
        session, gone = screen.main.session, []
        latest = session.latest

        async def waits(slot: str, request: Request, *more: Any) -> Any:
            if isinstance(getattr(request, "view", None), Gradient):
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    gone.append(slot)
                    raise
            return await latest(slot, request, *more)

        session.latest = waits  # type: ignore[method-assign]
        await screen.pilot.press("V", "V")
        await screen.until(lambda: isinstance(screen.main.look.view, Gradient))
        await screen.pilot.pause()
        await screen.pilot.press("V")
        await screen.until(lambda: {"grid.window", "attends"} <= set(gone))
