"""The score taken apart is the model's own: q and k from its layers, sums and cells from those."""

import re

import numpy as np
import pytest

from attntui.demo import MODELS
from attntui.ui.start import Start
from attntui.ui.widgets.neuron_view import NeuronView
from tests.ui.conftest import PROMPT, Opener
from tests.ui.test_first_picture import eager

TEXT = "The boy opened the [MASK] and went into the garden."


def bert_vectors(prompt: str, layer: int, head: int) -> tuple[np.ndarray, np.ndarray]:
    """q and k (tokens, size) of a head of demo-bert, from hooks on its own projections."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = MODELS["demo-bert"].folder
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    attention = model.encoder.layer[layer].attention.self
    found: dict[str, np.ndarray] = {}

    def keep(name: str) -> object:
        return lambda module, given, output: found.update({name: output[0].numpy()})

    attention.query.register_forward_hook(keep("q"))
    attention.key.register_forward_hook(keep("k"))
    with torch.no_grad():
        model(**AutoTokenizer.from_pretrained(folder)(prompt, return_tensors="pt"))
    size = model.config.hidden_size // model.config.num_attention_heads
    part = slice(head * size, (head + 1) * size)
    return found["q"][:, part], found["k"][:, part]


def cells(view: NeuronView, line: int, count: int, reach: int) -> list[int]:
    """Levels of the cells that a line of the page shows, read from their colours."""
    styles = view.palette.diverging.styles
    shown = []
    for segment in view.render_line(line):
        if segment.style in styles:
            shown += [styles.index(segment.style) - reach] * len(segment.text)
    return shown[:: len(shown) // count]


async def test_a_score_is_the_sum_of_what_its_dimensions_add(open_app: Opener) -> None:
    layer, head = 0, 3
    q, k = bert_vectors(TEXT, layer, head)
    start = Start(layer=layer, head=head)
    async with open_app("demo-bert", prompt=TEXT, start=start) as screen:
        main, view = screen.main, await screen.show("6", NeuronView)
        query, key = main.look.query, main.look.key
        products = q[query].astype(np.float64) * k[key]
        assert view.parts is not None
        np.testing.assert_allclose(view.parts.query, q[query], atol=1e-4)
        np.testing.assert_allclose(view.parts.keys, k, atol=1e-4)
        score = products.sum() / np.sqrt(len(products))
        assert f"q · k = {products.sum():+.4g}" in screen.text
        assert f"= score {score:+.4g}" in screen.text
        weights = np.exp(q[query] @ k.T / np.sqrt(len(products)))
        weight = (weights / weights.sum())[key]
        assert f"softmax: weight {weight:.4f}" in screen.text

        largest = int(np.abs(products).argmax())
        shown = re.search(r" (\d+) +([+-][\d.]+) × +([+-][\d.]+) = +([+-][\d.]+)", screen.text)
        assert shown is not None and int(shown[1]) == largest
        for text, value in zip(shown.groups()[1:], (q[query], k[key], products), strict=True):
            assert float(text) == pytest.approx(value[largest], abs=0.06)

        texts = ["".join(one.text for one in view.render_line(y)) for y in range(view.size.height)]
        row = next(y for y, text in enumerate(texts) if text.startswith("q × k"))
        reach = view.palette.diverging.reach
        for line, values in enumerate((q[query], k[key], products), row - 2):
            shares = np.abs(values) / np.abs(values).max() * (reach + 1)
            expected = np.sign(values) * np.minimum(np.floor(shares + 1e-6), reach)
            assert cells(view, line, len(values), reach) == expected.tolist()
        await screen.press("enter")
        assert "Enter puts them in order" in screen.text
        ordered = cells(view, row, len(products), reach)
        assert ordered == sorted(ordered, reverse=True) and ordered[0] > 0


async def test_the_other_keys_stand_beside_it(open_app: Opener) -> None:
    layer, head = 1, 2
    weights = eager("demo", PROMPT)[layer, head]
    async with open_app(start=Start(layer=layer, head=head)) as screen:
        main, view = screen.main, await screen.show("6", NeuronView)
        await screen.press("up", "up", "home")
        query = main.look.query
        assert view.parts is not None
        np.testing.assert_allclose(view.parts.weights, weights[query], atol=1e-5)
        scores = view.parts.scores.astype(np.float64)
        seen = np.exp(scores - scores.max())
        np.testing.assert_allclose(seen / seen.sum(), weights[query], atol=1e-5)
        np.testing.assert_allclose(
            (view.parts.keys @ view.parts.query)[: query + 1] * view.parts.reply.scaling,
            scores[: query + 1],
            atol=1e-4,
        )
        assert f"▸ {main.look.key}" in screen.text
        await screen.press("right")
        assert main.look.key == 1 and "▸ 1" in screen.text
        assert f"{weights[query, 1]:.4f}" in screen.text

        line = next(y for y, key in view._picture.keys.items() if key == 4)
        await screen.pilot.click(view, offset=(view._picture.keys_from + 4, line + 1))
        await screen.settled()
        assert main.look.key == 4
        await screen.press("end")
        assert "masked: the query cannot see it" in screen.text
        await screen.press("home", "m", "w")
        assert "this is one head" in screen.text
        assert "Of each word, its last token." in screen.text
        await screen.press("equals_sign")
        assert "score_j = q_i · k_j × scale" in screen.text


async def test_shades_fold_into_any_size(open_app: Opener) -> None:
    for size in ((80, 24), (30, 9)):
        async with open_app(size=size, start=Start(style="shade")) as screen:
            view = await screen.show("6", NeuronView)
            assert view._picture.lines
            if size[0] == 80:
                assert re.search(r"^ *q [·+*#=≡-]{32,} *$", screen.text, re.MULTILINE)
                assert not view.max_scroll_y
            else:
                await screen.press("pagedown")
                assert view.scroll_offset.y > 0


async def test_without_q_and_k_the_page_says_why(open_app: Opener) -> None:
    async with open_app(fake=True, prompt="tokens 3") as screen:
        view = await screen.show("6", NeuronView)
        assert "Only the weights are known here." in screen.text
        assert view.requests(screen.main.look) == {}
