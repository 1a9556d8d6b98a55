"""Two runs on the screen, of one model or of two: against eager attention of both."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from attntui.core.protocol import Load, ModelOptions, PromptInput, Request
from attntui.demo import MODELS
from attntui.ui.history import Node, State
from attntui.ui.screens.changed_heads import ChangedHeads
from attntui.ui.screens.main import MainScreen
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.ranked_list import RankedList
from attntui.ui.widgets.side_grid import SideGrid
from tests.ui.conftest import Opener, Screen

TEXT = "The boy opened the door and went into the garden."
STILL = "Nothing is other than what is pinned"


@pytest.fixture(scope="module")
def eager() -> dict[str, np.ndarray]:
    """(layers, heads, n, n) of both bundled models."""
    found = {}
    kinds: Sequence[tuple[str, Any]] = (
        ("demo", AutoModelForCausalLM),
        ("demo-bert", AutoModelForMaskedLM),
    )
    for name, kind in kinds:
        folder = MODELS[name].folder
        net = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32)
        ids = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            found[name] = torch.stack(net.eval()(ids, output_attentions=True).attentions)[:, 0]
    return {name: each.numpy() for name, each in found.items()}


@asynccontextmanager
async def both(open_app: Opener) -> AsyncIterator[Screen]:
    """`demo`, pinned, and `demo-bert`, by one key."""
    async with open_app(prompt=TEXT, start=Start(layer=1, head=2)) as screen:
        await screen.press("K")
        await screen.press(*"demo-bert", "enter")
        main = screen.main
        await screen.until(lambda: main.look.before is not main.look.after)
        await screen.settled()
        yield screen


def sides(main: MainScreen) -> list[SideGrid]:
    """The second grid, where it is in sight."""
    return [each for each in main.query(SideGrid) if each.faces]


def shown(screen: Screen, name: str = "grid") -> np.ndarray:
    window = screen.main.query_one(f"#{name}", AttentionGrid).window
    assert window is not None
    return window.weights


async def test_one_sentence_in_two_models_side_by_side(
    open_app: Opener, eager: dict[str, np.ndarray]
) -> None:
    ours, theirs = eager["demo-bert"], eager["demo"]
    async with both(open_app) as screen:
        main = screen.main
        np.testing.assert_allclose(shown(screen), ours[1, 2], atol=1e-5)
        np.testing.assert_allclose(shown(screen, "beside"), theirs[1, 2], atol=1e-5)
        title = next(line for line in screen.lines if "before: demo" in line)
        assert "before: demo─" in title and "after: demo-bert" in title
        side = main.query_one(SideGrid)
        assert main.look.queries[main.look.query].text == "."
        for keys in (("up", "up", "right"), ("down",)):
            await screen.press(*keys)
            query, key = main.look.query, main.look.key
            assert (side.look.query, side.look.key) == (query, key)
            line = screen.lines[-2]
            assert f"{ours[1, 2, query, key]:.4f}  demo-bert · " in line
            assert f"{theirs[1, 2, query, key]:.4f}  demo" in line
        await screen.press("m")  # of both: they are looked at alike
        np.testing.assert_allclose(shown(screen), ours[1].mean(0), atol=1e-5)
        np.testing.assert_allclose(shown(screen, "beside"), theirs[1].mean(0), atol=1e-5)
        await screen.press("m", "m", "w")
        assert side.look.words and not main.look.why_apart
        await screen.press("w", "ctrl+end")
        assert side.look.query == -1 and "none  demo" in screen.lines[-2]

        await screen.press("up", "D")
        expected = np.full((13, 13), np.nan)
        expected[:12, :12] = ours[1, 2, :12, :12] - theirs[1, 2]
        np.testing.assert_allclose(shown(screen), expected, atol=1e-5)
        assert "difference: demo-bert less demo" in screen.text
        assert screen.lines[0].startswith(" attntui  demo-bert less demo · 4 layers × 6 heads")
        assert "  demo-bert less demo · " in screen.lines[-2]
        cells = main.query_one(HeadMap).values
        assert cells is not None and np.isnan(cells[:, 4:]).all()
        at = main.look.query, main.look.key
        np.testing.assert_allclose(cells[:, :4], (ours[:, :4, *at] - theirs[:, :, *at]), atol=1e-5)

        await screen.press("B", "D", "D")
        assert not sides(main) and main.look.shown == "before"
        np.testing.assert_allclose(shown(screen), theirs[1, 2], atol=1e-5)
        assert screen.lines[0].startswith(" attntui  demo · 4 layers × 4 heads · 12 tokens")
        assert "before: demo" in screen.text and "  demo  " in screen.lines[-2]
        listed = main.query_one("#predictions", RankedList)
        assert "next token" in listed._title and listed.entries[0].before is None


async def test_the_heads_that_changed(open_app: Opener, eager: dict[str, np.ndarray]) -> None:
    async with both(open_app) as screen:
        await screen.press("A")
        window = screen.app.screen
        assert isinstance(window, ChangedHeads)
        p = np.pad(eager["demo-bert"][:, :4, :12, :12], [(0, 0), (0, 0), (0, 0), (0, 1)])
        p[..., 12] = 1 - p.sum(-1)
        q = np.pad(eager["demo"], [(0, 0), (0, 0), (0, 0), (0, 1)])
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = [np.where(one > 0, one * np.log2(2 * one / (p + q)), 0) for one in (p, q)]
        bits = (terms[0] + terms[1]).sum(-1).mean(-1) / 2
        order = [divmod(int(at), 4) for at in np.argsort(-bits.ravel())]
        assert [(layer, head) for _, layer, head in window._ranked] == order
        assert f"{order[0][0]}.{order[0][1]}  {bits.max():.3f}" in screen.text
        await screen.press("down", "enter")
        look = screen.main.look
        assert (look.layer, look.head) == order[1] and look.map == "shift"
        values = screen.main.query_one(HeadMap).values
        assert values is not None
        np.testing.assert_allclose(values[:, :4], bits, atol=1e-5)
        await screen.press("g", *"1.5", "enter", "D")
        assert "only one of the models has head 1.5" in screen.text


async def test_a_head_beside_the_mean_of_its_layer(
    open_app: Opener, eager: dict[str, np.ndarray]
) -> None:
    weights = eager["demo"]
    mean = weights[1].mean(0)
    async with open_app(prompt=TEXT, start=Start(layer=1, head=2)) as screen:
        await screen.press("c", "B")
        assert STILL in screen.text and not sides(screen.main)
        await screen.press("m", "B")
        np.testing.assert_allclose(shown(screen), mean, atol=1e-5)
        np.testing.assert_allclose(shown(screen, "beside"), weights[1, 2], atol=1e-5)
        assert "before: Head 1.2" in screen.text and "after: Mean of layer 1" in screen.text
        await screen.press("D")
        np.testing.assert_allclose(shown(screen), mean - weights[1, 2], atol=1e-5)
        assert "· less Head 1.2" in screen.text and "Mean of layer 1 less" in screen.lines[-2]
        cells, at = screen.main.query_one(HeadMap).values, (screen.main.look.query, 0)
        assert cells is not None  # of one run: each head's own weight
        np.testing.assert_allclose(
            cells[:, :], weights[:, :, at[0], screen.main.look.key], atol=1e-5
        )
        await screen.press("B", "D", "D")
        np.testing.assert_allclose(shown(screen), weights[1, 2], atol=1e-5)
        assert screen.main.look.shows_head
        await screen.press("c")
        assert not screen.main.look.shows_head and screen.main.look.facing is None


async def test_raw_beside_words_has_no_difference(open_app: Opener) -> None:
    text = "The boy opened the door. Grimwen went into the garden."
    async with open_app(prompt=text, start=Start(layer=1, head=2)) as screen:
        await screen.press("c", "w", "B")
        side = screen.main.query_one(SideGrid)
        assert len(side.look.queries) > len(screen.main.look.queries)
        word = screen.main.look.queries[screen.main.look.query]
        assert side.look.query == word.last  # type: ignore[union-attr]
        await screen.press("D")
        assert "one picture is of tokens, the other of words" in screen.text
        assert screen.main.look.shown == "after"
        await screen.press("w")
        assert not screen.main.look.is_compared and not sides(screen.main)


async def test_one_above_the_other_and_where_there_is_no_room(open_app: Opener) -> None:
    async with open_app(prompt=TEXT, size=(80, 40), start=Start(layer=1, head=2)) as screen:
        main = screen.main
        await screen.press("c", "m", "B")
        side, grid = (main.query_one(f"#{each}").region for each in ("beside", "grid"))
        assert side.x == grid.x and side.bottom <= grid.y and min(side.height, grid.height) > 8
        await screen.pilot.resize_terminal(80, 24)
        await screen.settled()
        assert not main.query_one(SideGrid).region and "after: Mean of layer 1" in screen.text
        await screen.press("B", "B")
        assert "There is no room for two grids" in screen.text and not sides(main)


async def test_it_opens_with_two_models_and_the_pin_goes_with_the_engine(
    open_app: Opener, eager: dict[str, np.ndarray]
) -> None:
    start = Start(layer=1, head=2, compare=ModelOptions(model="demo-bert"))
    async with open_app(prompt=TEXT, start=start) as screen:
        main = screen.main
        await screen.until(lambda: main.look.before is not main.look.after)
        await screen.settled()
        np.testing.assert_allclose(shown(screen), eager["demo-bert"][1, 2], atol=1e-5)
        np.testing.assert_allclose(shown(screen, "beside"), eager["demo"][1, 2], atol=1e-5)
        await screen.press("U", "U")
        await screen.until(lambda: main.look.before is None)
        await screen.settled()
        assert "The pinned run went with its model" in screen.text
        assert main.look.facing is None and not sides(main)
        assert screen.lines[0].startswith(" attntui  demo-bert · ")


async def test_a_logit_is_explained_in_the_model_that_has_it(open_app: Opener) -> None:
    async with both(open_app) as screen:
        main = screen.main
        await screen.press("M", "V")
        assert main.look.facing is not None and main.look.facing.method == "norm"
        await screen.press("V")
        assert main.look.method == "gradient" and main.look.aim is not None
        assert main.look.facing.method == "weights" and main.look.facing.aim is None
        await screen.press("B", "D")
        assert main.look.shown == "before" and main.look.method == "weights"
        await screen.press("D", "V", "V", "V", "V")
        assert main.look.method == "norm" == main.look.facing.method, "in step again"


async def test_where_another_model_fails_nothing_of_the_first_is_taken_for_its_own(
    open_app: Opener,
) -> None:
    async with open_app(prompt="the cat " * 300) as screen:  # demo-bert reads 512 tokens
        main, run = screen.main, screen.main.look.run
        await screen.press("K", *"demo-bert", "enter")
        await screen.until(lambda: "reads at most 512" in screen.text)
        assert main.session.options.model == "demo-bert" and main.look.run is run
        for key in ("full_stop", "x"):
            await screen.press(key)
            assert "has not run in the model that is loaded" in screen.text
        assert main.look.run is run and main.session.prompt.ids is None


async def test_a_model_that_does_not_open_changes_nothing(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(prompt="Once upon a time") as screen:
        main = screen.main
        await screen.press("full_stop")
        written, run = main.session.prompt, main.look.run
        assert written is not None and written.ids
        await screen.press("K", *"no/such-model", "enter")
        assert main.session.prompt is written and main.session.options.model == "demo"
        main.go_to(
            Node(State(ModelOptions(model="no/such-model"), PromptInput(text="a")), "", None)
        )
        await screen.settled()
        assert main.session.prompt is written and main.look.run is run
        await screen.press("comma")
        await screen.until(lambda: main.look.run is not run)
        await screen.settled()
        assert main.session.prompt == PromptInput(text="Once upon a time"), "one step, from here"

        ask, begun = main.session.engine.ask, asyncio.Event()

        async def slow(request: Request, *others: Any) -> Any:
            if isinstance(request, Load) and request.options.model == "demo-bert":
                begun.set()
                await asyncio.sleep(60)
            return await ask(request, *others)

        with monkeypatch.context() as waiting:
            waiting.setattr(main.session.engine, "ask", slow)
            await screen.pilot.press("K", *"demo-bert", "enter")
            await begun.wait()
            await screen.pilot.press("x")
            assert main.session.busy and not main.look.edits, "a key of the run in sight waits"
            await screen.pilot.press("escape")
            await screen.until(lambda: not main.session.busy)
            assert main.session.options.model == "demo"
        await screen.press("U")
        await screen.until(lambda: main.session.model is not None)
        await screen.settled()
        assert main.session.model.name == "demo"


async def test_a_changed_text_leaves_both_grids(open_app: Opener) -> None:
    async with both(open_app) as screen:
        await screen.press("up", "up", "delete")
        await screen.press("B", "B")
        (side,) = sides(screen.main)
        assert side.region and "the" not in screen.main.look.queries[-3].text
        await screen.press("W")
        assert sides(screen.main) == [side] and side.region
