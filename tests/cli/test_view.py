"""`attntui export` and back: every number that was written is there again."""

from pathlib import Path

import numpy as np
import pytest

from attntui.core.protocol import GetWindow, Head, Open, PromptInput, Trace, Traced
from attntui.engine.session import Session
from tests.cli.conftest import Command
from tests.engine.conftest import Quiet

PROMPT = "The cat saw the dog. The cat"


@pytest.mark.parametrize("part", [(), ("--layers", "1,3", "--heads", "2")])
def test_what_was_exported_is_opened(
    attntui: Command, tmp_path: Path, part: tuple[str, ...]
) -> None:
    path = tmp_path / "written.npz"
    done = attntui("export", "-p", PROMPT, "-o", str(path), *part)
    assert done.returncode == 0, done.stderr
    written = np.load(path)
    session = Session()
    session.answer(Open(str(path)), Quiet())
    traced, _ = session.answer(Trace(1, PromptInput(text="")), Quiet())
    assert isinstance(traced, Traced)
    tokens = traced.info.sides[0].tokens
    assert [token.text for token in tokens] == written["tokens"].tolist()
    assert [token.id for token in tokens] == written["token_ids"].tolist()
    size = (0, len(tokens))
    for at, layer in enumerate(written["layers"].tolist()):
        for beside, head in enumerate(written["heads"].tolist()):
            asked = GetWindow(1, Head("self", layer, head), size, size)
            _, (weights,) = session.answer(asked, Quiet())
            assert np.array_equal(weights, written["attention"][at, beside])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none.npz", "There is no file none.npz."),
        (".", "There is no file .."),
        ("here.npz", "The screen needs a terminal"),
    ],
)
def test_what_cannot_be_opened_is_said(
    attntui: Command, tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "here.npz").touch()
    done = attntui("view", name)
    assert done.returncode == 2
    assert done.stderr.startswith(f"attntui: {sentence}")
    assert done.stderr.count("\n") == 1
