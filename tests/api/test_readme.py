"""The README's Python runs as it is written there."""

import re
from pathlib import Path
from typing import Any

import pytest

import attntui
from attntui.api import elsewhere

README = Path(__file__).parents[2] / "README.md"


def test_the_section_from_python_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(README.parent)
    monkeypatch.setattr(elsewhere, "has_terminal", lambda: True)
    opened: list[str] = []
    monkeypatch.setattr("attntui.ui.app.run_file", lambda path, start: opened.append(path))
    section = README.read_text().partition("## From Python")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    exec("".join(blocks), names)
    assert isinstance(names["trace"], attntui.Trace)
    assert len(opened) == 1
    assert "4  the 0.6" in capsys.readouterr().out
