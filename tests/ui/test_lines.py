"""The lines that are painted, and the figures beside them, are transformers' own numbers."""

import re
from pathlib import Path

import numpy as np
import pytest
from rich.segment import Segment
from rich.style import Style
from textual.events import MouseScrollDown

from attntui.core.protocol import PromptInput
from attntui.core.tokens import visible
from attntui.demo import MODELS
from attntui.render.palette import DENSITIES
from attntui.ui.start import Start
from attntui.ui.widgets.lines_view import LinesView
from tests.cli.conftest import bart as bart
from tests.ui.conftest import PROMPT, Opener
from tests.ui.test_first_picture import eager

LAYER, HEAD = 2, 3
HERE = Start(layer=LAYER, head=HEAD)
PAIR = PromptInput(text="The boy opened the door.", pair="He went into the garden.")


class Lines:
    """What the lines page paints, taken apart: (text, style) columns of each line."""

    def __init__(self, view: LinesView) -> None:
        self.view = view

    @property
    def body(self) -> list[str]:
        """The lines below the headings."""
        strips = [self.view.render_line(y) for y in range(self.view.size.height)]
        return [strip.text for strip in strips][self.view.has_header :]

    def style(self, line: int, column: int) -> Style | None:
        """The style of a cell of the body; None where nothing is drawn in it."""
        strip = self.view.render_line(line + self.view.has_header).crop(column, column + 1)
        (segment,) = (piece for piece in strip if isinstance(piece, Segment))
        assert segment.style is not None
        return segment.style if segment.text.strip() else None

    def first(self, query: int) -> Style | None:
        """Where a query's lines begin."""
        return self.style(self.view.left.line(query), self.view.widths.left)

    def last(self, key: int) -> Style | None:
        """Where lines end at a key."""
        return self.style(self.view.right.line(key), self.view.widths.right - 1)

    def figures(self, line: int) -> list[float | None]:
        """The figures at the right of a line, None where there is none."""
        start, width = self.view.widths.right, self.view.size.width
        figures = self.view.widths.figures
        end = width - self.view.widths.bar
        text = self.body[line]
        assert start + sum(figures) <= end
        pieces = [text[end - sum(figures[at:]) :][: figures[at]] for at in range(len(figures))]
        return [float(piece) if re.fullmatch(r" *\d?\.\d+", piece) else None for piece in pieces]


def level(weight: float, view: LinesView) -> int:
    return min(int(weight * view.palette.count), view.palette.count - 1)


def expected(weight: float) -> float | None:
    """A figure is rounded; nothing is written for what rounds to nothing."""
    return pytest.approx(weight, abs=6e-4) if weight >= 6e-4 else None


@pytest.mark.parametrize("model", ["demo", "demo-bert"])
async def test_lines_and_figures_are_eager_attention(open_app: Opener, model: str) -> None:
    weights = eager(model, PROMPT)
    async with open_app(model, start=HERE) as screen:
        view, main = await screen.show("2", LinesView), screen.main
        shown, ramp = Lines(view), view.palette.lines
        await screen.press("up")
        row = weights[LAYER, HEAD, main.look.query]
        assert view.right.seen == range(len(row))
        for key, weight in enumerate(row):
            style = ramp[level(weight, view)] if level(weight, view) else None
            assert shown.last(key) == style
            figure = shown.figures(view.right.line(key))[0]
            assert figure == expected(weight) or (figure is None and weight < 6e-4)
        others = set(range(len(row))) - {main.look.query}
        assert {shown.first(query) for query in others} == {None}
        assert f"{row[main.look.key]:.4f}" in screen.text

        await screen.press("Z")
        assert "lines of all tokens" in screen.text
        for query, row in enumerate(weights[LAYER, HEAD]):
            most = level(row.max(), view)
            assert shown.first(query) == (ramp[most] if most else None)
        await screen.press("Z")
        assert "as far as it goes" in screen.text

        await screen.press("z", "m")
        mean = weights[LAYER].mean(0)[main.look.query]
        for key, weight in enumerate(mean):
            assert shown.last(key) == (ramp[level(weight, view)] if level(weight, view) else None)


