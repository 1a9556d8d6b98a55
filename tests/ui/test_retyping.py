"""The text changed at the cursor, masked, expected: against transformers on the changed text."""

import re
from collections.abc import Sequence

import numpy as np
import torch
from textual.widgets import Input
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from attntui.core.protocol import PromptInput
from attntui.demo import MODELS
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.prompt_box import PromptBox, SecondBox
from attntui.ui.widgets.ranked_list import RankedList
from tests.ui.conftest import Opener, Screen

TEXT = "The old cat saw the dog"


def eager(text: str, model: str = "demo") -> tuple[np.ndarray, torch.Tensor, list[str]]:
    """(layers, heads, n, n), probabilities (n, vocabulary), tokens."""
    folder = MODELS[model].folder
    kind = AutoModelForCausalLM if model == "demo" else AutoModelForMaskedLM
    net = kind.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        outputs = net(**batch, output_attentions=True)
    tokens = [tokenizer.decode([each]) for each in batch["input_ids"][0]]
    return torch.stack(outputs.attentions)[:, 0].numpy(), outputs.logits[0].softmax(-1), tokens


def shown(screen: Screen) -> np.ndarray:
    window = screen.main.query_one(AttentionGrid).window
    assert window is not None
    return window.weights


def here(screen: Screen) -> str:
    return screen.main.look.queries[screen.main.look.query].text


async def go(screen: Screen, token: str) -> None:
    await screen.press("slash", *token, "enter")
    assert token in here(screen)


async def replace(screen: Screen, text: str) -> None:
    await screen.press("C")
    screen.main.query_one(Input).value = text
    await screen.press("enter")


async def test_a_token_is_replaced_and_compared_at_once(open_app: Opener) -> None:
    (before, chances_before, _), (after, chances, _) = (
        eager(TEXT),
        eager("The old dog saw the dog"),
    )
    async with open_app(prompt=TEXT, start=Start(layer=1, head=2)) as screen:
        main, box = screen.main, screen.main.query_one(PromptBox)
        await go(screen, "cat")
        at, key = main.look.query, main.look.key
        await screen.press("C")
        assert main.query_one(Input).value == "cat"
        await screen.press(*["backspace"] * 3, *"dog", "enter")
        assert box.text == "The old dog saw the dog"
        assert (main.look.query, main.look.key, here(screen)) == (at, key, " dog")
        assert '"cat" is now "dog". D shows the text before' in screen.text
        np.testing.assert_allclose(shown(screen), after[1, 2], atol=1e-5)
        first = main.query_one("#predictions", RankedList).entries[0]
        best = int(torch.maximum(chances[at], chances_before[at]).argmax())
        assert np.isclose(first.share, float(chances[at, best]), atol=1e-5)
        p, q = chances_before[at], chances[at]
        assert f'KL {float((p * (p / q).log()).sum()):.2f} from "·cat"' in screen.text
        await screen.press("D")
        assert "before: the text before" in screen.text
        np.testing.assert_allclose(shown(screen), before[1, 2], atol=1e-5)
        await screen.press("D")
        np.testing.assert_allclose(shown(screen), (after - before)[1, 2], atol=1e-5)

        await replace(screen, "")
        assert "nothing changes" in screen.text and box.text == "The old dog saw the dog"
        await screen.press("x")  # a head off is compared with this text, not the one before
        assert main.look.before is not None and len(main.look.edits.ablated) == 1
        assert main.look.shown == "difference"
        await screen.press("D", "D")
        np.testing.assert_allclose(shown(screen), after[1, 2], atol=1e-5)
        assert "before: the model as it is" in screen.text


async def test_deleted_swapped_and_doubled(open_app: Opener) -> None:
    async with open_app(prompt=TEXT) as screen:
        box = screen.main.query_one(PromptBox)
        await go(screen, "old")
        await screen.press("W", "W")
        assert (box.text, here(screen)) == ("The cat saw old the dog", " old")
        await screen.press("quotation_mark")
        assert (box.text, here(screen)) == ("The cat saw old old the dog", " old")
        tokens = [token.text for token in screen.main.look.queries]
        assert screen.main.look.query == tokens.index(" old") + 1
        await screen.press("delete")
        assert (box.text, here(screen)) == ("The cat saw old the dog", " the")
        np.testing.assert_allclose(
            shown(screen),
            eager(box.text)[0][screen.main.look.layer, screen.main.look.head],
            atol=1e-5,
        )
        await screen.press("ctrl+end", "W")
        assert "none to swap with" in screen.text
        await screen.press("ctrl+home", "delete")
        assert "adds this token" in screen.text and box.text == "The cat saw old the dog"


