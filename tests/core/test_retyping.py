"""A text changed at a token: replaced, taken out, swapped, doubled."""

import re

import pytest

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput, SideInfo, Token, Word
from attntui.core.retyping import deleted, doubled, place_of, replaced, swapped, token_at
from attntui.core.word_order import neighbours


def side(text: str, pattern: str, part: int = 0) -> tuple[Token, ...]:
    """Tokens where the pattern matches."""
    found = re.finditer(pattern, text)
    return tuple(Token(1, each[0], start=each.start(), end=each.end(), part=part) for each in found)


PIECES = r" ?qu|een| ?\w+|[^\w\s]|\s"
"""As GPT-2 has them: a space belongs to the token after it."""
TEXT = "The old queen saw (the) dog."


def changed(
    text: str, token: str, how: str, pattern: str = PIECES, by: str = ""
) -> tuple[str, str]:
    """The text after a change at a token, and what stands where the change is."""
    tokens = side(text, pattern)
    at = [one.text for one in tokens].index(token)
    prompt, whole = PromptInput(text=text), SideInfo("text", tokens)
    place = place_of(prompt, whole, at, at)
    if how == "replace":
        found = replaced(prompt, place, by)
    elif how == "swap":
        found = swapped(prompt, place, place_of(prompt, whole, at + 1, at + 1))
    else:
        found = {"delete": deleted, "double": doubled}[how](prompt, place)
    return found.prompt.text, found.prompt.text[found.at :]


@pytest.mark.parametrize(
    ("token", "how", "after", "here"),
    [
        (" old", "replace", "The x queen saw (the) dog.", "x q"),
        (" qu", "replace", "The old xeen saw (the) dog.", "xe"),
        (" old", "delete", "The queen saw (the) dog.", "queen"),
        ("The", "delete", "old queen saw (the) dog.", "old"),
        (" qu", "delete", "The old een saw (the) dog.", "een"),
        ("een", "delete", "The old qu saw (the) dog.", "saw"),
        (" dog", "delete", "The old queen saw (the).", "."),
        (".", "delete", "The old queen saw (the) dog", "g"),
        ("The", "swap", "old The queen saw (the) dog.", "The"),
        (" qu", "swap", "The old eenqu saw (the) dog.", "qu "),
        (" dog", "swap", "The old queen saw (the) .dog", "dog"),
        (" old", "double", "The old old queen saw (the) dog.", "old q"),
        ("The", "double", "The The old queen saw (the) dog.", "The o"),
        (" qu", "double", "The old ququeen saw (the) dog.", "quee"),
        (".", "double", "The old queen saw (the) dog..", "."),
        (" dog", "double", "The old queen saw (the) dog dog.", "dog."),
    ],
)
def test_a_token_is_changed_in_the_text(token: str, how: str, after: str, here: str) -> None:
    text, rest = changed(TEXT, token, how, by="x")
    assert text == after
    assert rest.startswith(here)


def test_languages_without_spaces_get_none() -> None:
    pattern = "."
    assert changed("猫が犬を", "犬", "double", pattern) == ("猫が犬犬を", "犬を")
    assert changed("猫が犬を", "が", "delete", pattern)[0] == "猫犬を"
    assert changed("猫が犬を", "猫", "swap", pattern) == ("が猫犬を", "猫犬を")
    assert changed("猫が犬を", "猫", "double", pattern)[0] == "猫猫が犬を"


def test_each_text_is_its_own() -> None:
    prompt = PromptInput(text="a b", pair="c d", special_tokens="none", truncate="left")
    cls = Token(0, "[CLS]", special=True, part=-1)
    tokens = (cls, *side("a b", r"\w"), cls, *side("c d", r"\w", 1))
    whole = SideInfo("text", tokens)
    found = replaced(prompt, place_of(prompt, whole, 5, 5), "xy")
    assert (found.prompt.text, found.prompt.pair, found.prompt.truncate) == ("a b", "c xy", "left")
    assert token_at(prompt, whole, found.field, found.at) == 5
    assert token_at(prompt, whole, "text", 0) == 1
    with pytest.raises(UserError, match="adds this token"):
        place_of(prompt, whole, 0, 0)


def test_a_decoder_that_wrote_its_text_is_given_the_changed_one() -> None:
    tokens = (Token(0, "<pad>", special=True, part=-1), *side("das Haus ist", r" ?\w+"))
    whole = SideInfo("decoder", tokens)
    prompt = PromptInput(text="the house")
    found = replaced(prompt, place_of(prompt, whole, 2, 2), "Boot")
    assert (found.prompt.text, found.prompt.decoder_text) == ("the house", "das Boot ist")
    elsewhere = SideInfo("decoder", (Token(1, "x", start=5, end=6),))
    with pytest.raises(UserError, match="wrote this text itself"):
        place_of(prompt, elsewhere, 0, 0)
    given = PromptInput(text="the house", decoder_text="das Haus ist")
    assert deleted(given, place_of(given, whole, 2, 2)).prompt.decoder_text == "das ist"


def test_what_cannot_be_changed_is_said() -> None:
    whole = SideInfo("text", (Token(1, "a", start=0, end=1), Token(2, "?")))
    for prompt, at, why in [
        (PromptInput(text="a"), 1, "not known where"),
        (PromptInput(text="a", chat=True), 0, "chat"),
    ]:
        with pytest.raises(UserError, match=why):
            place_of(prompt, whole, at, at)
    prompt = PromptInput(text="a")
    with pytest.raises(UserError, match="empty one cannot run"):
        deleted(prompt, place_of(prompt, whole, 0, 0))


def test_neighbours_are_words_of_one_text() -> None:
    def word(text: str, part: int = 0, special: bool = False) -> Word:
        return Word(text, 0, 0, special, part)

    words = [word("[CLS]", -1, True), word("a"), word("b"), word("b"), word(","), word("c")]
    words += [word("d"), word("e", 1), word("[MASK]", 1, True), word("f", 1), word("g", 1)]
    assert neighbours(SideInfo("text", (), tuple(words))) == [1, 5, 9]
