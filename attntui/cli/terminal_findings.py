"""What the terminal can do, from its environment: the same sources that Textual asks."""

import locale
import os
import shutil
import sys
from collections.abc import Iterator

from attntui.cli.findings import Finding

COLOURS = {
    "truecolor": "24-bit",
    "256": "256",
    "standard": "16",
    "windows": "16",
    None: "none",
}


def find() -> Iterator[Finding]:
    yield _terminal()
    yield _size()
    yield _colours()
    if "NO_COLOR" in os.environ:
        yield Finding("note", "NO_COLOR", "is set: weights are drawn as shades, without colour.")
    yield _encoding()
    yield Finding("note", "mouse", "on; switch it off with --no-mouse (less traffic over SSH).")
    yield from _remote()


def _terminal() -> Finding:
    term = os.environ.get("TERM", "")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return Finding(
            "note", "terminal", "none here: the screen needs one; attntui export does not."
        )
    if term in ("", "dumb"):
        return Finding("problem", "terminal", f"TERM={term or 'unset'}: set it, such as by ssh -t.")
    return Finding("ok", "terminal", f"TERM={term}")


def _size() -> Finding:
    columns, lines = shutil.get_terminal_size()
    text = f"{columns} x {lines}"
    if columns < 80 or lines < 24:
        return Finding("note", "size", f"{text}: 80 x 24 or more shows everything.")
    return Finding("ok", "size", text)


def colour_system() -> str | None:
    """Which colours Textual will use here: Rich's detection, or TEXTUAL_COLOR_SYSTEM."""
    from rich.console import Console

    wanted = os.environ.get("TEXTUAL_COLOR_SYSTEM", "auto")
    if wanted not in ("auto", "standard", "256", "truecolor", "windows"):
        wanted = "auto"
    # Rich names no colour system under NO_COLOR; Textual greys afterwards, so it is left out here.
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    console = Console(
        force_terminal=True,
        color_system=wanted,  # type: ignore[arg-type]
        _environ=environment,
    )
    return console.color_system


def _colours() -> Finding:
    system = colour_system()
    text = f"{COLOURS.get(system, system)} (COLORTERM={os.environ.get('COLORTERM', 'unset')})"
    if system == "truecolor":
        return Finding("ok", "colours", text)
    if system == "256":
        return Finding("ok", "colours", f"{text}: attntui's colours look the same as in 24-bit.")
    return Finding(
        "note",
        "colours",
        f"{text}: shades carry the weight. If the terminal can do more, set"
        " TERM=xterm-256color or COLORTERM=truecolor.",
    )


def _encoding() -> Finding:
    name = locale.getpreferredencoding(False)
    if name.lower().replace("-", "") == "utf8":
        return Finding("ok", "encoding", name)
    return Finding(
        "problem", "encoding", f"{name}: tokens will not show; set a UTF-8 locale (LANG=C.UTF-8)."
    )


def _remote() -> Iterator[Finding]:
    if "SSH_CONNECTION" in os.environ:
        yield Finding(
            "note",
            "ssh",
            "COLORTERM is not forwarded by default (SendEnv COLORTERM); ssh -C helps a slow link.",
        )
    if "TMUX" in os.environ:
        yield Finding(
            "note",
            "tmux",
            'for 256 colours: set -g default-terminal "tmux-256color"; for copying:'
            " set -g set-clipboard on.",
        )
    elif "STY" in os.environ:
        yield Finding("note", "screen", "for 256 colours: term screen-256color in ~/.screenrc.")
