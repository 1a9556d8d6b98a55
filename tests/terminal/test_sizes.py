"""Every size and kind of terminal: it starts, shows tokens, follows a resize, and quits."""

import re
from pathlib import Path

import pytest

from tests.terminal.conftest import FAKED, PROMPT, Opener

FAKE_PROMPT = ("-m", "fake", "-p", "tokens 9")
SET_COLOUR = {*range(30, 39), *range(40, 49), *range(90, 98), *range(100, 108)}
"""Parameters that set a colour, of 16, 256 or 24 bit; 39 and 49 are the terminal's own."""
SHADES = "░▒▓█"

TERMINALS = {
    "256": {"TERM": "xterm-256color"},
    "24 bit": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "16": {"TERM": "xterm"},
    "no colour": {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"},
}


def colours(stream: bytes) -> set[bytes]:
    """The sequences that set a colour other than the terminal's own."""
    found = set(re.findall(rb"\x1b\[([0-9;]*)m", stream))
    return {each for each in found if SET_COLOUR & {int(code or 0) for code in each.split(b";")}}


@pytest.mark.parametrize("kind", TERMINALS)
@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 36), (200, 60)])
def test_it_starts_shows_tokens_and_quits(
    open_terminal: Opener, kind: str, columns: int, lines: int
) -> None:
    screen = open_terminal(
        *FAKE_PROMPT, program=FAKED, columns=columns, lines=lines, **TERMINALS[kind]
    )
    screen.until('8 "t8"')
    screen.settle()
    assert "exact" in screen.text
    assert all(f"{at} t{at} " in screen.text for at in range(9))
    screen.send("q")
    assert screen.wait() == 0
    assert b"Traceback" not in screen.stream
    if kind == "24 bit":
        assert b"\x1b[48;2;" in screen.stream or b";48;2;" in screen.stream
    if kind == "256":
        assert b"48;5;" in screen.stream and b"48;2;" not in screen.stream
    if kind == "16":
        assert b"8;5;" not in screen.stream and b"8;2;" not in screen.stream
    if kind == "no colour":
        assert colours(screen.stream) == set()


@pytest.mark.parametrize("kind", ["16", "no colour"])
def test_without_enough_colours_shades_carry_the_value(
    open_terminal: Opener, quick: Path, kind: str
) -> None:
    screen = open_terminal("-m", str(quick), "-p", PROMPT, **TERMINALS[kind])
    screen.until("exact")
    screen.send("Z")  # Cells without digits.
    screen.settle()
    shown = screen.stream.decode()
    assert all(shade in shown for shade in SHADES)
    body = [line for line in screen.text.splitlines() if re.match(r".* 0 When ", line)]
    assert any("█" in line for line in body), screen.text
    if kind == "no colour":
        assert colours(screen.stream) == set()


def test_it_follows_a_terminal_that_changes_size(open_terminal: Opener) -> None:
    screen = open_terminal(*FAKE_PROMPT, program=FAKED)
    screen.until('8 "t8"')
    screen.settle()
    for columns, lines in [(20, 5), (80, 24), (1, 1), (200, 60), (20, 40), (120, 36)]:
        screen.resize(columns, lines)
        screen.settle()
        screen.send("?\x1b[B")
        screen.settle(0.2)
        screen.send("q")  # Closes the help alone.
        screen.settle(0.2)
        screen.send("\x1b[1;2Ckl")
        screen.settle(0.2)
        assert screen.process.poll() is None, (columns, lines, screen.text)
        assert b"Traceback" not in screen.stream
    screen.until("Layer 0 Head 1")
    screen.until(lambda: all(f"{at} t{at} " in screen.text for at in range(9)))
    screen.send("q")
    assert screen.wait() == 0
