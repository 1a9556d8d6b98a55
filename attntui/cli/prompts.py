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
    name = "standard input" if file == STDIN else file
    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        content = data.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"The prompt file {name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"The prompt file {name} is not valid UTF-8.") from error
    content = content.replace("\r\n", "\n").removesuffix("\n")
    if not content.strip():
        raise UserError(f"The prompt file {name} is empty.")
    return content


def default_prompt(model: str) -> str | None:
    """A bundled model's own prompt; None for any other model."""
    from attntui.demo import MODELS

    bundled = MODELS.get(model)
    return bundled.prompt if bundled is not None else None
