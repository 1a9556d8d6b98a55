"""Keys that come in one packet with the one that leaves a field: a slow line sends many at once."""

from textual import events

from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.prompt_box import PromptBox
from tests.ui.conftest import Opener, Screen


def send(screen: Screen, *keys: str) -> None:
    """As the terminal's driver does, without waiting for what a key does."""
    for key in keys:
        screen.app.post_message(events.Key(key, "\r" if key == "enter" else key))


async def test_what_follows_enter_in_the_prompt_is_for_the_page(open_app: Opener) -> None:
    async with open_app(prompt="tokens 9", fake=True) as screen:
        await screen.press("ctrl+end", "i")
        send(screen, "enter", "k", "k")
        await screen.until(lambda: screen.main.look.query == 6, 5)
        assert screen.main.query_one(PromptBox).text == "tokens 9"
        await screen.press("i", "9")
        assert screen.main.query_one(PromptBox).text == "tokens 99"
        await screen.press("backspace", "escape", "k")
        assert screen.main.look.query == 5
        assert isinstance(screen.main.focused, AttentionGrid)


async def test_what_follows_enter_in_a_question_is_for_the_page(open_app: Opener) -> None:
    async with open_app(prompt="The dog saw a cat. The dog saw a cat. The dog sat.") as screen:
        found = [at for at, token in enumerate(screen.main.look.queries) if "dog" in token.text]
        assert len(found) == 3
        await screen.press("ctrl+home", "slash")
        send(screen, *"dog", "enter", "n")
        await screen.until(lambda: screen.main.look.query == found[1], 5)
        assert screen.main.match == "dog"
        send(screen, "n")
        await screen.until(lambda: screen.main.look.query == found[2], 5)
        await screen.press("slash", *"sat", "enter", "slash", *"cat")
        assert screen.main.match == "cat"
