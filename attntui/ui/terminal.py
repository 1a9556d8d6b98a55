"""Whether there is a terminal for the screen; known without loading it."""

import sys


def has_terminal() -> bool:
    """Whether keys can be read and a picture drawn: Textual uses standard input and error."""
    return sys.stdin.isatty() and sys.stderr.isatty()
