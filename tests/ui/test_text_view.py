"""The text is shaded by transformers' own numbers, and arrows walk through it as through text."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.style import Style

from attntui.core.protocol import PromptInput
from attntui.demo import JAPANESE_MASKED_PROMPT
from attntui.render.palette import Palette
from attntui.ui.start import Start
from attntui.ui.widgets.text_view import TextView
from tests.cli.conftest import bart as bart
from tests.ui.conftest import PROMPT, Opener
from tests.ui.test_first_picture import eager

LONG = "The cat saw the dog.\n" + "Once upon a time there was a king who had three daughters. " * 30


def painted(view: TextView) -> list[tuple[str, Style]]:
    """Every column in sight as text and style, line by line; no text where a wide one goes on."""
    cells = []
    for y in range(view.size.height):
        for segment in view.render_line(y):
            assert segment.style is not None
            cells += [(char, segment.style) for char in segment.text]
    return cells


def level_of(weight: float, palette: Palette) -> int:
    return min(int(weight * palette.count), palette.count - 1)


def at_start(view: TextView, unit: int) -> Style:
    """The style of the last column of a token's first part."""
    block = view._layout.blocks[0]
    line, _ = block.places[unit]
    span = next(one for one in block.lines[line].spans if one.unit == unit)
    strip = view.render_line((block.top + line) * view.rows - int(view.scroll_offset.y))
    left = view._layout.margin + span.x + span.width - 1
    (segment, *_) = strip.crop(left, left + 1)
    assert segment.style is not None
    return segment.style


def assert_shaded(view: TextView, weights: np.ndarray, but: int) -> None:
    """Each token but the selected one has the background of its weight's level."""
    palette = view.palette
    for unit, weight in enumerate(weights):
        level = level_of(weight, palette)
        if unit != but and level > 0:
            assert at_start(view, unit).bgcolor == palette.styles[level].bgcolor
    assert at_start(view, but) == view.style_of("cursor")


async def test_shades_are_eager_attention_both_ways(open_app: Opener) -> None:
    layer, head = 2, 3
    weights = eager("demo", PROMPT)[layer, head]
    async with open_app(start=Start(layer=layer, head=head)) as screen:
        await screen.press("home")
        view = await screen.show("3", TextView)
        await screen.press("up", "end", "left", "left")
        query = screen.main.look.query
        assert 0 < query < len(weights) - 1
        assert_shaded(view, weights[query], query)
        assert f"{weights[query, screen.main.look.key]:.4f}" in screen.text
        later = at_start(view, query + 1)
        assert later.color == view.style_of("faint").color

        await screen.press("enter")
        assert "what attends to" in screen.text
        assert_shaded(view, weights[:, query], query)

        await screen.press("s", "s", "s")
        assert screen.main.look.scale == "row"
        assert_shaded(view, weights[:, query] / weights.max(1), query)
        await screen.press("enter")
        assert_shaded(view, weights[query] / weights[query].max(), query)
        await screen.press("s", "greater_than_sign", *["greater_than_sign"] * 4)
        drawn = np.where(weights[query] < screen.main.look.threshold, 0, weights[query])
        assert_shaded(view, drawn, query)
        assert "from 0.2" in screen.text


async def test_arrows_walk_through_a_long_text(open_app: Opener) -> None:
    async with open_app(prompt=PromptInput(text=LONG), size=(80, 24)) as screen:
        main, view = screen.main, await screen.show("3", TextView)
        await screen.press("ctrl+home")
        block = view._layout.blocks[0]
        assert main.look.query == 0 and "The cat saw the dog.⏎" in screen.text

        def place() -> tuple[int, int]:
            return block.places[main.look.query]

        await screen.press("down", *["right"] * 6)
        line, column = place()
        assert line == 1
        await screen.press("down", "down", "up")
        assert place()[0] == line + 1 and abs(place()[1] - column) < 12
        await screen.press("up", "up", "down")
        assert place() == (line, column)
        await screen.press("end")
        assert main.look.queries[main.look.query + 1].text and place()[0] == line
        assert block.places[main.look.query + 1][0] == line + 1
        await screen.press("home")
        assert place() == (line, block.lines[line].spans[0].x)
        await screen.press("pagedown")
        assert place()[0] > line + 5
        await screen.press("ctrl+end")
        assert main.look.query == len(main.look.queries) - 1 and view.scroll_offset.y > 0
        assert view.style_of("cursor") in [style for _, style in painted(view)]
        request = view.requests(main.look)["window"]
        assert request.rows == (main.look.query, main.look.query + 1)  # type: ignore[union-attr]


async def test_japanese_in_shades_with_figures_and_mouse(open_app: Opener) -> None:
    weights = eager("demo-bert", JAPANESE_MASKED_PROMPT)[0, 3]
    start = Start(layer=0, head=3, style="shade")
    async with open_app("demo-bert", prompt=JAPANESE_MASKED_PROMPT, start=start) as screen:
        view, look = await screen.show("3", TextView), screen.main.look
        await screen.press("z")
        assert view.rows == 3
        assert at_start(view, look.query).reverse
        lines = ["".join(segment.text for segment in view.render_line(y)) for y in range(3)]
        assert "吾輩は[MASK]である。" in lines[0]
        strip = view.render_line(1)
        for span in view._layout.blocks[0].lines[0].spans:
            if span.unit < 0:
                continue
            level = level_of(weights[look.query, span.unit], view.palette)
            shade = "".join(one.text for one in strip.crop(span.x, span.x + span.width))
            assert shade == (view.palette.glyphs[level] if level else " ") * span.width
        largest = int(weights[look.query].argmax())
        assert f"{weights[look.query, largest]:.2f}"[1:3] in lines[2]
        await screen.press("z")
        assert "as near as it goes" in screen.text
        await screen.press("Z")
        assert view.rows == 2

        span = view._layout.blocks[0].lines[0].spans[2]
        await screen.pilot.click(view, offset=(span.x + 2, 1))
        await screen.settled()
        assert screen.main.look.query == span.unit
        assert screen.main.look.words is False


async def test_cross_attention_shows_both_texts(open_app: Opener, bart: Path) -> None:
    prompt = PromptInput(text="When Mary went home ,", decoder_text="John and Mary")
    start = Start(attention="cross")
    async with open_app(str(bart), prompt=prompt, start=start) as screen:
        view = await screen.show("3", TextView)
        await screen.press("home")
        assert [line for line in screen.lines if "encoder <s> When Mary went home ," in line]
        assert [line for line in screen.lines if "decoder" in line and "John and Mary" in line]
        assert view.selecting == "queries" and view.window is not None
        assert view.window.weights.shape == (1, len(screen.main.look.keys))
        await screen.press("enter", "home", "right")
        assert view.selecting == "keys" and screen.main.look.key == 1
        assert 'what attends to "When"' in screen.text
        assert view.window.weights.shape == (len(screen.main.look.queries), 1)


async def test_the_two_sentences_stand_apart(open_app: Opener) -> None:
    prompt = PromptInput(text="The boy opened the door.", pair="He went into the garden.")
    async with open_app("demo-bert", prompt=prompt) as screen:
        view = await screen.show("3", TextView)
        await screen.press("ctrl+home", "right")
        assert [line for line in screen.lines if "A [CLS] the boy opened" in line]
        assert [line for line in screen.lines if "B he went into the garden. [SEP]" in line]
        before = replace(screen.main.look)
        await screen.press("p")
        second = next(at for at, token in enumerate(before.queries) if token.part == 1)
        assert all(level == -1 for level in view._levels[second:])
        assert max(view._levels[:second]) >= 0
