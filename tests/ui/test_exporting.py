"""What is in sight goes into a file, with the numbers on the screen, and never over another."""

from pathlib import Path

import numpy as np
import pytest

from tests.ui.conftest import Opener
from tests.ui.test_first_picture import eager

TEXT = "The cat saw the dog."


def names(folder: Path) -> list[str]:
    """The files in a folder, hidden ones and the memory's folder apart from them."""
    return [path.name for path in folder.iterdir() if path.is_file()]


async def test_the_view_in_sight_is_written(open_app: Opener, tmp_path: Path) -> None:
    weights = eager("demo", TEXT)
    path = tmp_path / "here.npz"
    async with open_app(prompt=TEXT) as screen:
        await screen.press("e", *str(path), "enter")
        await screen.until(lambda: "Written to" in screen.text)
        found = np.load(path)
        assert (found["layers"].tolist(), found["heads"].tolist()) == ([1], [2])
        np.testing.assert_allclose(found["attention"][0, 0], weights[1, 2], atol=1e-5)

        path.write_bytes(b"mine")
        await screen.press("e", "enter")
        await screen.until(lambda: "exists; replace it" in screen.text)
        await screen.press("n", "enter")
        assert path.read_bytes() == b"mine"
        await screen.press("4", "e", "enter")
        await screen.until(lambda: "exists; replace it" in screen.text)
        await screen.press("y", "enter")
        await screen.until(lambda: path.read_bytes() != b"mine")
        await screen.settled()
        np.testing.assert_allclose(np.load(path)["attention"][0], weights[1], atol=1e-5)
        assert names(tmp_path) == ["here.npz"]


async def test_what_cannot_be_written_is_said(
    open_app: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_app(prompt="tokens 4", fake=True) as screen:
        for name, words in (("a.doc", "no known suffix"), ("no/a.npz", "There is no folder")):
            await screen.press("e", "ctrl+u", *name, "enter")
            await screen.until(lambda words=words: words in screen.text)  # type: ignore[misc]
        await screen.press("e", "ctrl+u", *"page.html", "enter")
        await screen.until(lambda: (tmp_path / "page.html").exists())
        assert "<svg" in (tmp_path / "page.html").read_text()
