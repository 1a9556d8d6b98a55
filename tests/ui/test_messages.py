"""What the program says: one sentence at a time, over the keys at the bottom."""

import pytest

from attntui.ui.messages import Trouble, Waiting
from attntui.ui.widgets.message_line import MessageLine
from tests.ui.conftest import Opener


async def test_a_key_pressed_again_says_it_once(open_app: Opener) -> None:
    async with open_app(prompt="tokens 12", fake=True) as screen:
        await screen.press("u", "u", "u")
        assert screen.lines[-1].startswith(" Nothing is marked")
        assert screen.text.count("Nothing is marked") == 1
        await screen.press("less_than_sign")
        assert "Everything is drawn." in screen.lines[-1]
        screen.main.query_one(MessageLine).go_on()
        await screen.settled()
        assert "? help" in screen.lines[-1]


async def test_sentences_come_in_turn_and_go(open_app: Opener) -> None:
    async with open_app(prompt="tokens 12", fake=True) as screen:
        line = screen.main.query_one(MessageLine)
        screen.main.note("First note.")
        screen.main.note("Second note.")
        screen.main.say("It broke [/b] \x1b[31m.", severe=True)
        await screen.settled()
        assert "It broke [/b] " in screen.lines[-1] and "\x1b" not in screen.lines[-1]
        for sentence in ("First note.", "Second note."):
            line.go_on()
            await screen.settled()
            assert sentence in screen.lines[-1]
        line.go_on()
        await screen.settled()
        assert "? help" in screen.lines[-1]


async def test_what_was_read_does_not_come_back_after_an_answer(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(prompt="tokens 12", fake=True) as screen:
        line = screen.main.query_one(MessageLine)
        screen.main.say("It is unread.", severe=True)
        screen.main.say("It was read.", severe=True)
        monkeypatch.setattr("attntui.ui.widgets.message_line.READ", 0)
        screen.main.say("An answer.")
        seen = []
        while line.display:
            seen.append(str(line.content))
            line.go_on()
        assert seen == ["An answer.", "It is unread."]


async def test_an_answer_goes_when_the_model_is_put_to_work(open_app: Opener) -> None:
    async with open_app(prompt="tokens 12", fake=True) as screen:
        line = screen.main.query_one(MessageLine)
        screen.main.say("Given up.")
        line._since -= 1
        screen.main.post_message(Waiting("running the prompt"))
        await screen.until(lambda: not line.display, 2)  # by itself it goes after five seconds


async def test_a_refusal_goes_when_something_has_run(open_app: Opener) -> None:
    async with open_app(prompt="tokens 12", fake=True) as screen:
        for sentence, lasts in (("No such model.", False), ("The engine died.", True)):
            screen.main.post_message(Trouble(sentence, lasts))
            await screen.until(lambda sentence=sentence: sentence in screen.text, 2)
        screen.main.say("An answer.")
        await screen.press("R")
        await screen.settled()
        left = [each.sentence for each in screen.main.query_one(MessageLine)._left]
        assert "No such model." not in left and "The engine died." in left
