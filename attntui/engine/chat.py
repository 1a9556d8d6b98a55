"""Chats: messages, the model's own template around them, and whose words each token is."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput
from attntui.core.tokens import sanitise, whole_text
from attntui.engine.alignment import Span
from attntui.engine.model import LoadedModel
from attntui.engine.refusals import first_sentence
from attntui.engine.tokenising import Piece, split, with_start

_MARK = re.compile("\ue000([0-9]+)\ue001")
"""Stands for a message while its place in the template is looked for; private use characters."""


@dataclass(frozen=True)
class Message:
    """What one side of a chat says."""

    role: str
    content: str


def tokenise_chat(loaded: LoadedModel, prompt: PromptInput) -> list[Piece]:
    """The tokens of the model's chat template around the messages.

    The template brings its own special tokens, so none are added when its text is tokenised. Its
    own words are part -1 and have no role; other offsets are into the message they belong to.

    Raises:
        UserError: there is no template, or it refuses the messages.
    """
    tokenizer = loaded.tokenizer
    if not tokenizer.chat_template:
        raise UserError(f"{sanitise(loaded.options.model)} has no chat template: leave out --chat.")
    said = messages(prompt.text)
    if not any(message.content.strip() for message in said):
        raise UserError("The chat is empty: its messages say nothing.")
    rendered, places = _rendered(tokenizer, said)
    pieces = split(tokenizer, rendered)
    if prompt.special_tokens == "bos":
        started = with_start(loaded, pieces)
        pieces = pieces if pieces[0].id == started[0].id else started
    if not any(places):
        return pieces
    return [_told(piece, rendered, said, places) for piece in pieces]


def messages(text: str) -> list[Message]:
    """The messages of a chat: a JSON list of objects with role and content, or one user's text.

    Raises:
        UserError: a message of the list has no role or content that is text.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    listed = isinstance(given, list) and given and all(isinstance(each, dict) for each in given)
    if not listed or not all("role" in each for each in given):
        return [Message("user", text)]
    return [_message(number, each) for number, each in enumerate(given, start=1)]


def _message(number: int, given: dict[str, Any]) -> Message:
    role, content = given["role"], given.get("content")
    if not isinstance(role, str) or not role:
        raise UserError(f"Message {number} of the chat needs a role such as user or assistant.")
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        others = [str(part.get("type")) for part in content if part.get("type") != "text"]
        if others:
            raise UserError(
                f"Message {number} of the chat holds '{sanitise(others[0])}': attntui reads text, "
                "no images and no sound."
            )
        content = "".join(str(part.get("text", "")) for part in content)
    if not isinstance(content, str):
        raise UserError(f"Message {number} of the chat needs a content that is text.")
    return Message(whole_text(role), whole_text(content))


def _rendered(
    tokenizer: PreTrainedTokenizerBase, said: Sequence[Message]
) -> tuple[str, list[Span | None]]:
    """The template's text, and where in it each message stands; None where it does not.

    A message may stand there stripped. Marks in place of the messages tell where: a short message,
    such as "user", may be found among the template's own words too.

    Raises:
        UserError: the template refuses the messages.
    """
    contents = [message.content for message in said]
    marks = [f"\ue000{at}\ue001" for at in range(len(said))]
    skeleton, in_parts = "", False
    for tried in (False, True):  # templates of image-text models take a message in parts
        with suppress(Exception):
            found = _render(tokenizer, said, marks, tried)
            if _MARK.search(found):
                skeleton, in_parts = found, tried
                break
    try:
        rendered = _render(tokenizer, said, contents, in_parts)
    except Exception as error:
        raise UserError(f"The chat template refuses this: {first_sentence(error)}") from error
    return rendered, _walked(skeleton, rendered, contents) or _searched(rendered, contents)


def _render(
    tokenizer: PreTrainedTokenizerBase,
    said: Sequence[Message],
    contents: Sequence[str],
    in_parts: bool,
) -> str:
    """The template around some contents, up to where the model is to answer."""
    chat: list[dict[str, Any]] = [
        {
            "role": message.role,
            "content": [{"type": "text", "text": content}] if in_parts else content,
        }
        for message, content in zip(said, contents, strict=True)
    ]
    asks = said[-1].role != "assistant"
    return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=asks))


def _walked(skeleton: str, rendered: str, contents: Sequence[str]) -> list[Span | None] | None:
    """The contents' places, the template's own words stepped over; None where those differ."""
    first, *rest = _MARK.split(skeleton)  # the template's words, a number, its words, ...
    if not rest or not rendered.startswith(first):
        return None
    places: list[Span | None] = [None] * len(contents)
    at = len(first)
    for number, literal in zip(map(int, rest[::2]), rest[1::2], strict=True):
        content = contents[number]
        forms = (content, content.strip(), content.lstrip(), content.rstrip())
        form = next((each for each in forms if rendered.startswith(each + literal, at)), None)
        if form is None:
            return None
        places[number] = (at, at + len(form))
        at += len(form) + len(literal)
    return places if at == len(rendered) else None


def _searched(rendered: str, contents: Sequence[str]) -> list[Span | None]:
    """The contents' places where a template does not treat them alike: each after the last."""
    places: list[Span | None] = []
    at = 0
    for content in contents:
        start = rendered.find(content.strip(), at)
        at = start + len(content.strip()) if start >= 0 else at
        places.append((start, at) if start >= 0 else None)
    return places


def _told(
    piece: Piece, rendered: str, said: Sequence[Message], places: Sequence[Span | None]
) -> Piece:
    """A piece of the rendered template as one of the message it stands in, or the template's."""
    for message, place in zip(said, places, strict=True):
        if place is not None and piece.start < place[1] and piece.end > place[0]:
            start, end = place
            shift = message.content.find(rendered[start:end]) - start
            return replace(
                piece,
                start=max(piece.start, start) + shift,
                end=min(piece.end, end) + shift,
                source=message.content,
                role=message.role,
            )
    return replace(piece, part=-1)
