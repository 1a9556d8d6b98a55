"""Every key does what its line in the table says, and none fires while typing."""

import re
from pathlib import Path

import numpy as np
from textual.widgets import Input

from attntui.core.protocol import PromptInput, Word
from attntui.ui.keys import KEYS, markdown
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.prompt_box import PromptBox, SecondBox
from tests.ui.conftest import Opener


async def test_the_cell_moves_and_stays_inside(open_app: Opener) -> None:
    async with open_app() as screen:
        main = screen.main
        await screen.press("ctrl+home", "home")
        assert (main.look.query, main.look.key) == (0, 0)
        await screen.press("up", "h")
        assert (main.look.query, main.look.key) == (0, 0)
        await screen.press("j", "down", "l", "right", "k")
        assert (main.look.query, main.look.key) == (1, 2)
        await screen.press("ctrl+end", "end")
        last = len(main.look.queries) - 1
        assert (main.look.query, main.look.key) == (last, last)


async def test_heads_by_every_key(open_app: Opener) -> None:
    async with open_app() as screen:
        main = screen.main

        def head() -> tuple[int, int]:
            return main.look.layer, main.look.head

        await screen.press("g", "1", ".", "2", "enter")
        assert head() == (1, 2)
        await screen.press("shift+right", "shift+down")
        assert head() == (2, 3)
        await screen.press("left_curly_bracket", "left_square_bracket")
        assert head() == (1, 2)
        await screen.press("right_curly_bracket", "right_square_bracket")
        assert head() == (2, 3)
        assert "Layer 2 Head 3" in screen.text
        await screen.press("g", "9", "9", "enter")
        assert head() == (2, 3)
        assert "There is no head 99" in screen.text
        await screen.press("g", "x", "enter")
        assert "is no head" in screen.text


async def test_the_map_finds_the_induction_head(open_app: Opener) -> None:
    async with open_app(prompt="Zog flim quex barn. " * 3) as screen:
        await screen.press("o", "o")
        found = screen.main.query_one(HeadMap)
        assert screen.main.look.map == "induction"
        assert found.values is not None
        await screen.press("G")
        largest = found.largest()
        assert largest is not None
        assert (screen.main.look.layer, screen.main.look.head) == largest[:2]
        assert largest[2] >= 0.5


async def test_letters_never_fire_while_typing(open_app: Opener) -> None:
    async with open_app() as screen:
        before = screen.main.look
        box = screen.main.query_one(PromptBox)
        await screen.press("i")
        assert box.has_focus
        await screen.press(*"qmrszfo")
        assert box.text.endswith("qmrszfo")
        assert screen.main.look == before
        await screen.press("escape")
        assert screen.main.query_one(AttentionGrid).has_focus


async def test_the_prompt_is_emptied_whole_and_walked_from_end_to_end(open_app: Opener) -> None:
    text = "a long prompt of many words " * 20
    async with open_app(prompt=text + "\nand a second line") as screen:
        box, look = screen.main.query_one(PromptBox), screen.main.look
        before = box.text
        await screen.press("i", "ctrl+home")
        assert box.cursor_location == (0, 0)
        await screen.press("ctrl+end")
        assert box.cursor_location == box.document.end
        assert screen.main.look == look
        await screen.press("up", "ctrl+u")
        assert box.text == ""
        await screen.press("ctrl+z")
        assert box.text == before


async def test_a_model_that_writes_on_has_no_second_sentence(open_app: Opener) -> None:
    async with open_app() as screen:
        await screen.press("I")
        assert "demo reads one text; BERT's kind reads two sentences." in screen.text
        assert not screen.main.query_one(SecondBox).display
    async with open_app(prompt=PromptInput(text="A cat.", pair="A dog.")) as screen:
        await screen.press("I")
        assert screen.main.query_one(SecondBox).has_focus


async def test_the_prompt_runs_and_is_remembered(open_app: Opener) -> None:
    async with open_app() as screen:
        box = screen.main.query_one(PromptBox)
        first = box.text
        await screen.press("i", "ctrl+a", "ctrl+k", *"one", "ctrl+j", *"two", "enter")
        await screen.until(lambda: screen.main.look.run and screen.main.look.run.run == 2)
        await screen.settled()
        tokens = screen.main.look.queries
        assert "one\ntwo" in "".join(token.text for token in tokens)
        await screen.press("i", "up", "up")
        assert box.text == first
        await screen.press("down", "down")
        assert box.text == "one\ntwo"


