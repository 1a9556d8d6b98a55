"""A title keeps what matters at every width."""

from rich.cells import cell_len

from attntui.render.headline import headline

PARTS = (
    ("Layer 5 Head 1", "Head 5.1"),
    ("special tokens hidden", "hidden"),
    ("東京に住んでいます",),
    ("a remark", ""),
)


def test_the_last_part_gives_way_first() -> None:
    assert headline(80, PARTS).endswith("東京に住んでいます · a remark")
    assert headline(60, PARTS) == "Layer 5 Head 1 · special tokens hidden · 東京に住んでいます"
    assert headline(50, PARTS) == "Layer 5 Head 1 · hidden · 東京に住んでいます"
    assert headline(30, PARTS) == "Head 5.1 · hidden · …"


def test_nothing_is_wider_than_the_line() -> None:
    for width in range(12, 90):
        line = headline(width, PARTS)
        assert cell_len(line) <= width and line.startswith(("Layer 5 Head 1", "Head 5.1"))
