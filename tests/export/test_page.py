"""The page holds every weight exactly, and no text of a model's is markup or script."""

import base64
import io
import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from attntui.core.scale import SCALES, brightness
from attntui.export.pictures import Picture, page
from attntui.export.pictures.page import write_page
from tests.export.conftest import HOSTILE, MakePicture


class Reader(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: dict[str, list[str]] = {}
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._inside = tag
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._inside, []).append(data)


def written(picture: Picture, size: tuple[float, float] | None = None) -> str:
    stream = io.BytesIO()
    count = write_page(picture, stream, size)
    assert count == len(stream.getvalue())
    return stream.getvalue().decode()


def test_every_weight_is_there_to_the_last_bit(picture: MakePicture) -> None:
    made = picture(panels=3)
    data = json.loads(Reader(written(made)).texts["script"][0])
    for panel, text in zip(made.panels, data["panels"], strict=True):
        weights = np.frombuffer(base64.b64decode(text), "<f4").reshape(panel.weights.shape)
        np.testing.assert_array_equal(weights, panel.weights)
    assert data["queries"] == list(made.queries)


def test_hostile_text_is_text(picture: MakePicture) -> None:
    text = written(picture(panels=2))
    page = Reader(text)
    assert page.tags.count("script") == 2
    assert set(page.tags) <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "p", "select", "option"),
        *("output", "svg", "text", "image", "rect", "lineargradient", "stop", "script"),
    }
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    labels = page.texts["text"][: len(HOSTILE)]
    assert labels == [label for label in picture().queries]
    for raw in ("\x1b", "\x07", "\u202e"):
        assert raw not in text


def test_nothing_comes_from_elsewhere(picture: MakePicture) -> None:
    page = Reader(written(picture()))
    values = [value for name, value in page.attributes if name == "content"]
    assert any((value or "").startswith("default-src 'none'") for value in values)
    assert not [name for name, _ in page.attributes if name in ("src", "href", "action")]
    assert "url(" not in "".join(page.texts["style"])


def test_a_selector_only_where_there_is_something_to_select(picture: MakePicture) -> None:
    assert "select" not in Reader(written(picture())).tags
    assert Reader(written(picture(panels=3))).tags.count("option") == 3


def test_a_chosen_size_holds_the_picture(picture: MakePicture) -> None:
    attributes = Reader(written(picture(), (6.0, 4.0))).attributes
    view = next(value for name, value in attributes if name == "viewbox")
    width, height = map(float, (view or "").split()[2:])
    assert 4 * 96 - 1 <= height <= 4 * 96 + 9 and width <= 6 * 96


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("scale", SCALES)
def test_the_script_s_brightness_is_the_program_s(scale: str) -> None:
    weights = np.array([[0, 1e-5, 0.01, 0.25], [0.5, 0.1, 0.3, 0]], np.float32)
    script = (Path(page.__file__).with_name("page.js")).read_text()
    start, stop = script.index("function brightness"), script.index("function colour")
    program = (
        f"const scale = {scale!r}, floor = 1e-4;\n{script[start:stop]}\n"
        f"console.log(JSON.stringify({weights.tolist()}.map("
        "(row) => row.map((one) => brightness(one, Math.max(...row))))))"
    )
    done = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True)
    expected = brightness(weights, scale)  # type: ignore[arg-type]
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-6)
