"""A prompt with a little of its text changed: a word replaced, taken out, swapped, doubled.

The text is changed and not the tokens, so that whoever types what is shown gets the same run.
"""

from dataclasses import dataclass
from typing import Literal

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput, SideInfo, Token

Field = Literal["text", "pair", "decoder_text"]
"""The texts of a prompt."""


@dataclass(frozen=True)
class Place:
    """Characters `start` to `end` of one of a prompt's texts."""

    field: Field
    text: str
    """The whole of it."""
    start: int
    end: int

    @property
    def says(self) -> str:
        return self.text[self.start : self.end]

    @property
    def is_apart(self) -> bool:
        """Whether it is a word by itself: after white space, and nothing is written on to it."""
        before, after = self.text[: self.start][-1:], self.text[self.end :][:1]
        return (not before or before.isspace()) and not after.isalnum()


@dataclass(frozen=True)
class Retyped:
    """A changed prompt, and where in its text the change is, or what was changed went."""

    prompt: PromptInput
    field: Field
    at: int


def place_of(prompt: PromptInput, side: SideInfo, first: int, last: int) -> Place:
    """Where the tokens `first` to `last` of a side, the last included, stand in its text.

    White space around them is left out, unless they are nothing else.

    Raises:
        UserError: the text has no such place, as the tokenizer's own tokens have none.
    """
    tokens = side.tokens[first : last + 1]
    if prompt.chat:
        raise UserError("The messages of a chat are changed in the prompt's box: i.")
    if any(token.part < 0 for token in tokens):
        raise UserError("The tokenizer or the model adds this token: it is not in the text.")
    if any(token.start < 0 for token in tokens):
        raise UserError("It is not known where in the text this stands: change it in the box, i.")
    field, text = _text(prompt, side, tokens[0])
    start, end = min(token.start for token in tokens), max(token.end for token in tokens)
    says = text[start:end]
    if says.strip():
        start, end = start + len(says) - len(says.lstrip()), end - len(says) + len(says.rstrip())
    return Place(field, text, start, end)


def _text(prompt: PromptInput, side: SideInfo, token: Token) -> tuple[Field, str]:
    if side.name != "decoder":
        return ("text", prompt.text) if token.part == 0 else ("pair", prompt.pair or "")
    if prompt.decoder_text is not None:
        return "decoder_text", prompt.decoder_text
    written = "".join(token.text for token in side.tokens if token.part >= 0)
    if any(written[each.start : each.end] != each.text for each in side.tokens if each.part >= 0):
        raise UserError("The model wrote this text itself: type it into the second box, I, first.")
    return "decoder_text", written


def replaced(prompt: PromptInput, place: Place, by: str) -> Retyped:
    """Other characters in its place."""
    text = place.text[: place.start] + by + place.text[place.end :]
    return _retyped(prompt, place.field, text, place.start)


def deleted(prompt: PromptInput, place: Place) -> Retyped:
    """Without it, and a word also without the spaces before it; the first, those after it."""
    before, after = place.text[: place.start], place.text[place.end :]
    if place.is_apart:
        before, after = before.rstrip(" "), after if before else after.lstrip(" ")
    if not (before + after).strip():
        raise UserError("Nothing else is in this text, and an empty one cannot run.")
    at = min(len(before) + (after[:1] == " "), len(before + after) - 1)
    return _retyped(prompt, place.field, before + after, at)


def swapped(prompt: PromptInput, place: Place, after: Place) -> Retyped:
    """Two places in each other's stead; what is between them stays where it is."""
    text = place.text
    between = text[place.end : after.start]
    middle = after.says + between
    whole = text[: place.start] + middle + place.says + text[after.end :]
    return _retyped(prompt, place.field, whole, place.start + len(middle))


def doubled(prompt: PromptInput, place: Place) -> Retyped:
    """The same twice; of a word, with a space between."""
    more = " " + place.says if place.is_apart else place.says
    text = place.text[: place.end] + more + place.text[place.end :]
    return _retyped(prompt, place.field, text, place.end + len(more) - len(place.says))


def _retyped(prompt: PromptInput, field: Field, text: str, at: int) -> Retyped:
    """What was typed and chosen alone: whatever else belongs to the text as it was."""
    texts = {"text": prompt.text, "pair": prompt.pair, "decoder_text": prompt.decoder_text}
    whole = {**texts, field: text}
    changed = PromptInput(
        text=whole["text"] or "",
        pair=whole["pair"],
        decoder_text=whole["decoder_text"],
        chat=prompt.chat,
        special_tokens=prompt.special_tokens,
        truncate=prompt.truncate,
        generate=prompt.generate,
    )
    return Retyped(changed, field, at)


def token_at(prompt: PromptInput, side: SideInfo, field: Field, at: int) -> int | None:
    """The token of a side that has a character of one of a prompt's texts; None where none has."""
    for number, token in enumerate(side.tokens):
        is_here = token.part >= 0 and _field(prompt, side, token) == field
        if is_here and token.start >= 0 and token.end > at:
            return number
    return None


def _field(prompt: PromptInput, side: SideInfo, token: Token) -> Field:
    if side.name == "decoder":
        return "decoder_text"
    return "text" if token.part == 0 else "pair"
