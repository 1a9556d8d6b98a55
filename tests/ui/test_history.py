"""The runs of a session as a tree: what is told of each, and that going back gives the same."""

from msgspec.structs import replace
from textual.widgets import OptionList

from attntui.core.protocol import Cut, Edits, Head, ModelOptions, PromptInput
from attntui.ui.history import History, State, difference
from attntui.ui.screens.history_window import HistoryWindow
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.prompt_box import PromptBox
from tests.ui.conftest import Opener, Screen

MODEL = ModelOptions(model="demo")


def state(text: str, *off: tuple[int, int], model: ModelOptions = MODEL) -> State:
    heads = tuple(Head("self", *each) for each in off)
    return State(model, PromptInput(text=text), Edits(heads))


def test_what_changed_is_told_in_a_few_words() -> None:
    first = state("The cat saw a dog.")
    told = [
        (state("The old cat saw a dog."), "‘old’ added"),
        (state("The cat a dog."), "‘saw’ deleted"),
        (state("The cat met a dog."), "‘saw’ → ‘met’"),
        (state("The saw cat a dog."), "‘cat saw’ → ‘saw cat’"),
        (state("The cat saw a dog.", (0, 2), (1, 1)), "0.2 off, 1.1 off"),
        (state("Quite another text that differs from beginning to end"), "new text ‘Quite another"),
        (state("The cat saw a dog.", model=ModelOptions(model="gpt2")), "gpt2"),
        (State(MODEL, replace(first.prompt, pair="B.")), "‘B.’ added"),
        (State(MODEL, replace(first.prompt, special_tokens="none")), "read otherwise"),
    ]
    for other, words in told:
        assert difference(first, other).startswith(words)
    assert difference(None, first) == "‘The cat saw a dog.’"
    assert difference(state("x", (0, 2), (1, 1)), state("x", (1, 1))) == "0.2 on"
    assert difference(state("x", (0, 2)), state("x")) == "all heads on, all edges whole"
    cut = State(MODEL, PromptInput(text="x"), Edits(cuts=(Cut("self", 3, 1, 0, 0),)))
    assert difference(state("x"), cut) == "cut 3:1@0"
    assert difference(state("a"), state("a\x1b[2J")).isprintable()


def test_a_tree_branches_and_repeats_nothing() -> None:
    history = History()
    for text in ("a", "a", "b", "c"):
        history.add(state(text))
    third = history.here
    history.add(state("b"))  # as before: back to it
    assert third is not None and history.here is third.before
    history.add(state("d"))
    history.add(state("e"))
    history.here = history.root
    history.add(state("f"))
    lines = [lead + node.state.prompt.text for lead, node in history.lines()]
    assert lines == ["a", "├ b", "│ ├ c", "│ └ d", "│   e", "└ f"]


def weights(screen: Screen) -> bytes:
    window = screen.main.query_one(AttentionGrid).window
    assert window is not None
    return window.weights.tobytes()


async def test_back_and_forth_gives_the_same(open_app: Opener) -> None:
    async with open_app(prompt="The cat saw the dog") as screen:
        main, box = screen.main, screen.main.query_one(PromptBox)
        seen = [(box.text, main.look.edits, weights(screen))]
        await screen.press("up", "up", "delete")
        seen.append((box.text, main.look.edits, weights(screen)))
        await screen.press("x")
        await screen.press("ctrl+x")
        await screen.until(lambda: main.look.edits.cuts)
        await screen.settled()
        seen.append((box.text, main.look.edits, weights(screen)))
        head = main.look.layer, main.look.head
        assert len({each[2] for each in seen}) == 3

        def found() -> tuple[str, Edits, bytes]:
            return box.text, main.look.edits, weights(screen)

        await screen.press("comma")
        assert not main.look.edits.cuts and len(main.look.edits.ablated) == 1
        await screen.press("comma")
        assert found() == seen[1] and main.look.before is None
        query = main.look.query
        await screen.press("comma")
        assert found() == seen[0] and main.look.query == query
        await screen.press("comma")
        assert "first run" in screen.text
        for _ in range(3):
            await screen.press("semicolon")
            await screen.settled()
        assert found() == seen[2], "text, head and cut edge are all back"
        assert (main.look.layer, main.look.head) == head
        await screen.press("semicolon")
        assert "No run was made" in screen.text

        await screen.press("comma", "comma")
        await screen.press("quotation_mark")  # from an old run: a branch
        assert len(list(main.history.lines())) == 5
        await screen.press("H")
        assert isinstance(screen.app.screen, HistoryWindow)
        assert "├ " in screen.text and "off" in screen.text
        options = screen.app.screen.query_one(OptionList)
        assert options.highlighted == 4
        await screen.press("home", "enter")
        await screen.until(lambda: found() == seen[0])
        await screen.settled()
        await screen.press("H", "down", "down", "down", "enter")  # far: text, head and edge at once
        await screen.until(lambda: found() == seen[2])
        await screen.settled()
        assert len(list(main.history.lines())) == 5 and main.history.here is not None
        assert main.history.here.change.startswith("cut ")


async def test_another_model_is_come_back_from(open_app: Opener) -> None:
    async with open_app(prompt="The cat saw the dog") as screen:
        main, before = screen.main, weights(screen)
        main.open_model(ModelOptions(model="demo-bert"))
        await screen.until(lambda: main.look.model is not None and main.look.model.name != "demo")
        await screen.settled()
        assert [node.change for _, node in main.history.lines()][1:] == ["demo-bert"]
        await screen.press("comma")
        await screen.until(lambda: main.look.model is not None and main.look.model.name == "demo")
        await screen.settled()
        assert weights(screen) == before and main.session.options.model == "demo"
