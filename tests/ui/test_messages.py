"""What the program says: one sentence at a time, over the keys at the bottom."""

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
