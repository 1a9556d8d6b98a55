"""Text from the command line, a file, standard input, or a bundled model's own prompt."""

import sys
from pathlib import Path

from attntui.core.errors import UserError

STDIN = "-"


def check_text(text: str, option: str) -> str:
    """`text`, where it is whole.

    Raises:
        UserError: bytes of the argument were no UTF-8; Python keeps those as lone surrogates.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"The text given with {option} is not valid UTF-8.") from error
    return text


def read_prompt(text: str | None, file: str | None) -> str | None:
    """The prompt from `--prompt` or `--prompt-file`; a file is one, less its last line end.

    Raises:
        UserError: both are given, or the file cannot be read as UTF-8.
    """
    if file is None:
        return None if text is None else check_text(text, "--prompt")
    if text is not None:
        raise UserError("Give the prompt with --prompt or with --prompt-file, not with both.")
    content = read_file(file, "The prompt file").removesuffix("\n")
    if not content.strip():
        raise UserError(f"The prompt file {name_of(file)} is empty.")
    return content


def read_file(file: str, what: str) -> str:
    """The text of a file or of standard input, its lines ended by line feeds.

    `what` it is, for errors: "The treebank".

    Raises:
        UserError: it cannot be read as UTF-8.
    """
    name = name_of(file)
    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise UserError(f"{what} {name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{what} {name} is not valid UTF-8.") from error


def name_of(file: str) -> str:
    """A file as a sentence names it."""
    return "standard input" if file == STDIN else file


def default_prompt(model: str) -> str | None:
    """A bundled model's own prompt; None for any other model."""
    from attntui.demo import MODELS

    bundled = MODELS.get(model)
    return bundled.prompt if bundled is not None else None
