"""The screen on a file of attention: what needs a model says that there is none."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from attntui.client.engine import Engine
from attntui.core.protocol import ModelOptions
from attntui.ui.app import AttnApp
from attntui.ui.memory import Memory
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.message_line import MessageLine
from attntui.ui.widgets.prompt_box import PromptBox
from tests.ui.conftest import Screen

TOKENS = ["[CLS]", "the", "\x1b[31mcat", "[SEP]"]


def weights(*shape: int) -> np.ndarray:
    found = np.random.default_rng(3).random(shape) ** 4
    return (found / found.sum(-1, keepdims=True)).astype(np.float32)


A = weights(2, 3, 4, 4)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Screen]:
    app = AttnApp(ModelOptions(model=""), None, Start(file=str(path)), Engine())
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        screen = Screen(app, pilot)
        await screen.until(lambda: screen.main.look.run is not None)
        await screen.settled()
        yield screen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.savez(tmp_path / "given.npz", attention=A, tokens=TOKENS)
    return tmp_path / "given.npz"


async def test_a_file_is_explored_as_a_model_is(path: Path) -> None:
    async with opened(path) as screen:
        window = screen.main.query_one(AttentionGrid).window
        assert window is not None
        assert np.array_equal(window.weights, A[0, 0])
        await screen.press("shift+right", "shift+down")
        window = screen.main.query_one(AttentionGrid).window
        assert window is not None
        assert np.array_equal(window.weights, A[1, 1])
        assert "given.npz · 2 layers × 3 heads · 4 tokens" in screen.lines[0]
        assert "from a file, not compared · rows sum to 1" in screen.lines[0]
        assert "exact" not in screen.lines[0]
        await text_is_shown_and_not_edited(screen)
        screen.main.action_next_basis()
        screen.main.action_next_map(1)
        await screen.settled()
        assert "there is no model to ask" in screen.text


async def text_is_shown_and_not_edited(screen: Screen) -> None:
    box, run = screen.main.query_one(PromptBox), screen.main.look.run
    assert "Text · read from given.npz" in screen.text
    assert box.text == "[CLS] the ␛[31mcat [SEP]"
    for key in ("i", "I"):
        await screen.press(key)
        assert screen.app.focused is not box
        assert "there is no model to read another" in screen.text
    screen.app.set_focus(box)
    await screen.press("x", "up", "enter")
    assert box.text == "[CLS] the ␛[31mcat [SEP]"
    assert screen.main.look.run is run
    assert not Memory().prompts() and Memory().place() is None and not Memory().models()


async def test_it_is_freed_and_read_again_and_a_model_opened_in_its_place(path: Path) -> None:
    async with opened(path) as screen:
        await screen.press("U")
        assert "no model loaded" in screen.lines[0]
        await screen.press("U")
        await screen.until(lambda: "from a file" in screen.lines[0])
        before = screen.main.look.run
        screen.main._model_picked("no/such-model")
        await screen.until(lambda: "is not on this machine" in screen.text)
        await screen.settled()
        assert screen.main.session.file == str(path)
        assert screen.main.look.run is before
        screen.main._model_picked("demo")
        await screen.until(lambda: screen.main.look.run is not before)
        await screen.settled()
        box = screen.main.query_one(PromptBox)
        assert not box.read_only and "[CLS]" not in box.text
        assert "exact" in screen.lines[0]


async def test_two_sentences_of_which_a_part_was_kept(tmp_path: Path) -> None:
    path, part = tmp_path / "pair.npz", np.full_like(A, np.nan)
    part[..., :2, 2:] = A[..., :2, 2:]
    meta = json.dumps({"attntui": "0", "model": "m", "between": "A-B"})
    np.savez(path, attention=part, tokens=TOKENS, sentence_b_start=[2], meta=meta)
    async with opened(path) as screen:
        main = screen.main
        while "The file holds A→B only" not in screen.text:
            assert main.query_one(MessageLine).display
            main.query_one(MessageLine).go_on()
            await screen.pilot.pause()
        assert "not compared · no row is whole" in screen.lines[0]
        await screen.press("ctrl+home", "home")
        assert "not in the file" in screen.text and "t shows it" not in screen.text
        await screen.press("end")
        assert f"{A[0, 0, 0, 3]:.4f}" in screen.text
        await screen.press("p")
        assert main.look.between == "A-A" and main.look.boundary == 2
        await screen.press("p")
        shares = part[:, :, :2, 2:].sum(-1).mean(-1)
        assert main.query_one(HeadMap).values == pytest.approx(shares, abs=1e-6)
        for key in "23456":
            await screen.press(key)
            assert "nan" not in screen.text and "fault" not in screen.text


async def test_a_part_opens_on_what_there_is(tmp_path: Path) -> None:
    part = tmp_path / "part.npz"
    np.savez(part, attention=A[:1, :1], tokens=TOKENS, layers=[3], heads=[2])
    async with opened(part) as screen:
        assert (screen.main.look.layer, screen.main.look.head) == (3, 2)
        window = screen.main.query_one(AttentionGrid).window
        assert window is not None and np.array_equal(window.weights, A[0, 0])
        await screen.press("shift+left")
        window = screen.main.query_one(AttentionGrid).window
        assert window is not None and np.isnan(window.weights).all()
