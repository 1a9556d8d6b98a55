"""The distance page: its figures and its dots against transformers' own eager attention."""

import re

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from attntui.demo import MODELS
from attntui.ui.widgets.distance_picture import MARGIN, rounded_up
from attntui.ui.widgets.distance_view import TIMES, DistanceView
from tests.ui.conftest import Opener

PROMPT = "The cat saw the dog. The dog saw the queen in the garden. " * 8
FITTING = TIMES[:3]
"""So often the model can read it."""


def eager(times: int) -> np.ndarray:
    """(layers, heads, n, n) of the prompt's tokens said so many times."""
    folder = MODELS["demo"].folder
    model = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()
    ids = AutoTokenizer.from_pretrained(folder)(PROMPT, add_special_tokens=False)["input_ids"]
    start = AutoTokenizer.from_pretrained(folder)(PROMPT)["input_ids"][: -len(ids)]
    with torch.no_grad():
        outputs = model(torch.tensor([start + ids * times]), output_attentions=True)
    return torch.stack(outputs.attentions)[:, 0].numpy()


def counted(weights: np.ndarray, beyond: int | None = None) -> np.ndarray:
    """(layers, heads): mean distance, or the share of weight beyond so many tokens."""
    place = np.arange(weights.shape[-1])
    far = np.abs(place[:, None] - place)
    far = far if beyond is None else far > beyond
    return np.asarray((weights * far).sum((2, 3)) / weights.sum((2, 3)))


def mark(page: DistanceView) -> tuple[float, float]:
    """Where the mark stands in the upper plot: shares of its width and of its height."""
    lines = ["".join(segment.text for segment in line) for line in page._lines]
    stop = next(at for at, line in enumerate(lines) if "share of weight" in line)
    row, column = next(
        (at, each.index("◆")) for at, each in enumerate(lines[1:stop]) if "◆" in each
    )
    return (column - MARGIN) / (page.size.width - MARGIN - 1), 1 - row / (stop - 2)


async def test_distances_over_layers_and_over_lengths(open_app: Opener) -> None:
    expected = [eager(times) for times in FITTING]
    async with open_app(prompt=PROMPT) as screen:
        page = await screen.show("7", DistanceView)
        await screen.press("g", "3", ".", "0", "enter")
        far, share = counted(expected[0]), counted(expected[0], 8)
        np.testing.assert_allclose(page.found[1][0], far, rtol=1e-4)
        line = f"Head 3.0: {far[3, 0]:.2f} tokens away, {share[3, 0]:.1%} beyond 8"
        assert line in screen.text
        assert f"layer 3: {far[3].mean():.2f} tokens away" in screen.text
        assert f"{rounded_up(far):g}┤" in screen.text

        await screen.press("shift+right")
        assert f"Head 3.1: {far[3, 1]:.2f} tokens" in screen.text
        await screen.press("right", "right", "left", "up")
        assert f"Head 2.2: {far[2, 2]:.2f} tokens" in screen.text
        across, up = mark(page)
        assert abs(across - (2 + 3 / 5) / 4) < 0.02
        assert abs(up - far[2, 2] / rounded_up(far)) < 0.06

        await screen.press("less_than_sign")
        assert f"{counted(expected[0], 4)[2, 2]:.1%} beyond 4" in screen.text
        await screen.press("greater_than_sign", "greater_than_sign")
        assert "share of weight beyond 16 tokens" in screen.text

        await screen.press("enter")
        await screen.until(lambda: page.refusal)
        assert "8 times this text is" in page.refusal and "reads at most 1,024" in page.refusal
        for times, weights in zip(FITTING, expected, strict=True):
            np.testing.assert_allclose(page.found[times][0], counted(weights), rtol=2e-4)
        figures = re.search(r"Head 2\.2: ([\d.]+) → ([\d.]+) → ", screen.text)
        assert figures is not None
        assert [float(each) for each in figures.groups()] == [
            round(float(counted(weights)[2, 2]), 2) for weights in expected[:2]
        ]
        assert f"{expected[-1].shape[-1]}" in screen.lines[-4]

        await screen.press("enter", "equals_sign")
        assert "Vig & Belinkov 2019" in screen.text
        await screen.press("escape")
        width = page.size.width - MARGIN - 1
        column = MARGIN + 1 + round(width / 4 * (1 + 2 / 5))
        await screen.pilot.click(page, offset=(column + 1, 6))
        await screen.settled()
        assert (screen.main.look.layer, screen.main.look.head) == (1, 1)


async def test_esc_stops_the_first_measuring_and_says_so_in_its_place(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_REACH_LASTS_FROM", "1")
    async with open_app(prompt="tokens 4", size=(80, 24), fake=True) as screen:
        await screen.pilot.press("7")
        await screen.until(lambda: "measuring distances" in screen.text)
        await screen.pilot.press("escape")
        await screen.until(lambda: "Stopped; Enter twice goes on." in screen.text)
        assert "measuring distances" not in screen.text
        await screen.pilot.press("enter", "enter")
        await screen.until(lambda: "measuring distances" in screen.text)
        assert "Stopped" not in screen.text


async def test_esc_asks_for_no_longer_prompts_and_keeps_what_is_known(open_app: Opener) -> None:
    async with open_app(prompt="tokens 4", size=(80, 24), fake=True) as screen:
        page = await screen.show("7", DistanceView)
        for _ in range(2):
            await screen.pilot.press("enter")
            await screen.until(lambda: "1 of 4 lengths" in screen.text)
            await screen.press("escape")
            assert "Stopped" in screen.text and list(page.found) == [1]
            await screen.press("enter")
        assert sum(line.startswith("cancel") for line in screen.main.session.engine.log) == 2
