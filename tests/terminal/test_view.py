"""`attntui view` and `attntui.view` on a real terminal, and a file that can be no attention."""

import sys
from pathlib import Path

import numpy as np

from tests.terminal.conftest import Opener, with_engine

SCRIPT = """
import attntui, numpy
from attntui.client import engine
engine.ENGINE = {engine!r}
attntui.view(numpy.tri(3)[None, None] / [[1], [2], [3]], ["x", "y", "z"])
print("after the screen")
"""
TOKENS = ["a", "b\x1b]0;title\x07", "c"]


def test_a_file_opens_or_is_refused_in_one_sentence(
    open_terminal: Opener, tmp_path: Path, warm_engine: tuple[str, ...]
) -> None:
    warm = with_engine(*warm_engine)
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    np.savez(good, attention=np.tri(3)[None, None] / [[1], [2], [3]], tokens=TOKENS)
    np.savez(bad, attention=np.tri(3)[None, None] - 2, tokens=TOKENS)
    shown = open_terminal("view", str(good), program=warm)
    refused = open_terminal("view", str(bad), program=warm)
    called = open_terminal(program=(sys.executable, "-c", SCRIPT.format(engine=warm_engine)))
    shown.until("from a file, not compared", 120)
    shown.until("b␛]0;title␇")
    assert b"\x1b]0;title" not in shown.stream
    shown.send("q")
    assert shown.wait() == 0
    assert refused.wait(120) == 2
    assert b"attntui: layer 0 of attention holds -2: these are no attention w" in refused.stream
    called.until("from a file, not compared", 120)
    called.send("q")
    assert called.wait() == 0
    assert b"after the screen" in called.stream
