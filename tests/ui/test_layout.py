"""It works at every size, in every palette, and folds instead of breaking."""

import pytest

from attntui.core.protocol import PromptInput
from attntui.ui.messages import Waiting
from attntui.ui.start import Start
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.head_bar import HeadBar
from attntui.ui.widgets.head_map import HeadMap
from attntui.ui.widgets.pane import Pane
from attntui.ui.widgets.ranked_list import RankedList
from tests.ui.conftest import Opener

SIZES = [(80, 24), (120, 36), (200, 60)]


@pytest.mark.parametrize("size", SIZES)
async def test_everything_is_there_at_every_size(open_app: Opener, size: tuple[int, int]) -> None:
    async with open_app(prompt="tokens 12", size=size, fake=True) as screen:
        main, narrow = screen.main, size[0] < 100
        assert main.query_one("#heads").display is not narrow
        assert main.query_one(HeadBar).display is narrow
        assert main.query_one(AttentionGrid).size.height >= 8
        assert main.query_one("#attends", RankedList).size.height >= 3
        assert all(len(line.rstrip()) <= size[0] for line in screen.lines)
        assert "? help" in screen.lines[-1]


async def test_it_follows_the_terminal_live(open_app: Opener) -> None:
    async with open_app(prompt="tokens 40", fake=True) as screen:
        for size in [*SIZES, (30, 8), (10, 3), (120, 36), (80, 24)]:
            await screen.pilot.resize_terminal(*size)
            await screen.settled()
            await screen.press("j", "l", "pagedown", "f", "z")
        assert "Layer ‹" in screen.text


async def test_the_folded_map_can_be_clicked(open_app: Opener) -> None:
    async with open_app(prompt="tokens 6", size=(80, 24), fake=True) as screen:
        bar = screen.main.query_one(HeadBar)
        line = bar.render_line(0).text
        await screen.pilot.click(HeadBar, offset=(line.rindex("›") + 1, 0))
        await screen.settled()
        assert screen.main.look.head == 1
        await screen.pilot.click(HeadBar, offset=(line.index("›") + 1, 0))
        await screen.settled()
        assert screen.main.look.layer == 1


async def test_cells_heads_and_tokens_can_be_clicked(open_app: Opener) -> None:
    async with open_app(prompt="tokens 6", fake=True) as screen:
        grid = screen.main.query_one(AttentionGrid)
        x = grid.label_width + 2 * grid.cell_width + 1  # 1: padding
        await screen.pilot.click(AttentionGrid, offset=(x, grid.header_height + 4 + 1))
        await screen.settled()
        assert (screen.main.look.query, screen.main.look.key) == (4, 2)
        await screen.pilot.click(HeadMap, offset=(4 + 2 + 1, 1 + 1 + 1))
        await screen.settled()
        assert (screen.main.look.layer, screen.main.look.head) == (1, 1)


async def test_a_page_where_arrows_go_to_heads_names_them_once(open_app: Opener) -> None:
    async with open_app() as screen:
        assert "←↑↓→ cell  ⇧ ←↑↓→ head" in screen.lines[-1]
        await screen.press("7")
        assert screen.lines[-1].count("head") == 1


@pytest.mark.parametrize("style", ["auto", "shade"])
@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_every_palette_paints(open_app: Opener, style: str, theme: str) -> None:
    start = Start(style=style, theme=theme)  # type: ignore[arg-type]
    async with open_app(prompt="tokens 6", start=start, fake=True) as screen:
        shown = screen.main.query_one(AttentionGrid)
        row = shown.render_line(shown.header_height + 2).text
        assert ("█" in row or "░" in row or "·" in row) is (style == "shade")


async def test_long_and_wide_tokens_keep_the_columns(open_app: Opener) -> None:
    async with open_app(
        "demo-bert", prompt="吾輩は猫である。 supercalifragilistic 👩‍👩‍👧 é"
    ) as screen:
        grid = screen.main.query_one(AttentionGrid)
        lines = [grid.render_line(y) for y in range(grid.size.height)]
        assert {line.cell_length for line in lines} == {grid.size.width}


async def test_arrows_move_the_cell_where_the_grid_scrolls(open_app: Opener) -> None:
    async with open_app(prompt="tokens 60", size=(80, 24), fake=True) as screen:
        look = screen.main.look
        assert look.query == 59
        await screen.press("up", "up", "right", "right", "right")
        assert (screen.main.look.query, screen.main.look.key) == (57, 3)
        await screen.press("pageup", "end", "home", "pagedown")
        assert screen.main.look.key == 0


