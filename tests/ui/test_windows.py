"""What opens over the screen: a head described, rollout's options, copies, other models."""

import numpy as np
import pytest
from textual import events
from textual.widgets import Input

from attntui.ui.memory import Memory
from attntui.ui.widgets.prompt_box import PromptBox
from tests.ui.conftest import Opener
from tests.ui.test_first_picture import eager


async def test_a_head_is_described(open_app: Opener) -> None:
    async with open_app(prompt="Zog flim quex barn. " * 3) as screen:
        await screen.press("g", *"1.2", "enter")
        assert "Mostly what followed" in screen.text
        await screen.press("d")
        assert "An induction head" in screen.text
        assert "What attention does not tell" in screen.text
        await screen.press("escape", "b")
        assert "random" not in screen.lines[3]
        await screen.press("o")
        assert "previous token · random" in screen.text


async def test_columns_stay_apart_where_they_fold(open_app: Opener) -> None:
    async with open_app(prompt="Zog flim quex barn. " * 3, size=(80, 24)) as screen:
        await screen.press("d")
        lines = screen.lines
        first = next(at for at, line in enumerate(lines) if "looks at what followed" in line)
        column = lines[first].index("looks at what")
        assert lines[first + 1][:column].strip("│ ") == "" and lines[first + 1][column] == "c"
        await screen.press("escape", "question_mark")
        at = next(at for at, line in enumerate(screen.lines) if "One score taken" in line)
        assert all(line[:14].strip("│ ") in {"", "6", "7"} for line in screen.lines[at : at + 2])


async def test_rollout_options_change_the_picture_live(open_app: Opener) -> None:
    prompt = "The cat saw the dog."
    weights = eager("demo", prompt).mean(1)
    async with open_app(prompt=prompt) as screen:
        await screen.press("ctrl+r", *["left"] * 3, "down", "right", "right", "right")
        options = screen.main.look.rollout
        assert (options.residual, options.start_layer) == (0.0, 3)
        found = screen.main.query_one("#grid").window  # type: ignore[attr-defined]
        np.testing.assert_allclose(found.weights, weights[3], atol=1e-5)
        await screen.press("escape")
        assert "Rollout · residual 0 · from layer 3" in screen.text


async def test_cell_row_and_lists_are_copied(open_app: Opener) -> None:
    prompt = "The cat saw the dog."
    weights = eager("demo", prompt)[1, 2]
    async with open_app(prompt=prompt) as screen:
        look = screen.main.look
        await screen.press("y", "c")
        shown = float(screen.app.clipboard.rpartition("\t")[2])
        assert abs(shown - weights[look.query, look.key]) < 2e-6
        await screen.press("y", "r")
        lines = screen.app.clipboard.split("\n")
        shares = [float(line.split("\t")[2]) for line in lines]
        np.testing.assert_allclose(shares, weights[look.query], atol=2e-6)
        assert (Memory().folder / "copied.txt").read_text() == screen.app.clipboard
        await screen.press("y", "t")
        assert screen.app.clipboard.startswith('6 "." attends to · Head 1.2\n')


async def test_another_model_keeps_the_prompt(open_app: Opener) -> None:
    prompt = "The boy opened the door."
    async with open_app(prompt=prompt) as screen:
        await screen.press("ctrl+o", *"bert")
        await screen.until(lambda: "BertForMaskedLM" in screen.text)
        await screen.press("enter")
        await screen.until(lambda: screen.main.look.run and screen.main.look.run.run == 2)
        await screen.settled()
        model = screen.main.look.model
        assert model is not None and model.name == "demo-bert"
        assert screen.main.query_one(PromptBox).text == prompt
        await screen.press("ctrl+o", *"no/such-model", "enter")
        await screen.until(lambda: not screen.main.session.busy)
        await screen.settled()
        assert screen.main.session.options.model == "demo-bert"
        await screen.press("i", *" And", "enter")
        await screen.until(lambda: screen.main.look.run and screen.main.look.run.run == 3)
        assert Memory().models()[0].model == "demo-bert"
        assert screen.app.screen.query(Input)


@pytest.mark.parametrize("key", ["H", "ctrl+o", "A", "equals_sign"])
async def test_two_enters_at_once_leave_a_window_and_nothing_more(
    open_app: Opener, key: str
) -> None:
    async with open_app(prompt="The cat saw the dog.") as screen:
        app = screen.app
        if key == "A":
            await screen.press("c", "x")
        await screen.press(key)
        assert len(app.screen_stack) == 2
        for _ in range(2):
            app.post_message(events.Key("enter", "\r"))
        await screen.until(lambda: len(app.screen_stack) == 1, 5)
        await screen.press("right")
        assert app.is_running and screen.main.is_current
