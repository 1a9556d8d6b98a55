"""The layer and the model page: maps are the model's weights, and keys go where they say."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from rich.style import Style

from attntui.core.scale import levels
from attntui.ui.start import Start
from attntui.ui.widgets.map_sheet import HeadName
from attntui.ui.widgets.maps_page import MapsPage
from tests.ui.conftest import PROMPT, Opener, Screen
from tests.ui.test_first_picture import eager

LONG = "The cat saw the dog and the dog saw the cat. " * 8


def cells(page: MapsPage, y: int) -> list[tuple[str, Style | None]]:
    """Glyph and style of each column of a line of the page."""
    return [(glyph, style) for text, style, _ in page.render_line(y) for glyph in text]


def painted(page: MapsPage, head: HeadName) -> np.ndarray:
    """The levels of a head's map, (dots, columns), read from the colours on the screen."""
    sheet, styles = page.sheet, page.palette.styles
    assert sheet is not None
    place = sheet.place(head)
    assert place is not None
    level = {style.bgcolor: at for at, style in enumerate(styles)}

    def line_of(y: int) -> Iterator[list[int]]:
        left = sheet.fixed_columns + sheet.left(place[1])
        shown = cells(page, y)[left : left + sheet.width]
        for upper in (True, False):
            colours = (
                style.color if upper and glyph == "▀" else style.bgcolor
                for glyph, style in shown
                if style is not None
            )
            yield [level.get(colour, -1) for colour in colours]

    top = sheet.fixed_lines + sheet.first_dot(place[0]) // 2 - page.scroll_offset.y
    lines = [dots for y in range(top, top + -(-sheet.dots // 2)) for dots in line_of(y)]
    return np.array(lines[: sheet.dots])


def expected(weights: np.ndarray, page: MapsPage) -> np.ndarray:
    """The levels of one head's causal weights, pooled by their largest, in dots."""
    sheet = page.sheet
    assert sheet is not None
    down, across = sheet.grain.row_step, sheet.grain.key_step
    sides = [range(0, len(weights), step) for step in (down, across)]
    pooled = np.array(
        [[weights[at : at + down, key : key + across].max() for key in sides[1]] for at in sides[0]]
    )
    future = np.array([[key > at + down - 1 for key in sides[1]] for at in sides[0]])
    shown = np.where(future, -1, levels(pooled, page.palette.count))
    return shown.repeat(sheet.grain.down, 0).repeat(sheet.grain.across, 1)


def page_of(screen: Screen) -> MapsPage:
    page = screen.main.page
    assert isinstance(page, MapsPage) and page.sheet is not None
    return page


def captions(page: MapsPage) -> list[str]:
    """Names and values of the maps in sight, in their order."""
    lines = ("".join(glyph for glyph, _ in cells(page, y)) for y in range(page.size.height))
    return [found for line in lines for found in re.findall(r"\d+\.\d+ \d\.\d{3}", line)]


def middle(page: MapsPage, head: HeadName) -> tuple[int, int]:
    """The middle of a head's map, from the page's corner."""
    sheet = page.sheet
    assert sheet is not None
    place = sheet.place(head)
    assert place is not None
    x = sheet.fixed_columns + sheet.left(place[1]) + sheet.width // 2 - page.scroll_offset.x
    y = sheet.fixed_lines + sheet.line(place[0]) + sheet.pitch // 2 - page.scroll_offset.y
    return x + 1, y + 1  # padding, and the rule above


async def test_a_layer_is_all_its_heads(open_app: Opener) -> None:
    weights = eager("demo", PROMPT)
    async with open_app(start=Start(layer=2, head=1)) as screen:
        main = screen.main
        await screen.press("4")
        page = page_of(screen)
        assert not main.query_one("#lists").display and main.query_one("#map").display
        for head in range(4):
            want = expected(weights[2, head], page)
            np.testing.assert_array_equal(painted(page, (2, head)), want)
        cell = weights[2, :, main.look.query, main.look.key]
        assert captions(page) == [f"2.{head} {value:.3f}" for head, value in enumerate(cell)]
        assert "Layer 2 · all heads · numbers: the cell at the cursor" in screen.text

        # By place, from layer to layer, and with the mouse.
        await screen.press("right", "right", "right")
        assert (main.look.layer, main.look.head) == (2, 3)
        await screen.press("left_square_bracket", "home")
        assert (main.look.layer, main.look.head) == (1, 0)
        np.testing.assert_array_equal(painted(page, (1, 3)), expected(weights[1, 3], page))
        await screen.pilot.click("#layer", offset=middle(page, (1, 2)))
        await screen.settled()
        assert (main.look.layer, main.look.head) == (1, 2)
        await screen.press("enter")
        assert main.look.page == "grid" and main.query_one("#grid").has_focus
        assert "Layer 1 Head 2" in screen.text
        await screen.press("4")
        await screen.pilot.click("#layer", offset=middle(page, (1, 0)), times=2)
        await screen.settled()
        assert (main.look.page, main.look.layer, main.look.head) == ("grid", 1, 0)


async def test_the_model_is_all_heads_and_sorts_them(open_app: Opener) -> None:
    weights = eager("demo", LONG)
    async with open_app(prompt=LONG, size=(80, 24)) as screen:
        main = screen.main
        await screen.press("G", "5")
        page = page_of(screen)
        assert not main.query_one("#heads").display and main.query_one("#bar").display
        assert page.sheet.grain.pools and "tokens" in page._title
        await screen.press("ctrl+home", "home")
        assert (main.look.layer, main.look.head) == (0, 0)
        for head in range(4):
            want = expected(weights[0, head], page)
            np.testing.assert_array_equal(painted(page, (0, head)), want)

        await screen.press("S", "o")
        previous = np.diagonal(weights, -1, 2, 3).mean(-1)
        order = sorted(np.ndindex(4, 4), key=lambda head: -previous[head])
        found = [text.split() for text in captions(page)]
        assert [tuple(map(int, name.split("."))) for name, _ in found] == order[: len(found)]
        assert float(found[0][1]) == pytest.approx(previous.max(), abs=6e-4)
        await screen.press("home", "enter")
        assert (main.look.layer, main.look.head) == order[0] and main.look.page == "grid"
        await screen.press("S")
        assert "Heads are sorted where all are shown" in screen.text


async def test_zoom_words_and_hidden_keys(open_app: Opener) -> None:
    async with open_app(start=Start(layer=1, head=0)) as screen:
        await screen.press("4")
        page = page_of(screen)
        before = page.sheet
        await screen.press("z")
        assert page.sheet.width > before.width
        await screen.press("z", "z", "z", "z", "z")
        assert "as near as it goes" in screen.text
        await screen.press("f")
        assert page.sheet.size[1] <= page.size.height
        await screen.press("w", "t")
        look = screen.main.look
        assert "words" in page._title and "hidden" in page._title
        shown = painted(page, (1, 0))
        down, across = page.sheet.grain.down, page.sheet.grain.across
        assert shown.shape == (len(look.queries) * down, len(look.keys) * across)
        assert (shown[:, :across] == -1).all() and (shown[:, across:] >= 0).any()


async def test_layers_are_asked_one_by_one_those_in_sight_first(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_HEADS", ",".join(["4"] * 39 + ["0", "4"]))
    async with open_app(prompt="tokens 40", size=(80, 24), fake=True) as screen:

        def asked() -> list[int]:
            lines = [line.split() for line in screen.main.session.engine.log]
            return [int(words[1]) for words in lines if words[:1] == ["maps"]]

        await screen.press("5")
        near = asked()
        assert near == list(range(len(near))) and 2 <= len(near) < 10
        await screen.press("ctrl+end")
        assert screen.main.look.layer == 40
        assert set(asked()[len(near) :]) <= {*range(30, 39), 40}
        assert "no attention" in screen.text
        await screen.press("up")
        assert screen.main.look.layer == 38
        seen = len(asked())
        await screen.press("1", "5")
        assert asked()[seen:] == []


@pytest.mark.parametrize("style", ["auto", "shade"])
async def test_every_size_and_palette(open_app: Opener, style: str) -> None:
    start = Start(style=style)  # type: ignore[arg-type]
    async with open_app(prompt="tokens 13", start=start, fake=True) as screen:
        for size in [(120, 36), (200, 60), (30, 8), (10, 3), (80, 24)]:
            await screen.pilot.resize_terminal(*size)
            for keys in ("4", "5", "S"), ("plus", "down", "z"), ("S", "Z", "f", "end", "pagedown"):
                await screen.press(*keys)
                page = screen.main.page
                assert isinstance(page, MapsPage)
                lines = [page.render_line(y) for y in range(page.size.height)]
                assert all(line.cell_length == page.size.width for line in lines)
                assert all(segment.style is not None for line in lines for segment in line)
        text = "\n".join(line.text for line in lines)
        assert ("▀" in text) is (style == "auto") and ("┌" in text) is (style == "shade")
