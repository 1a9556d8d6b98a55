"""A text that does not fit the grid: the whole in small beside it, and going anywhere in it."""

import numpy as np
import pytest

from attntui.core.protocol import GetWindow, Request
from attntui.ui.widgets import grid_window
from attntui.ui.widgets.attention_grid import AttentionGrid
from attntui.ui.widgets.overview import Overview
from tests.engine.test_long import pooled
from tests.ui.conftest import Opener, Screen
from tests.ui.test_first_picture import eager

LONG = "The cat saw the dog. " * 20


def shown(screen: Screen) -> tuple[GetWindow, np.ndarray]:
    overview = screen.main.query_one(Overview)
    assert overview.display and overview.asked is not None and overview._weights is not None
    return overview.asked, overview._weights


async def test_the_whole_is_beside_a_part(open_app: Opener) -> None:
    async with open_app(prompt=LONG) as screen:
        look = screen.main.look
        matrix = eager("demo", LONG)[look.layer, look.head]
        asked, weights = shown(screen)
        steps = asked.row_step, asked.key_step
        assert min(steps) > 1
        np.testing.assert_allclose(weights, pooled(matrix, steps, "max"), atol=1e-5)
        assert "Whole · largest" in screen.text and f"to {weights.max():.2g}" in screen.text
        await screen.press("P")
        np.testing.assert_allclose(shown(screen)[1], pooled(matrix, steps, "mean"), atol=1e-5)
        assert "Whole · mean" in screen.text
        await screen.press("}")
        assert shown(screen)[0].view == screen.main.look.view
        await screen.press("f")
        assert not screen.main.query_one(Overview).display
        assert "mean" in screen.main.query_one(AttentionGrid)._title


async def test_a_frame_marks_the_part_in_sight(open_app: Opener) -> None:
    async with open_app(prompt=LONG) as screen:
        overview = screen.main.query_one(Overview)

        def frame() -> list[int]:
            accent = overview.style_of("current").color
            lines = [overview.render_line(y) for y in range(overview.size.height)]
            return [
                y
                for y, line in enumerate(lines)
                if any(
                    part.style and accent in (part.style.color, part.style.bgcolor) for part in line
                )
            ]

        await screen.press("ctrl+home")
        top = frame()
        await screen.press("ctrl+end")
        bottom = frame()
        assert top and bottom and max(top) < max(bottom) and min(top) < min(bottom)


async def test_it_is_not_there_where_all_is_in_sight_nor_where_it_folds(open_app: Opener) -> None:
    async with open_app() as screen:
        assert not screen.main.query_one(Overview).display
    async with open_app(prompt=LONG, size=(80, 24)) as screen:
        assert not screen.main.query_one(Overview).size
        await screen.press("2")
        assert not screen.main.query_one(Overview).display


async def test_a_sample_comes_first_and_all_of_it_stays(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid_window, "QUICK", 1)
    seen: list[Request] = []
    accept = AttentionGrid.accept

    def noted(self: AttentionGrid, slot: str, request: Request, *answer: object) -> None:
        accept(self, slot, request, *answer)  # type: ignore[arg-type]
        seen.append(self.window.request)  # type: ignore[union-attr]

    monkeypatch.setattr(AttentionGrid, "accept", noted)
    async with open_app(prompt=LONG) as screen:
        seen.clear()
        await screen.press("f")
        assert [bool(each.sampled) for each in seen] == [True, False]  # type: ignore[union-attr]
        look, window = screen.main.look, screen.main.query_one(AttentionGrid).window
        assert window is not None and window.step > 1
        matrix = eager("demo", LONG)[look.layer, look.head]
        expected = pooled(matrix, (window.step, window.step), "max")
        np.testing.assert_allclose(window.weights, expected, atol=1e-5)


async def test_a_token_is_gone_to_by_its_number(open_app: Opener) -> None:
    async with open_app(prompt=LONG) as screen:
        await screen.press("g", *"#57", "enter")
        assert screen.main.look.query == 57
        rows, _ = screen.main.query_one(AttentionGrid).frame.visible()
        assert rows[0] <= 57 < rows[1]
        await screen.press("g", *"#9999", "enter")
        assert screen.main.look.query == 57
        last = len(screen.main.look.queries) - 1
        assert f"they are #0 to #{last}" in screen.text
