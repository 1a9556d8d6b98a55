"""Prompts and the place outlive a session, however it ends."""

import stat
from pathlib import Path
from threading import Thread
from time import sleep

import msgspec
import pytest
from msgspec.structs import replace

from attntui.cli import screen as screen_command
from attntui.cli.options import ModelChoice, PromptChoice, StartChoice
from attntui.core.protocol import Edits, Head, ModelOptions, PromptInput
from attntui.ui.choices import PAGES, PageName
from attntui.ui.memory import MODELS, PLACES, PROMPTS, Memory, Past, Place
from attntui.ui.start import Start
from attntui.ui.state import Look
from attntui.ui.widgets.page import Page
from attntui.ui.widgets.prompt_box import PromptBox, SecondBox
from tests.ui.conftest import Opener

PLACED = Place(
    ModelOptions(model="demo"),
    PromptInput(text="日本\x1b[31m", pair="b"),
    Look(layer=3, head=2, query=4, chosen=((1, 2),), marked_keys=frozenset({1}), page="text"),
    Past("half a", "thought"),
)


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state")
    assert memory.place() is None and memory.prompts() == [] and memory.models() == []
    memory.save_place(PLACED)
    assert memory.place() == PLACED
    for text in ("a", "b", "a"):
        memory.add_prompt(Past(text))
    assert memory.prompts() == [Past("b"), Past("a")]
    for name in ("x", "y", "x"):
        memory.add_model(ModelOptions(model=name))
    assert [options.model for options in memory.models()] == ["x", "y"]


def test_what_a_pinned_run_had_changed_goes_with_the_pin(tmp_path: Path) -> None:
    memory, edits = Memory(tmp_path / "state"), Edits(ablated=(Head("self", 0, 2),))
    look = Look(edits=edits, before_edits=edits, aim_text="“cat” at 3")
    memory.save_place(Place(ModelOptions(model="demo"), None, look))
    place = memory.place()
    assert place is not None and place.look == Look(edits=edits)


