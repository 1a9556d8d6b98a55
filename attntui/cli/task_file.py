"""A task: questions with their answers, one a line, as JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attntui.core.errors import UserError
from attntui.core.protocol import PromptInput, Question
from attntui.core.tokens import sanitise

FORMS = '{"prompt": …, "answer": …} with a "foil" if you like, or {"text": …, "label": …}'


def read_task(path: str) -> list[Question]:
    """The questions of a file; blank lines are left out.

    Raises:
        UserError: it cannot be read, holds no question, or a line is none.
    """
    try:
        text = Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise UserError(f"{path} is not valid UTF-8.") from None
    questions = list(_questions(path, text))
    if not questions:
        raise UserError(f"{path} holds no question: write one a line, as {FORMS}.")
    return questions


def _questions(path: str, text: str) -> Iterator[Question]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield _question(json.loads(line))
        except json.JSONDecodeError:
            raise UserError(f"{path}, line {number} is no JSON: a question is {FORMS}.") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: {sanitise(str(error))}") from None


def _question(found: Any) -> Question:
    """
    Raises:
        ValueError: it is no question.
    """
    if not isinstance(found, dict):
        raise ValueError(f"a question is {FORMS}.")
    if "label" in found:
        label = found["label"]
        if isinstance(label, int) and not isinstance(label, bool):
            found = {**found, "label": str(label)}
        prompt = PromptInput(text=_text(found, "text"), pair=_text(found, "pair", optional=True))
        return Question(
            prompt=prompt, answer=_text(found, "label"), foil=_text(found, "foil", optional=True)
        )
    return Question(
        prompt=PromptInput(text=_text(found, "prompt"), pair=_text(found, "pair", optional=True)),
        answer=_text(found, "answer") or "",
        foil=_text(found, "foil", optional=True),
    )


def _text(found: dict[str, Any], name: str, optional: bool = False) -> Any:
    value = found.get(name)
    if value is None and optional:
        return None
    if not isinstance(value, str) or not value:
        raise ValueError(f"a question is {FORMS}; here {name} is no text.")
    return value
