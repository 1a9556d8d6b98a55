"""Pictures for a paper: size, colours and texts, and fonts for every script."""

import importlib.util
import io
import re
from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image

from attntui.core.errors import UserError
from attntui.export.pictures import Picture
from attntui.export.pictures.figure import draw_figure
from attntui.export.pictures.fonts import families_for
from attntui.export.pictures.legend import RAMP, marks
from tests.export.conftest import MakePicture

HAS_CJK = any("CJK" in font.name for font in font_manager.fontManager.ttflist)


def drawn(picture: Picture, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    draw_figure(picture, stream, kind, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def channels(colours: Sequence[str]) -> np.ndarray:
    """(colours, 3) of #rrggbb."""
    return np.array([list(bytes.fromhex(colour[1:])) for colour in colours], float)


def test_an_svg_is_well_formed_whatever_the_tokens(picture: MakePicture) -> None:
    svg = drawn(picture(), "svg")
    root = ElementTree.fromstring(svg)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert "script" not in tags and "text" not in tags
    for raw in (b"\x1b", b"\x07", "\u202e".encode(), b"alert(1)</script><"):
        assert raw not in svg
    shown = re.sub(rb"<!--.*?-->", b"", svg, flags=re.S)
    assert b"alert" not in shown


def test_every_cell_has_the_colour_of_its_weight(picture: MakePicture) -> None:
    """Weights on the ramp's own colours, each in one cell."""
    made = picture()
    side = len(made.queries)
    weights = np.full((side, side), np.nan, np.float32)
    for at, share in enumerate(np.linspace(0, 1, len(RAMP))):
        weights[at // side, at % side] = share
    made.panels[0].weights[:] = weights
    svg = drawn(made, "svg").decode()
    cells = svg[svg.index("QuadMesh") : svg.index("matplotlib.axis")]
    fills = re.findall(r"fill: (#[0-9a-f]{6})", cells)
    np.testing.assert_allclose(channels(fills), channels(RAMP), atol=3)


def test_the_same_attention_gives_the_same_bytes(picture: MakePicture) -> None:
    assert drawn(picture(), "svg") == drawn(picture(), "svg")


@pytest.mark.parametrize(("panels", "across"), [(1, 1), (6, 3), (5, 3)])
def test_a_chosen_size_is_kept(picture: MakePicture, panels: int, across: int) -> None:
    made = picture(panels, across)
    png = drawn(made, "png", size=(5.0, 4.0), dpi=100)
    assert Image.open(io.BytesIO(png)).size == (500, 400)
    root = ElementTree.fromstring(drawn(made, "svg", size=(5.0, 4.0)))
    assert (root.get("width"), root.get("height")) == ("360pt", "288pt")


def test_the_bar_s_marks_are_weights() -> None:
    assert marks("sqrt") == ((0, "0"), (0.25, "0.0625"), (0.5, "0.25"), (0.75, "0.5625"), (1, "1"))
    assert [text for _, text in marks("log")] == ["0.0001", "0.001", "0.01", "0.1", "1"]
    assert [text for _, text in marks("row")] == ["0", "0.25", "0.5", "0.75", "1"]


@pytest.mark.skipif(not HAS_CJK, reason="needs a font with Japanese characters")
def test_japanese_labels_are_no_boxes() -> None:
    families, missing = families_for(["日本語", "かな", "abc"])
    assert len(families) > 1 and not missing


def test_what_no_font_has_is_named(picture: MakePicture) -> None:
    _, missing = families_for(["a\U000e0100"])
    assert missing == {"\U000e0100"}
    made = picture()
    said = draw_figure(
        Picture(**{**made.__dict__, "title": "\U000e0100"}), io.BytesIO(), "png", dpi=50
    )
    assert any("no font here has" in sentence for sentence in said)


def test_without_matplotlib_the_extra_is_named(
    picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"'attntui\[plot\]', in a clone pip install '\.\[plot\]'"):
        drawn(picture(), "png")


def test_the_user_s_own_settings_change_nothing(
    picture: MakePicture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib

    before = drawn(picture(), "svg")
    monkeypatch.setitem(matplotlib.rcParams, "axes.grid", True)
    monkeypatch.setitem(matplotlib.rcParams, "image.origin", "lower")
    assert drawn(picture(), "svg") == before