async def test_several_heads_in_a_hue_and_a_column_each_and_marked_queries(
    open_app: Opener,
) -> None:
    weights = eager("demo", PROMPT)
    async with open_app(start=HERE, size=(140, 36)) as screen:
        view, main = await screen.show("2", LinesView), screen.main
        shown, hues = Lines(view), view.palette.hues
        await screen.press("plus", "left_square_bracket", "plus", "left_curly_bracket")
        heads = [(LAYER, HEAD), (LAYER - 1, HEAD), (LAYER - 1, HEAD - 1)]
        assert "Heads 2.3, 1.3 and 1.2 at the cursor" in screen.text
        assert view.render_line(0).text.split()[-3:] == ["2.3", "1.3", "1.2"]
        rows = np.array([weights[layer, head, main.look.query] for layer, head in heads])
        for key, column in enumerate(rows.T):
            figures = shown.figures(view.right.line(key))
            for figure, weight in zip(figures, column, strict=True):
                assert figure == expected(weight) or (figure is None and weight < 6e-4)
            inks = [
                hue[level(weight, view)]
                for hue, weight in zip(hues, column, strict=False)
                if level(weight, view)
            ]
            assert shown.last(key) in inks if inks else shown.last(key) is None
        assert main.look.lens == "head"
        await screen.press("u")
        assert "Layer 1 Head 2 · lines of one token" in screen.text

        last = len(main.look.queries) - 1
        await screen.press("s", "space", "up", "up", "space", "up", "v")
        assert "lines of 3 tokens" in screen.text
        begun = [query for query in range(last + 1) if shown.first(query) is not None]
        assert begun == [last - 3, last - 2, last]
        line = view.left.line(last)
        assert shown.body[line].startswith(f"▸{last}") and "▸" not in shown.body[line - 1]
        row = view.render_line(view.right.line(screen.main.look.key) + view.has_header)
        assert [piece.text.strip() for piece in row if piece.style and piece.style.underline] == [
            visible(screen.main.look.keys[screen.main.look.key].text)
        ]


async def test_keys_out_of_sight_are_counted_and_added_up(open_app: Opener) -> None:
    prompt = "Once upon a time there was a king. " * 6
    weights = eager("demo", prompt)[LAYER, HEAD]
    async with open_app(prompt=prompt, start=HERE, size=(80, 24)) as screen:
        view, main = await screen.show("2", LinesView), screen.main
        shown, last = Lines(view), len(weights) - 1
        for keys in (
            [],
            ["pageup"],
            ["up"] * 3,
            ["home"],
            ["right"],
            ["end"],
            ["left"],
            ["ctrl+home"],
        ):
            await screen.press(*keys)
            row, seen = weights[main.look.query], view.right.seen
            assert main.look.query in view.left.seen
            for line, count, out in [
                (0, seen.start, row[: seen.start]),
                (view.right.room - 1, last + 1 - seen.stop, row[seen.stop :]),
            ]:
                arrow = "↓" if line else "↑"
                assert (f"{arrow} {count} more" in shown.body[line]) is (count > 0)
                total = float(out.sum())
                figure = shown.figures(line)[0] if count else None
                assert figure == expected(total) or (figure is None and total < 6e-4)
                drawn = shown.style(line, view.widths.right - 1)
                strongest = level(out.max(), view) if count else 0
                assert drawn == (view.palette.lines[strongest] if strongest else None)
        await screen.press("f")
        assert view.left.seen.start == view.right.seen.start == 0


async def test_the_columns_scroll_together_and_come_level_again(open_app: Opener) -> None:
    async with open_app(prompt="tokens 200", size=(80, 24), fake=True) as screen:
        view, main = await screen.show("2", LinesView), screen.main
        assert view.left.seen == view.right.seen and main.look.query in view.left.seen
        await screen.press("right")
        assert 1 in view.right.seen and main.look.query in view.left.seen
        await screen.press("f")
        assert view.left.seen == view.right.seen
        await screen.press("ctrl+home", "pagedown", "pagedown")
        assert view.left.seen == view.right.seen and main.look.query > 10
        before = view.left.seen
        view.post_message(MouseScrollDown(view, 1, 1, 0, 1, 0, False, False, False))
        await screen.settled()
        assert view.left.seen.start == before.start + 3 and view.right.seen == view.left.seen
        x = view.widths.left - 4
        await screen.pilot.click(view, offset=(x, 4))
        await screen.settled()
        assert main.look.query == view.left.at(3)
        await screen.pilot.click(view, offset=(view.widths.right + 3, 6))
        await screen.settled()
        assert main.look.key == view.right.at(5)


