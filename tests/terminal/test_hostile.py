"""Text that attacks the terminal, through every widget and command: it is shown, never obeyed.

Every byte that the program writes is read as a terminal reads it. What a terminal would obey must
be of the few forms that Textual's driver itself uses, and none of it may come from a payload.
"""

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from attntui.core.tokens import visible
from tests.terminal.conftest import Opener, children, save_gpt2, with_engine

ATTACKS = (
    "\x1b]52;c;T1dORUQ=\x07",  # sets the clipboard
    "\x1b]0;OWNED\x1b\\",  # sets the window's title
    "\x1b[4242H",
    "\x1b[6n",  # makes the terminal type
    "\x1bP4242q\x1b\\",
    "\x1b_4242\x1b\\",
    "\x9b4242H",
    "\x9d52;c;T1dORUQ=\x9c",
    "\x7f\x08\x07",
    "\u202e\u2066\u200f",
    "\u200b\ufeff\u2060",
    "[/]",
    "[red]",
    "[@click=app.quit]",
    "[$foo",
    "\\[/]",
)
TOKENS = tuple(f"m{number:02}{attack}e" for number, attack in enumerate(ATTACKS))
"""A marker before each, so that a test can tell that it was shown at all."""
HOSTILE = " ".join(TOKENS)
PASTED = HOSTILE.replace("\x1b", "")
"""Terminals take ESC out of what is pasted, else it could end its own brackets."""
SURROGATES = b"m99\xff\x9b4242H\xed\xa0\x80".decode("utf-8", "surrogateescape")
NAME = "m77\x1b]52;c;T1dORUQ=\x07\x9b4242H\u202e[red][@click=app.quit]"

DRIVER = re.compile(r"\[[0-9;]*[mH]|\[\?[0-9]+(\$p|[hl])|\[[<>][0-9]*u|\[[0-9]*J|\]22;[a-z-]*\x07")
"""What may follow an ESC: colours, places, modes, keyboard protocol, clearing, mouse pointer."""
DANGEROUS = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f"
    r"\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)

LOUD_ENGINE = """
import os, sys
sys.stderr.buffer.write(os.environ["LOUD"].encode("utf-8", "surrogateescape") + b"\\n")
sys.stderr.flush()
os.execv(sys.executable, [sys.executable, "-P", "-m", "attntui.engine"])
"""
LOUD = with_engine(sys.executable, "-c", LOUD_ENGINE)


def check(stream: bytes) -> str:
    """What a person sees of `stream`; fails where a terminal would obey a payload."""
    text = stream.decode()  # a lone surrogate or a raw C1 byte is no UTF-8
    pieces = text.split("\x1b")
    for piece in pieces[1:]:
        found = DRIVER.match(piece)
        assert found, f"ESC {piece[:30]!r}"
        assert "4242" not in found.group()
    plain = pieces[0] + "".join(DRIVER.sub("", piece, count=1) for piece in pieces[1:])
    bad = DANGEROUS.search(plain)
    assert not bad, f"{bad.group()!r} in {plain[max(0, bad.start() - 30) : bad.end() + 30]!r}"
    return plain


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose folder's name and whose every token is an attack."""
    return save_gpt2(tmp_path_factory.mktemp("models") / NAME, ("<unk>", *TOKENS))


def test_the_check_sees_an_attack() -> None:
    for attack in ATTACKS[:11]:
        with pytest.raises((AssertionError, UnicodeDecodeError)):
            check(f"\x1b[1mm{attack}".encode())


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}], ids=str)
def test_every_widget_shows_hostile_text(
    open_terminal: Opener, evil: Path, variables: dict[str, str]
) -> None:
    screen = open_terminal(
        *("-m", str(evil), "-p", HOSTILE),
        program=LOUD,
        LOUD=HOSTILE + SURROGATES,
        **variables,
    )
    screen.until("exact")
    for _ in TOKENS:  # The cursor line shows every token whole.
        screen.send("k")
        screen.settle(0.1)
    for key in "?=L":
        screen.send(key)
        screen.settle()
        screen.send("\x1b")
        screen.settle()
    for question, answer in (("/", "The text has no"), ("g", "is no head"), ("\x10", "")):
        screen.send(question)
        screen.settle()
        screen.paste("m88" + PASTED)
        screen.send("\u202e\x9b4242H")
        screen.settle()
        screen.send("\r" if answer else "\x1b")
        screen.until(answer)
        screen.settle()
    screen.send("i")
    screen.settle()
    screen.paste("\nm66\r\n" + PASTED)
    screen.settle()
    screen.send("\r")
    screen.until(f"{len(TOKENS)} <unk>")
    (engine,) = children(screen.process.pid)
    os.kill(engine, signal.SIGKILL)
    screen.until("killed (SIGKILL)")
    screen.settle()
    screen.send("q")
    assert screen.wait() == 0

    shown = check(screen.stream)
    missing = [token for token in TOKENS if visible(token) not in shown]
    assert not missing
    for marker in ("m99", "m88", "m77", "m66"):
        assert marker in shown


BAD_CONFIG = json.dumps({"model_type": NAME, "architectures": [NAME]})


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "-m", "MODEL", "-p", HOSTILE, "-o", "-", "--format", "json"),
        ("export", "-m", "BAD", "-p", "a", "-o", "a.json"),
        ("export", "-m", "MODEL", "-p", "a", "-o", HOSTILE),
        ("export", "-m", "MODEL", "-p", "a", "-o", "a.json", "--layers", HOSTILE),
        ("export", "-m", "MODEL", "-p", SURROGATES, "-o", "a.json"),
        ("export", "-m", SURROGATES, "-p", "a", "-o", "a.json"),
        ("export", "--prompt-file", HOSTILE, "-o", "a.json"),
        ("--theme", HOSTILE),
        (f"--{HOSTILE}",),
        (HOSTILE,),
        ("models",),
    ],
    ids=lambda arguments: repr(arguments[:2])[:16],
)
def test_the_command_line_says_hostile_text_safely(
    open_terminal: Opener, evil: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    bad = tmp_path / NAME
    bad.mkdir()
    (bad / "config.json").write_text(BAD_CONFIG)
    cached = tmp_path / "hub" / f"models--evil--{NAME}" / "snapshots" / "1"
    cached.mkdir(parents=True)
    (cached / "config.json").write_text(BAD_CONFIG)
    (cached.parents[1] / "refs").mkdir()
    (cached.parents[1] / "refs" / NAME).write_text("1")
    folders = {"MODEL": str(evil), "BAD": str(bad)}
    terminal = open_terminal(
        *(folders.get(argument, argument) for argument in arguments),
        HF_HOME=str(tmp_path),
        HF_HUB_CACHE=str(tmp_path / "hub"),
    )
    status = terminal.wait(60)
    shown = check(terminal.stream)
    assert status in {0, 2}, shown
    assert "Traceback" not in shown
    assert shown.strip()