async def test_search_goes_round(open_app: Opener) -> None:
    async with open_app() as screen:
        main = screen.main
        await screen.press("ctrl+home", "slash")
        assert main.query_one(Input).has_focus
        await screen.press(*"dog", "enter")
        first = main.look.query
        assert "dog" in main.look.queries[first].text
        assert "“dog”: 1 of 2; n goes to the next." in screen.text
        await screen.press("n")
        assert "“dog”: 2 of 2" in screen.text
        second = main.look.query
        assert second > first and "dog" in main.look.queries[second].text
        await screen.press("n")
        assert main.look.query == first
        await screen.press("N")
        assert main.look.query == second
        await screen.press("slash", *"zebra")
        assert main.look.query == second, "“z” or “ze” may be there, the whole is not"
        await screen.press("enter")
        assert "The text has no" in screen.text


async def test_what_is_there_once_says_so(open_app: Opener) -> None:
    async with open_app(prompt="The dog saw a cat.") as screen:
        await screen.press("slash", *"cat", "enter")
        assert "“cat” is there once." in screen.text
        at = screen.main.look.query
        await screen.press("n")
        assert screen.main.look.query == at and "“cat” is there once." in screen.text


async def test_a_token_far_away_comes_to_the_middle(open_app: Opener) -> None:
    async with open_app(prompt="tokens 400", fake=True) as screen:
        grid = screen.main.query_one(AttentionGrid)
        await screen.press("ctrl+home", "g", *"#200", "enter")
        assert screen.main.look.query == 200
        rows, _ = grid.frame.visible()
        assert abs((rows[0] + rows[1]) / 2 - 200) < 2
        await screen.press("down")
        assert grid.frame.visible()[0] == rows


async def test_search_finds_what_goes_over_several_tokens(open_app: Opener) -> None:
    async with open_app(prompt="The old queen saw a queen.") as screen:
        main = screen.main
        texts = [token.text for token in main.look.queries]
        before = main.look.query
        assert not any("queen" in text for text in texts)
        found = []
        for keys in (["slash", *"QUEEN", "enter"], ["n"]):
            await screen.press(*keys)
            found.append(main.look.query)
            assert "".join(texts[found[-1] :]).strip().startswith("queen")
        assert found[0] != found[1]
        await screen.press("slash", *"queer", "enter")
        assert main.look.query == found[1] != before and "The text has no" in screen.text
    async with open_app("demo-bert", "The old king, a queen.") as screen:
        for key in ("w", "w"):  # in words, then in tokens, which bring no white space
            await screen.press(key, "slash", *"old ki", "enter")
            look = screen.main.look
            assert look.queries[look.query].text == "old"


async def test_words_and_back_is_the_same_cell(open_app: Opener) -> None:
    async with open_app(prompt="The old queen saw a queen.") as screen:
        await screen.press("ctrl+end", "end")
        for _ in range(len(screen.main.look.queries)):
            look = screen.main.look
            await screen.press("w", "w")
            assert (screen.main.look.query, screen.main.look.key) == (look.query, look.key)
            await screen.press("up", "left")
        await screen.press("ctrl+end", "w", "up")
        word = screen.main.look.queries[screen.main.look.query]
        await screen.press("w")
        assert isinstance(word, Word) and word.first < word.last == screen.main.look.query


async def test_zoom_writes_numbers_and_pools(open_app: Opener) -> None:
    async with open_app(prompt="one two three " * 30, size=(80, 24)) as screen:
        grid = screen.main.query_one(AttentionGrid)
        assert grid.step == 1
        await screen.press("f")
        assert grid.step > 1 and grid.window is not None and grid.window.step == grid.step
        await screen.press("f", *["z"] * 12)
        assert grid.cell_width == 7
        assert re.search(r" \.\d\d | 1\.0 ", screen.text)
        await screen.press("z")
        assert "as near as it goes" in screen.text


async def test_a_key_that_cannot_work_says_why(open_app: Opener) -> None:
    async with open_app() as screen:
        await screen.press("a")
        assert "one stack" in screen.text
        await screen.press("n")
        assert "Nothing was searched" in screen.text


