"""Two sentences on the screen: what is shown between them, in every pane, against eager."""

import numpy as np
import pytest

from attntui.core.protocol import PromptInput
from attntui.demo import MODELS
from attntui.ui.memory import Past
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.ranked_list import RankedList
from tests.ui.conftest import Opener

PAIR = PromptInput(text="The boy opened the door.", pair="He went into the garden.")
LAYER, HEAD = 3, 1


@pytest.fixture(scope="module")
def eager() -> tuple[np.ndarray, int]:
    """(layers, heads, n, n), and where the second sentence begins."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = MODELS["demo-bert"].folder
    net = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(PAIR.text, PAIR.pair, return_tensors="pt")
    with torch.no_grad():
        layers = net(**inputs, output_attentions=True).attentions
    second = inputs["token_type_ids"][0].tolist().index(1)
    return torch.stack(layers)[:, 0].numpy(), second


async def test_p_leaves_what_one_sentence_gives_the_other(
    open_app: Opener, eager: tuple[np.ndarray, int]
) -> None:
    weights, second = eager
    queries, keys = slice(0, second), slice(second, None)
    async with open_app("demo-bert", PAIR, start=Start(layer=LAYER, head=HEAD)) as screen:
        main, heads = screen.main, screen.main.query_one(HeadMap)
        await screen.press("ctrl+home", "home", "down", "down", "p", "p")
        assert main.look.between == "A-B" and (main.look.query, main.look.key) == (2, 0)
        shares = weights[:, :, queries, keys].sum(-1).mean(-1)
        assert heads.title == "Heads · A→B" and heads.values is not None
        np.testing.assert_allclose(heads.values, shares, atol=1e-5)
        assert f"{LAYER}.{HEAD}   {shares[LAYER, HEAD]:.3f}" in screen.text
        layer, head = np.unravel_index(shares.argmax(), shares.shape)
        assert f"{layer}.{head}   {shares.max():.3f} largest" in screen.text

        row = weights[LAYER, HEAD, 2]
        listed = main.query_one("#attends", RankedList)
        order = second + np.argsort(-row[keys], kind="stable")
        assert [entry.position for entry in listed.entries] == order.tolist()
        assert [entry.share for entry in listed.entries] == pytest.approx(row[order], abs=1e-5)
        assert listed.note == f"elsewhere {row[queries].sum():.3f}"
        assert "not A→B: p shows it" in screen.text
        await screen.press("end")
        assert f"{row[-1]:.4f}" in screen.text

        window = main.query_one(AttentionGrid).window
        assert window is not None
        inside = np.full_like(row, np.nan)[None].repeat(len(row), 0)
        inside[queries, keys] = weights[LAYER, HEAD, queries, keys]
        np.testing.assert_allclose(window.weights, inside, atol=1e-5)

        await screen.press("G")
        assert (main.look.layer, main.look.head) == (layer, head)
        await screen.press("p", "p", "p")
        assert main.look.between == "all" and main.look.map == "cell"


async def test_a_statistic_stays_and_one_sentence_has_none_of_it(open_app: Opener) -> None:
    async with open_app("demo-bert", PAIR) as screen:
        main = screen.main
        await screen.press("o", "p", "p")
        assert (main.look.map, main.look.between) == ("previous", "A-B")
        await screen.press("O")
        assert main.look.map == "pair"
        await screen.press("O", "o", "w")
        assert main.look.map == "pair" and "A→B" in screen.text
        shares = main.query_one(HeadMap).values
        assert shares is not None and np.isfinite(shares).all()
        main.work(Past("One sentence."))
        await screen.until(lambda: main.look.run and main.look.boundary is None)
        await screen.settled()
        assert (main.look.map, main.look.between) == ("cell", "all")
        await screen.press("p")
        assert "There is one sentence" in screen.text
