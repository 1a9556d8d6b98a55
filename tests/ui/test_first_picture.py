"""What the screen shows is what the model computed."""

import re
from typing import Any

import numpy as np
import pytest

from attntui.core.protocol import PromptInput
from attntui.demo import MODELS
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.prompt_box import PromptBox
from attntui.ui.widgets.ranked_list import RankedList
from tests.ui.conftest import PROMPT, Opener


def eager(model: str, prompt: str) -> np.ndarray:
    """transformers' own attentions: (layers, heads, queries, keys)."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = MODELS[model].folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    net = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        found = net(**tokenizer(prompt, return_tensors="pt"), output_attentions=True).attentions
    return torch.cat(found).numpy()


@pytest.mark.parametrize("model", ["demo", "demo-bert"])
async def test_the_picture_is_eager_attention(open_app: Opener, model: str) -> None:
    weights = eager(model, PROMPT)
    layer, head = 2, 3
    async with open_app(model, start=Start(layer=layer, head=head)) as screen:
        look = screen.main.look
        grid = screen.main.query_one(AttentionGrid)
        assert grid.window is not None
        np.testing.assert_allclose(grid.window.weights, weights[layer, head], atol=1e-5)

        shown = re.search(r"→ *\d+ *\".*\" +(\d\.\d{4})", screen.text)
        assert shown is not None
        cell = weights[layer, head, look.query, look.key]
        assert float(shown[1]) == pytest.approx(cell, abs=6e-5)

        heads = screen.main.query_one(HeadMap).values
        np.testing.assert_allclose(heads, weights[:, :, look.query, look.key], atol=1e-5)

        attends = screen.main.query_one("#attends", RankedList).entries
        row = weights[layer, head, look.query]
        best = np.argsort(-row, kind="stable")
        assert attends[0].position == best[0]
        assert attends[0].share == pytest.approx(row[best[0]], abs=1e-5)

        attended = screen.main.query_one("#attended", RankedList).entries
        column = weights[layer, head, :, look.query]
        assert attended[0].share == pytest.approx(column.max(), abs=1e-5)
        assert "exact" in screen.lines[0]


async def test_means_follow_the_layer(open_app: Opener) -> None:
    weights = eager("demo", PROMPT)
    async with open_app(start=Start(layer=1, head=0)) as screen:
        grid = screen.main.query_one(AttentionGrid)
        await screen.press("m")
        assert grid.window is not None
        np.testing.assert_allclose(grid.window.weights, weights[1].mean(0), atol=1e-5)
        await screen.press("m")
        np.testing.assert_allclose(grid.window.weights, weights.mean((0, 1)), atol=1e-5)
        await screen.press("r")
        assert "Rollout" in screen.text
        np.testing.assert_allclose(grid.window.weights.sum(-1), 1, atol=1e-4)


async def test_an_empty_usable_screen_comes_first(open_app: Opener) -> None:
    async with open_app(wait=False) as screen:
        assert screen.main.look.run is None
        await screen.pilot.press("question_mark")
        assert "Move to the next query" in screen.text
        await screen.pilot.press("escape")
        await screen.pilot.press("i", "x", "y")
        assert "xy" in screen.text
        await screen.until(lambda: screen.main.look.run is not None)


async def test_a_new_run_is_asked_about_the_place_that_its_cursor_goes_to(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(prompt="The cat saw the dog.") as screen:
        session, asked = screen.main.session, []
        latest = session.latest

        async def noted(slot: str, request: Any, *more: Any) -> Any:
            asked.append((slot, request))
            return await latest(slot, request, *more)

        monkeypatch.setattr(session, "latest", noted)
        await screen.press("i")
        screen.main.query_one(PromptBox).text = "The old king saw the queen in the garden."
        await screen.press("enter")
        await screen.until(lambda: screen.main.look.run and screen.main.look.run.run == 2)
        await screen.settled()
        look = screen.main.look
        of_run = [(slot, request) for slot, request in asked if request.run == 2]
        assert of_run[0][0] == "strongest"
        cells = [request for slot, request in of_run if slot == "cell"]
        assert [(cell.rows[0], cell.keys[0]) for cell in cells] == [(look.query, look.key)]


async def test_an_empty_prompt_has_no_prompt_before(open_app: Opener) -> None:
    async with open_app(prompt="", fake=True, wait=False) as screen:
        await screen.until(lambda: screen.main.look.model is not None)
        assert "still the prompt before" not in screen.text


async def test_the_default_prompt_comes_with_the_model(open_app: Opener) -> None:
    async with open_app(prompt=None) as screen:
        assert MODELS["demo"].prompt[:30] in screen.text
        assert (screen.main.look.layer, screen.main.look.head) == MODELS["demo"].head


async def test_the_masked_place_is_looked_at_first(open_app: Opener) -> None:
    prompt = PromptInput(text="The boy opened the [MASK] and went out.")
    async with open_app("demo-bert", prompt=prompt) as screen:
        look = screen.main.look
        assert look.queries[look.query].text.strip() == "[MASK]"
        predictions = screen.main.query_one("#predictions", RankedList)
        assert predictions.entries and predictions.entries[0].share > 0


async def test_the_last_row_is_in_sight_where_scrollbars_come(open_app: Opener) -> None:
    async with open_app(prompt="The cat saw the dog.") as screen:
        grid = screen.main.query_one(AttentionGrid)
        assert not grid.max_scroll_x
        box = screen.main.query_one(PromptBox)
        await screen.press("i")
        box.text = "The cat saw the dog. " * 20
        await screen.press("enter")
        await screen.until(lambda: screen.main.look.run and screen.main.look.run.run == 2)
        await screen.settled()
        assert grid.max_scroll_x and grid.max_scroll_y
        area, last = grid.scrollable_content_region, screen.main.look.query
        lines = [line[area.x : area.right] for line in screen.lines[area.y : area.bottom]]
        assert last == len(screen.main.look.queries) - 1
        assert re.match(rf" *{last} .*\[.*\]", lines[-1]), lines