async def test_theme_scale_and_windows(open_app: Opener) -> None:
    async with open_app() as screen:
        for scale in ("sqrt", "log", "row", "linear"):
            await screen.press("s")
            assert screen.main.look.scale == scale
        dark = screen.app.palette
        await screen.press("T")
        assert screen.app.palette != dark
        for key, word in [("equals_sign", "softmax"), ("L", "log"), ("question_mark", "Cell")]:
            await screen.press(key)
            assert word in screen.text
            await screen.press("escape")
        await screen.press("ctrl+p")
        await screen.press(*"rollout", "enter")
        await screen.until(lambda: screen.main.look.lens == "rollout")


async def test_own_keys_work_and_the_old_ones_are_free(open_app: Opener) -> None:
    own = {
        "look.words": "Ctrl+W, z",
        "look.zoom_in": "w",
        "program.palette": "F2",
        "look.scale": "space bar",
        "cell.mark_query": "+",
        "head.choose": "^p",
    }
    async with open_app(start=Start(keys=own)) as screen:
        main = screen.main
        for key in ("ctrl+w", "z"):
            before = main.look.words
            await screen.press(key)
            assert main.look.words != before
        grid = main.query_one(AttentionGrid)
        zoom = grid.zoom
        await screen.press("w", "space", "plus", "ctrl+p")
        assert grid.zoom != zoom and main.look.scale == "sqrt"
        assert main.look.marked_queries == {main.look.query}
        assert main.look.chosen == ((main.look.layer, main.look.head),)
        await screen.press("f2")
        assert screen.app.screen is not main


def test_ids_and_keys_are_unique() -> None:
    ids = [key.id for key in KEYS]
    keys = [name for key in KEYS for name in key.keys.split(",")]
    assert len(set(ids)) == len(ids)
    assert len(set(keys)) == len(keys)


def test_the_readme_lists_every_key() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert f"<!-- keys -->\n{markdown()}\n<!-- end of keys -->" in readme


async def test_another_text_has_no_marks_and_opens_at_its_mask(open_app: Opener) -> None:
    async with open_app("demo-bert", "The boy opened the door.") as screen:
        await screen.press("space", "v", "up", "space")
        assert screen.main.look.marked_queries and screen.main.look.marked_keys
        await screen.press("i", "ctrl+u", *"A [MASK] sat.", "enter")
        await screen.until(lambda: "[MASK]" in [one.text for one in screen.main.look.queries])
        await screen.settled()
        look = screen.main.look
        assert not look.marked_queries and not look.marked_keys
        assert look.queries[look.query].text == "[MASK]"
        assert "not marked any more" in screen.text


async def test_a_hidden_cell_has_no_figure(open_app: Opener) -> None:
    async with open_app("demo-bert", "A dog.", size=(80, 24)) as screen:
        await screen.press("z", "z", "t", "ctrl+home", "home")
        grid = screen.main.query_one(AttentionGrid)
        assert grid.window is not None and np.isnan(grid.window.weights[0, 0])
        assert grid.cell_width >= 5 and "nan" not in screen.text


async def test_a_masked_cell_names_no_head_of_the_largest_weight(open_app: Opener) -> None:
    for size in ((120, 36), (80, 24)):
        async with open_app(size=size) as screen:
            await screen.press("ctrl+home", "end")
            look = screen.main.look
            assert look.key > look.query == 0
            assert "no head looks there" in screen.text
            await screen.press("G")
            assert "No head has a value: no head looks there." in screen.text


async def test_the_footer_has_the_keys_of_the_prompt_while_one_types(open_app: Opener) -> None:
    async with open_app() as screen:
        assert "q quit" in screen.lines[-1]
        await screen.press("i")
        assert "Enter run" in screen.lines[-1] and "q quit" not in screen.lines[-1]
        await screen.press("escape")
        assert "q quit" in screen.lines[-1]


async def test_a_mean_has_no_head_s_number_beside_it(open_app: Opener) -> None:
    async with open_app(size=(80, 24)) as screen:
        bar = screen.main.query_one("#bar")
        here = screen.main.query_one(HeadMap).value_here()
        assert f"this cell {here:.3f}" in screen.text
        for key in ("m", "r"):
            await screen.press(key)
            assert bar.look.lens != "head" and "this cell ·" in screen.text  # type: ignore[attr-defined]