def test_files_are_private_and_whole(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state")
    memory.save_place(PLACED)
    memory.add_prompt(Past("secret"))
    memory.add_model(PLACED.options)
    assert stat.S_IMODE(memory.folder.stat().st_mode) == 0o700
    (place,) = memory.folder.glob(PLACES)
    assert {path.name for path in memory.folder.iterdir()} == {PROMPTS, place.name, MODELS}
    for path in memory.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_another_program_wrote_is_passed_over(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    (tmp_path / PLACES.replace("*", "0")).write_bytes(b'{"options": 3}')
    (tmp_path / MODELS).write_bytes(b"\xff\xfe")
    (tmp_path / PROMPTS).write_bytes(b'not json\n{"text": "kept"}\n{"text": "half')
    assert memory.place() is None and memory.models() == []
    assert memory.prompts() == [Past("kept")]


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file" / "state")
    memory.save_place(PLACED)
    memory.add_prompt(Past("a"))
    assert memory.write_copy("a") is None
    assert memory.prompts() == []


def test_each_session_has_a_place_and_the_last_to_write_it_counts(tmp_path: Path) -> None:
    a, b = (replace(PLACED, draft=Past(name)) for name in "ab")
    first, second, third, fourth = (Memory(tmp_path) for _ in range(4))

    def save(memory: Memory, place: Place) -> None:
        sleep(0.02)  # a clock tick of any file system
        memory.save_place(place)
        assert Memory(tmp_path).place() == place

    for memory, place in ((first, a), (second, b), (first, a)):
        save(memory, place)
    third.take_over(in_box=a.draft)
    assert third.prompts() == [b.draft], "what is in no box is among the prompts"
    assert third.place() == a, "until the third has a place of its own"
    save(second, PLACED)
    save(third, a)
    assert len(list(tmp_path.glob(PLACES))) == 2, "the second lives"
    fourth.take_over(a.draft)
    save(fourth, a)
    assert len(list(tmp_path.glob(PLACES))) == 1


def test_a_place_is_never_half_written(tmp_path: Path) -> None:
    long = replace(PLACED, prompt=PromptInput(text="long " * 100_000))
    memory = Memory(tmp_path)
    memory.save_place(PLACED)
    (path,) = tmp_path.glob(PLACES)

    def write() -> None:
        for number in range(100):
            memory.save_place(PLACED if number % 2 else long)

    writing = Thread(target=write)
    writing.start()
    while writing.is_alive():
        assert msgspec.json.decode(path.read_bytes(), type=Place) in (PLACED, long)
    writing.join()


async def test_two_screens_at_once_mix_nothing(open_app: Opener) -> None:
    async with open_app(prompt="tokens 5", fake=True) as a:
        await a.press("shift+left", "i", "1", "escape")
        async with open_app(prompt="tokens 3", fake=True) as b:
            await b.press("shift+up", "i", "2", "escape")
        place = Memory().place()
        assert place is not None and place.prompt == PromptInput(text="tokens 3")
        assert place.draft == Past("tokens 32") and (place.look.layer, place.look.head) == (0, 1)
        await a.press("s")
    place = Memory().place()
    assert place is not None and place.prompt == PromptInput(text="tokens 5")
    assert place.draft == Past("tokens 51") and place.look.scale == "sqrt"
    assert (place.look.layer, place.look.head) == (1, 0)


async def test_the_place_and_a_draft_come_back(open_app: Opener) -> None:
    async with open_app(prompt="tokens 6", fake=True) as screen:
        await screen.press("shift+right", "k", "k", "1", "s", "i", "ctrl+e", "1")
        left = screen.main.look
        assert "not run yet, Enter runs it" in screen.text
    place = Memory().place()
    assert place is not None and place.draft == Past("tokens 61")
    start = Start(look=place.look, draft=place.draft)
    async with open_app(prompt=place.prompt, start=start, fake=True) as screen:
        look, box = screen.main.look, screen.main.query_one(PromptBox)
        assert look.scale == "sqrt"
        assert (look.layer, look.head, look.query) == (left.layer, left.head, left.query)
        assert box.text == "tokens 61" and len(look.queries) == 6
        assert "not run yet, Enter runs it" in screen.text
        await screen.press("i", "up")
        assert box.text == "tokens 6" and "not run yet" not in screen.text
        await screen.press("down", "enter")
        assert box.text == "tokens 61" and "not run yet" not in screen.text
    place = Memory().place()
    assert place is not None and place.draft is None and place.prompt is not None
    assert place.prompt.text == "tokens 61"
    assert not list(Memory().folder.glob(".*"))


@pytest.mark.parametrize("model", ["demo", "demo-bert"])
async def test_a_draft_is_back_in_the_box_of_its_own_model(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    Memory().save_place(PLACED)
    starts: list[Start] = []
    monkeypatch.setattr("attntui.ui.app.run_screen", lambda *given: starts.append(given[2]) or 0)
    monkeypatch.setattr(screen_command, "has_terminal", lambda: True)
    screen_command.open_screen(ModelChoice(model=model), PromptChoice(), StartChoice(), None)
    async with open_app(prompt=None, start=starts[0]) as screen:
        box = screen.main.query_one(PromptBox)
        assert (box.typed == PLACED.draft) == (model == "demo")
        if model != "demo":
            assert "not run yet" not in screen.text
            await screen.press("i", "up")
            assert box.typed == PLACED.draft


async def test_a_prompt_on_the_command_line_goes_before_a_draft(open_app: Opener) -> None:
    Memory().save_place(PLACED)
    async with open_app(prompt="tokens 4", fake=True) as screen:
        box = screen.main.query_one(PromptBox)
        assert box.text == "tokens 4" and "not run yet" not in screen.text
        await screen.press("i", "up")
        assert box.typed == Past("half a", "thought")
        assert screen.main.query_one(SecondBox).display


async def test_walking_loses_nothing_that_was_typed(open_app: Opener) -> None:
    async with open_app(prompt="tokens 4", fake=True) as screen:
        box = screen.main.query_one(PromptBox)
        await screen.press("i", *"0", "up")
        assert box.text == "tokens 4"
        await screen.press(*"2", "up", "up", "up")
        assert box.text == "tokens 4"
        await screen.press("down")
        assert box.text == "tokens 40"
        await screen.press("down", "down")
        assert box.text == "tokens 42"
        await screen.press("ctrl+a", "ctrl+k", "up")
        assert box.text == "tokens 42"


async def test_what_did_not_run_is_not_what_a_session_opens_on(open_app: Opener) -> None:
    async with open_app(prompt="tokens 4", fake=True) as screen:
        await screen.press("i", "ctrl+a", "ctrl+k", *"fail user Too long.", "enter")
        await screen.until(lambda: "Too long." in screen.text)
    place = Memory().place()
    assert place is not None and place.prompt == PromptInput(text="tokens 4")
    assert place.draft == Past("fail user Too long.")


async def test_a_session_that_came_to_nothing_leaves_the_place(open_app: Opener) -> None:
    Memory().save_place(PLACED)
    for keys in ([], ["i", "x"]):
        start = Start(draft=PLACED.draft)
        async with open_app("no/such", start=start, prompt=None, wait=False) as screen:
            await screen.pilot.press(*keys)
            await screen.pilot.pause(1)
        place = Memory().place()
        assert place is not None
        assert (place == PLACED) == (not keys)
        assert not keys or place.draft == Past("half ax", "thought")


async def test_a_second_text_is_run_and_walked_with_the_first(open_app: Opener) -> None:
    async with open_app("demo-bert", prompt=PromptInput(text="He slept.", pair="Why?")) as screen:
        second = screen.main.query_one(SecondBox)
        assert second.display and second.text == "Why?"
        parts = [token.part for token in screen.main.look.queries]
        assert 1 in parts
        await screen.press("i", "ctrl+t")
        assert second.has_focus
        await screen.press("ctrl+a", "ctrl+k", *"She woke.", "enter")
        await screen.until(lambda: screen.main.look.run and screen.main.look.run.run == 2)
        await screen.settled()
        text = "".join(token.text for token in screen.main.look.queries if token.part == 1)
        assert "wo##ke" in text
        await screen.press("i", "up")
        assert second.text == "Why?"
        await screen.press("I", "escape", "I", "ctrl+a", "ctrl+k", "enter")
        await screen.until(lambda: screen.main.look.run and screen.main.look.run.run == 3)
        await screen.settled()
        assert not second.display
        assert {token.part for token in screen.main.look.queries} == {0, -1}


async def test_every_view_opens_before_there_is_a_run(open_app: Opener) -> None:
    start = Start(look=Look(page="lines"))
    async with open_app(prompt="tokens 4", start=start, fake=True, wait=False) as screen:
        for key in "2345612":
            await screen.pilot.press(key)
        await screen.until(lambda: screen.main.look.run is not None)
        await screen.settled()
        assert screen.main.look.page == "lines"


@pytest.mark.parametrize("page", PAGES)
async def test_every_view_can_be_where_a_session_left(open_app: Opener, page: PageName) -> None:
    start = Start(look=Look(page=page))
    async with open_app(prompt="tokens 4", start=start, fake=True) as screen:
        main = screen.main
        assert main.focused is main.page and main.page.id == page and main.page.size.height > 5
        assert [each.id for each in main.query(Page) if each.display] == [page]
        assert [name for name in PAGES if main.has_class(f"-{name}")] == [page]


async def test_a_draft_outlives_the_next_session_too(open_app: Opener) -> None:
    Memory().save_place(PLACED)
    for _ in range(2):
        async with open_app(prompt="tokens 4", fake=True):
            pass
    assert PLACED.draft in Memory().prompts()