async def test_a_pair_is_filtered_from_sentence_to_sentence(open_app: Opener) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = MODELS["demo-bert"].folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    net = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    inputs = tokenizer(PAIR.text, PAIR.pair, return_tensors="pt")
    with torch.no_grad():
        weights = net(**inputs, output_attentions=True).attentions[0][0, 3].numpy()
    second = inputs["token_type_ids"][0].tolist().index(1)
    sides = {"A": range(second), "B": range(second, len(weights))}

    async with open_app("demo-bert", prompt=PAIR, start=Start(layer=0, head=3)) as screen:
        view, main = await screen.show("2", LinesView), screen.main
        shown = Lines(view)
        await screen.press("ctrl+home")
        line = view.left.gap_line()
        assert line is not None and line == view.left.line(second) - 1
        assert re.search(r"╌╌ B .*╌╌╌.* B ╌╌", shown.body[line])
        for between in ("A-A", "A-B", "B-A", "B-B"):
            await screen.press("p")
            assert main.look.between == between and between.replace("-", "→") in screen.text
            source, target = sides[between[0]], sides[between[-1]]
            assert (view.left.tokens, view.right.tokens) == (source, target)
            assert main.look.query in source and main.look.key in target
            await screen.press("up", "up", "home", "left")
            assert (main.look.query, main.look.key) == (source[0], target[0])
            for key in target:
                weight = weights[source[0], key]
                figure = shown.figures(view.right.line(key))[0]
                assert figure == expected(weight) or (figure is None and weight < 6e-4)
                strength = level(weight, view)
                assert shown.last(key) == (view.palette.lines[strength] if strength else None)
        await screen.press("1", "ctrl+home", "2")
        assert "no line: the query is not in B" in screen.text
        assert {shown.last(key) for key in sides["B"]} == {None}
        await screen.press("down")
        assert main.look.query == second


async def test_cross_attention_has_two_texts(open_app: Opener, bart: Path) -> None:
    prompt = PromptInput(text="When Mary went home ,", decoder_text="John and Mary")
    async with open_app(str(bart), prompt=prompt, start=Start(attention="cross")) as screen:
        view, look = await screen.show("2", LinesView), screen.main.look
        await screen.press("s", "s", "ctrl+home", "home")
        assert "Cross Layer 0 Head 0" in screen.text
        body = Lines(view).body
        for axis, column in [("queries", view.left), ("keys", view.right)]:
            for position, unit in enumerate(look.units(axis)):  # type: ignore[arg-type]
                assert visible(unit.text)[:4] in body[column.line(position)]
        await screen.press("end", "ctrl+end")
        assert screen.main.look.key == len(look.keys) - 1 != len(look.queries) - 1


@pytest.mark.parametrize("style", ["auto", "shade"])
async def test_wide_tokens_keep_the_columns(open_app: Opener, style: str) -> None:
    start = Start(style=style)  # type: ignore[arg-type]
    prompt = "吾輩は猫である。 supercalifragilistic 👩‍👩‍👧 é"
    async with open_app("demo-bert", prompt=prompt, start=start) as screen:
        view = await screen.show("2", LinesView)
        await screen.press("Z", "plus", "right_curly_bracket", "s")
        for size in [(200, 60), (80, 24), (40, 12), (16, 6), (120, 36)]:
            await screen.pilot.resize_terminal(*size)
            await screen.settled()
            lines = [view.render_line(y) for y in range(view.size.height)]
            assert {line.cell_length for line in lines} <= {view.size.width}
        dots = "".join(line.text for line in lines)
        assert any("\u2800" < char <= "\u28ff" for char in dots)
        assert (view.palette.pens == DENSITIES) is (style == "shade")


async def test_moving_repaints_only_what_changed(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(prompt="tokens 12", fake=True) as screen:
        view, painted = await screen.show("2", LinesView), []
        await screen.press("ctrl+home")
        monkeypatch.setattr(view, "refresh", lambda *regions, **_: painted.extend(regions))
        await screen.press("right")
        lines = [view.has_header + view.right.line(key) for key in (0, 1)]
        assert [(region.y, region.height) for region in painted] == [(line, 1) for line in lines]
