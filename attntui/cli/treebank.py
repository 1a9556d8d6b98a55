"""A treebank in the CoNLL-U format: sentences, their words as stretches of text, and relations."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from attntui.cli.prompts import name_of, read_file
from attntui.core.errors import UserError
from attntui.core.tokens import sanitise

if TYPE_CHECKING:
    from conllu import TokenList

Span = tuple[int, int]
"""Characters, half-open."""

_UNREAD = {column: lambda line, at: line[at] for column in ("feats", "deps")}


class Relation(NamedTuple):
    """A dependency between two words of a sentence, by their numbers from 0."""

    name: str
    dependent: int
    head: int


@dataclass(frozen=True)
class Sentence:
    """A text and its words, None where a word is no stretch of it (French `du`: de, le)."""

    text: str
    words: tuple[Span | None, ...]
    relations: tuple[Relation, ...]
    """All but the root's, which is no relation of two words."""


def read_treebank(file: str, subtypes: bool) -> list[Sentence]:
    """The sentences of a file; relations by their universal part (`nmod`), or with `subtypes`
    in full (`nmod:poss`).

    Raises:
        UserError: it cannot be read, is no CoNLL-U, has no heads, or conllu is not installed.
    """
    try:
        import conllu
        from conllu.exceptions import ParseException
    except ImportError:
        raise UserError(
            "Reading a treebank needs the conllu package: pip install 'attntui[conllu]'."
        ) from None
    content = read_file(file, "The treebank")
    sentences: list[Sentence] = []
    try:
        for tokens in conllu.parse_incr(io.StringIO(content), field_parsers=_UNREAD):
            if tokens:
                sentences.append(_sentence(tokens, subtypes))
    except KeyError as error:
        raise UserError(
            f"{name_of(file)} is no CoNLL-U: it has no column {error.args[0]}."
        ) from None
    except (ParseException, ValueError) as error:
        where = f"{name_of(file)}, sentence {len(sentences) + 1}"
        raise UserError(f"{where}: no CoNLL-U: {sanitise(str(error))}") from None
    if not sentences:
        raise UserError(f"The treebank {name_of(file)} holds no sentence.")
    return sentences


def _sentence(tokens: "TokenList", subtypes: bool) -> Sentence:
    """
    Raises:
        ValueError: it is no sentence of a treebank.
    """
    words = [token for token in tokens if isinstance(token["id"], int)]
    if [word["id"] for word in words] != list(range(1, len(words) + 1)) or not words:
        raise ValueError("its words are not numbered from 1.")
    surfaces = list(_surfaces(tokens))
    text = tokens.metadata.get("text") or _spelled(surfaces)
    spans = _spans(text, [str(surface["form"]) for surface, _ in surfaces])
    found: list[Span | None] = []
    for (surface, inside), (start, end) in zip(surfaces, spans, strict=True):
        found += _parts(text[start:end], start, [str(word["form"]) for word in inside or [surface]])
    return Sentence(text, tuple(found), tuple(_relations(words, subtypes)))


def _relations(words: Sequence[Any], subtypes: bool) -> Iterator[Relation]:
    for at, word in enumerate(words):
        head, name = word.get("head"), word.get("deprel")
        if not isinstance(head, int) or not isinstance(name, str) or name in ("", "_"):
            raise ValueError(f"word {at + 1} has no head or no relation (columns 7 and 8).")
        if not 0 <= head <= len(words):
            raise ValueError(
                f"word {at + 1} has the head {head}, and there are {len(words)} words."
            )
        if head > 0:
            yield Relation(name if subtypes else name.split(":")[0], at, head - 1)


def _surfaces(tokens: "TokenList") -> Iterator[tuple[Any, list[Any]]]:
    """What stands in the text, in order: words, and multiword tokens with the words in them.

    Empty nodes (`8.1`) stand nowhere.
    """
    until = 0
    for token in tokens:
        number = token["id"]
        if isinstance(number, int):
            if number > until:
                yield token, []
        elif number is not None and number[1] == "-":
            until = number[2]
            inside = [each for each in tokens if isinstance(each["id"], int)]
            yield token, inside[number[0] - 1 : until]


def _spelled(surfaces: Sequence[tuple[Any, list[Any]]]) -> str:
    """The text that the words make, where the file does not say it."""
    parts = []
    for surface, _ in surfaces:
        joined = (surface.get("misc") or {}).get("SpaceAfter") == "No"
        parts.append(f"{surface['form']}{'' if joined else ' '}")
    return "".join(parts).strip()


def _spans(text: str, forms: Sequence[str]) -> list[Span]:
    """Where each form stands in the text; white space counts for nothing.

    Raises:
        ValueError: the forms do not make the text.
    """
    spans, places = [], [at for at, char in enumerate(text) if not char.isspace()]
    done = 0
    for form in forms:
        bare = "".join(form.split())
        own = places[done : done + len(bare)]
        if not bare or "".join(text[at] for at in own) != bare:
            raise ValueError(f"its text does not go on with {form!r}.")
        spans.append((own[0], own[-1] + 1))
        done += len(bare)
    if done < len(places):
        raise ValueError("its text goes on after the last word.")
    return spans


def _parts(surface: str, start: int, forms: Sequence[str]) -> list[Span | None]:
    """The stretches of a token's words; None for each where they do not spell it."""
    try:
        return [(start + first, start + end) for first, end in _spans(surface, forms)]
    except ValueError:
        return [None] * len(forms)
