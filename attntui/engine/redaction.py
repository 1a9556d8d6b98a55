"""No token in what is shown or logged: the hub's client repeats what a server says, and its URL."""

import io
import logging
import os
import re
import sys
from collections.abc import Iterator

from huggingface_hub import get_token

GONE = "<hidden>"
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
SHAPES = re.compile(
    r"()\bhf_[a-z0-9]{16,}"  # a token of the hub
    r"|(://)[^/\s@]+(?=@)"  # name and password in a URL
    r"|(\bbearer )[^\s\"',]+"
    r"|([?&](?:token|signature|x-amz-signature)=)[^&\s\"']+",
    re.IGNORECASE,
)
"""Secrets that their place or their beginning gives away, whoever they belong to."""


def redacted(text: str) -> str:
    """`text` with each secret hidden that is known here or looks like one."""
    for secret in _known():
        text = text.replace(secret, GONE)
    return SHAPES.sub(lambda found: f"{found[found.lastindex or 0]}{GONE}", text)


def _known() -> Iterator[str]:
    for secret in (get_token(), *(os.environ.get(name) for name in VARIABLES)):
        if secret and secret.strip():
            yield secret.strip()


class Redacting(io.TextIOWrapper):
    """A stream without secrets."""

    def write(self, text: str) -> int:
        super().write(redacted(text))
        return len(text)


def redact_errors() -> None:
    """Have all that Python writes to standard error redacted from here on."""
    before, errors = sys.stderr, io.BufferedWriter(io.FileIO(2, "w", closefd=False))
    sys.stderr = Redacting(errors, "utf-8", "backslashreplace", line_buffering=True)
    # A log's handler keeps the stream that it found; the hub's client made its own when imported.
    for logger in (logging.root, *map(logging.getLogger, list(logging.root.manager.loggerDict))):
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is before:
                handler.setStream(sys.stderr)