async def test_a_word_of_a_pair_and_what_was_typed(open_app: Opener) -> None:
    prompt = PromptInput(text="A strange cat.", pair="The unlikely dog.")
    async with open_app("demo-bert", prompt) as screen:
        main = screen.main
        await screen.press("w")
        await go(screen, "unlikely")
        assert len(main.look.side("queries").tokens) > len(main.look.queries)  # type: ignore[union-attr]
        main.query_one(PromptBox).text = "not run yet"
        await screen.press("W")
        assert main.query_one(SecondBox).text == "The dog unlikely."
        assert main.query_one(PromptBox).text == "A strange cat." and here(screen) == "unlikely"
        assert any(past.text == "not run yet" for past in main.query_one(PromptBox).past)
        await screen.press("ctrl+end", "delete")
        assert "adds this token" in screen.text


async def test_a_pinned_run_stays_pinned(open_app: Opener) -> None:
    async with open_app(prompt=TEXT) as screen:
        main = screen.main
        await screen.press("c")
        pinned = main.look.run
        await go(screen, "cat")
        for text in ("dog", "man"):
            await replace(screen, text)
            assert main.look.before is pinned
            assert main.query_one(PromptBox).text == f"The old {text} saw the dog"
        await screen.press("D")
        assert "before: the pinned text" in screen.text
        await screen.press("c")
        await go(screen, "man")
        await replace(screen, "cat")
        assert main.look.before is not None and main.look.before is not pinned
        await screen.press("i", "ctrl+u", *"The end.", "enter")
        await screen.until(lambda: len(main.look.queries) < 6)
        await screen.settled()
        assert main.look.before is None and main.session.pinned is None


def figures(sentence: str) -> Sequence[float]:
    return [float(each.replace(",", "")) for each in re.findall(r"[\d.,]*\d", sentence)]


async def test_a_masked_token_and_what_the_model_puts_there(open_app: Opener) -> None:
    text = "The boy opened the door and went into the garden."
    _, chances, tokens = eager(text.replace("garden", "[MASK]"), "demo-bert")
    at = tokens.index("[MASK]")
    garden = AutoTokenizer.from_pretrained(MODELS["demo-bert"].folder).convert_tokens_to_ids(
        "garden"
    )
    async with open_app("demo-bert", text) as screen:
        await go(screen, "garden")
        await screen.press("asterisk")
        assert screen.main.query_one(PromptBox).text == text.replace("garden", "[MASK]")
        assert screen.main.look.query == at and here(screen) == "[MASK]"
        entries = screen.main.query_one("#predictions", RankedList).entries
        found = {entry.label: entry.share for entry in entries}
        best = max(found, key=found.__getitem__)
        assert np.isclose(found[best], float(chances[at].max()), atol=1e-5)
        line = next(line for line in screen.lines if '"garden" has' in line)
        rank = 1 + int((chances[at] > chances[at, garden]).sum())
        assert figures(line)[1] == rank > 1
        np.testing.assert_allclose(
            [figures(line)[0], figures(line)[2]],
            [float(chances[at, garden]), float(chances[at].max())],
            atol=6e-4,
        )
        await screen.press("asterisk")
        assert "masked already" in screen.text


async def test_what_was_expected_of_a_token(open_app: Opener) -> None:
    _, chances, _ = eager(TEXT)
    async with open_app(prompt=TEXT) as screen:
        main = screen.main
        await go(screen, "dog")
        await screen.press("asterisk")
        at, listed = main.look.query, main.query_one("#predictions", RankedList)
        row = chances[at - 1]
        assert np.isclose(listed.entries[0].share, float(row.max()), atol=1e-5)
        assert f"expected here · at {at}" in screen.text
        token = AutoTokenizer.from_pretrained(MODELS["demo"].folder)(TEXT)["input_ids"][at]
        line = next(line for line in screen.lines if "dog" in line and "has" in line)
        assert np.isclose(figures(line)[0], float(row[token]), atol=6e-4)
        assert figures(line)[1] == 1 + int((row > row[token]).sum())
        await screen.press("up")  # the list goes along
        assert np.isclose(listed.entries[0].share, float(chances[at - 2].max()), atol=1e-5)
        await screen.press("ctrl+home")
        assert not listed.display
        await screen.press("ctrl+end", "asterisk")
        assert np.isclose(listed.entries[0].share, float(chances[-1].max()), atol=1e-5)


async def test_hostile_text_is_shown_safe_and_kept(open_app: Opener) -> None:
    text = "The a\x1b]0;x\x07 cat"
    async with open_app(prompt=text) as screen:
        tokens = [token.text for token in screen.main.look.queries]
        at = next(at for at, token in enumerate(tokens) if "\x1b" in token)
        await screen.press("ctrl+home", *["down"] * at, "C")
        field = screen.main.query_one(Input)
        assert field.value and "\x1b" not in field.value
        await screen.press("enter")
        assert "same text" in screen.text
        await screen.press("ctrl+end", "delete")
        assert screen.main.session.prompt == PromptInput(text=text.removesuffix(" cat"))
