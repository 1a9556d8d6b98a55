"""Words swapped on the screen: against eager attention of every swapped text."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from attntui.core.protocol import GetOrder
from attntui.demo import MODELS
from attntui.ui.late import Late
from attntui.ui.widgets.head_map import HeadMap
from tests.engine.test_order import expected, names
from tests.ui.conftest import Opener

TEXT = "Every old man saw a dog there"


def reference() -> tuple[np.ndarray, np.ndarray]:
    """(layers, heads) by words and by places; pairs that become other tokens left out."""
    folder = MODELS["demo"].folder
    net = AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def attention(text: str) -> np.ndarray:
        with torch.no_grad():
            outputs = net(**tokenizer(text, return_tensors="pt"), output_attentions=True)
        return torch.stack(outputs.attentions)[:, 0].double().numpy()

    words, a = TEXT.split(), attention(TEXT)
    ours = names(SimpleNamespace(tokenizer=tokenizer), TEXT)
    sums = np.zeros((*a.shape[:2], 3))
    for at in range(len(words) - 1):
        order = [*words[:at], words[at + 1], words[at], *words[at + 2 :]]
        theirs = names(SimpleNamespace(tokenizer=tokenizer), " ".join(order))
        if sorted(ours) != sorted(theirs):
            continue
        b = attention(" ".join(order))
        for head in np.ndindex(a.shape[:2]):
            sums[head] += expected(a[head], b[head], ours, theirs, True)
    return sums[..., 0] / sums[..., 2], sums[..., 1] / sums[..., 2]


async def test_q_colours_the_map_by_what_follows_order(open_app: Opener) -> None:
    by_words, by_places = reference()
    async with open_app(prompt=TEXT) as screen:
        main, heads = screen.main, screen.main.query_one(HeadMap)
        await screen.press("g", "0", ".", "2", "enter", "Q")
        await screen.until(lambda: heads.values is not None and not heads.progress)
        np.testing.assert_allclose(heads.values, by_words - by_places, atol=1e-4)
        figures = f"words {by_words[0, 2]:.2f} · places {by_places[0, 2]:.2f}"
        assert figures in screen.text and "Heads · order" in screen.text
        assert (by_words - by_places)[0, 2] > 0.5
        await screen.press("equals_sign")
        assert "swapped, pair by pair" in screen.text
        await screen.press("escape", "x")  # another run: its own swaps
        await screen.until(lambda: heads.values is not None and not heads.progress)
        assert main.look.map == "order"
        await screen.press("backspace")
        await screen.until(lambda: heads.values is not None and not heads.progress)
        np.testing.assert_allclose(heads.values, by_words - by_places, atol=1e-4)


async def test_esc_stops_and_q_goes_on(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(prompt=TEXT) as screen:
        main, heads = screen.main, screen.main.query_one(HeadMap)
        latest, asked = main.session.latest, []

        async def counted(slot, request, *more):  # type: ignore[no-untyped-def]
            if isinstance(request, GetOrder):
                asked.append(request)
                if len(asked) == 2:
                    with monkeypatch.context() as patch:
                        patch.setattr(Late, "names", {"order"})  # a pair takes long
                        main.action_leave()
            return await latest(slot, request, *more)

        main.session.latest = counted  # type: ignore[method-assign]
        await screen.press("Q")
        assert "Stopped after 1 of 6 pairs" in screen.text
        assert len(asked) == 2 and heads.values is not None and heads.progress == "1/6"
        await screen.press("Q")
        await screen.until(lambda: not heads.progress)
        assert len(asked) == 7, "the one that was left began anew"
    async with open_app(prompt="dog dog .") as screen:
        await screen.press("Q")
        assert "nothing to swap" in screen.text