async def test_the_cursor_is_never_under_a_scrollbar(open_app: Opener) -> None:
    async with open_app(prompt="tokens 60", size=(100, 30), fake=True) as screen:
        grid = screen.main.query_one(AttentionGrid)
        for keys in (("end",), ("ctrl+home",), ("ctrl+end", "end")):
            await screen.press(*keys)
            room = grid.scrollable_content_region.size
            lines = [grid.render_line(y).text[: room.width] for y in range(room.height)]
            assert sum("[" in line and "]" in line for line in lines) == 1


async def test_a_small_screen_keeps_the_grid(open_app: Opener) -> None:
    async with open_app(prompt="tokens 12", size=(60, 15), fake=True) as screen:
        grid = screen.main.query_one(AttentionGrid)
        assert grid.size.height - grid.header_height >= 3


async def test_two_sentences_leave_room_for_the_grid(open_app: Opener) -> None:
    pair = PromptInput(
        text="The old [MASK] lived in a small house.", pair="彼は東京に住んでいます。"
    )
    async with open_app("demo-bert", pair, (80, 24)) as screen:
        grid = screen.main.query_one(AttentionGrid)
        assert grid.size.height - grid.header_height >= 9
        assert all(text in screen.text for text in (pair.text, pair.pair, "attends to", "? help"))
        await screen.press("I", "x")
        assert "─Second sentence─" in screen.text
        await screen.press("escape")
        assert "not run yet, Enter runs it" in screen.text
        await screen.press("6")
        assert screen.main.page.max_scroll_y == 0 and "keys: score" in screen.text
        assert "each row's largest" in screen.lines[-2]
        await screen.press("1")
        await screen.pilot.resize_terminal(30, 10)
        await screen.settled()
        assert "[]" in screen.text
        await screen.pilot.resize_terminal(20, 5)
        await screen.settled()
        words = " ".join(screen.text.split())
        assert words == "This window is too small: 20 × 5. It needs 30 × 10."


async def test_the_whole_prompt_fits_at_the_nearest_step(open_app: Opener) -> None:
    async with open_app(prompt="tokens 61", fake=True) as screen:
        grid = screen.main.query_one(AttentionGrid)
        await screen.press("f")
        assert grid.zoom == (2, 3)
        await screen.press("z")
        assert grid.zoom == (2, 2)
        await screen.press("f", "Z")
        assert grid.zoom == (2, 4)
        await screen.press("z", "z", "z")
        assert grid.zoom == (5, 1) and "figures: weights · shades: linear 0" in screen.text


async def test_a_chosen_zoom_stays_with_much_the_same_text(open_app: Opener) -> None:
    async with open_app(prompt="tokens 61", fake=True) as screen:
        grid = screen.main.query_one(AttentionGrid)
        plain = grid.zoom
        await screen.press("f")
        chosen = grid.zoom
        assert chosen != plain
        for tokens, zoom in ((70, chosen), (300, plain), (290, plain)):
            await screen.run(f"tokens {tokens}")
            await screen.until(lambda count=tokens: len(screen.main.look.queries) == count)
            await screen.settled()
            assert grid.zoom == zoom


async def test_what_went_wrong_stays_on_an_empty_screen(open_app: Opener) -> None:
    async with open_app(prompt="fail user Choose another model.", fake=True, wait=False) as screen:
        await screen.until(lambda: not screen.main.session.busy and screen.main.session.model)
        await screen.settled()
        assert any("Choose another model." in line for line in screen.lines[8:22])


async def test_what_is_waited_for_is_cut_with_an_ellipsis(open_app: Opener) -> None:
    async with open_app(prompt="tokens 12", size=(80, 24), fake=True) as screen:
        far = "downloading org/name 1.2 GB of 4.0 GB, 25.0 MB/s, 1 min 52 s left, asked again once"
        screen.main.session.post(Waiting(far, 0.3))
        await screen.until(lambda: "1.2 GB" in screen.lines[0])
        assert screen.lines[0].rstrip().endswith("…")


@pytest.mark.parametrize("size", [(80, 24), (110, 30), (120, 36)])
async def test_what_is_hidden_is_told_where_readings_pile_up(
    open_app: Opener, size: tuple[int, int]
) -> None:
    pair = PromptInput(
        text="The old [MASK] lived in a small house.", pair="彼は東京に住んでいます。"
    )
    async with open_app("demo-bert", pair, size) as screen:
        await screen.press("t", "t", "w", "greater_than_sign")
        for page in "123456":
            await screen.press(page)
            titles = [each._title for each in screen.main.query(Pane) if each.region]
            assert all(title in screen.text for title in titles)
            assert not [title for title in titles if "…" in title.removesuffix(" · …")]
            assert page == "6" or "hidden, rows" in screen.main.page._title
