"""Windows over the main screen: help, the engine's log, what the numbers mean."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from rich.table import Column, Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from attntui.core.protocol import STATISTICS, LogitLens, Statistic
from attntui.core.tokens import sanitise
from attntui.render.labels import quote
from attntui.render.methods import LOGIT_LENS
from attntui.render.names import depth_names
from attntui.ui.head_patterns import NOT_TOLD, Pattern, Values
from attntui.ui.keys import PROMPT_KEYS, Key, by_group
from attntui.ui.measures import MEASURES
from attntui.ui.screens.on_top import OnTop
from attntui.ui.state import Look

HEADS = ("", "value", "rows", "a large value: the head …")
CLOSE = "↑ ↓ scroll · Esc closes"
SHOWN = (
    ("•", "Rows are queries: the token that looks. Columns are keys: the tokens looked at."),
    ("•", "The mouse picks cells, heads and tokens. = explains the numbers."),
    ("·", "is a space, ⏎ a line end; ⋮ and … stand for the rest of a long token."),
    ("⟨", "as in ⟨E3 81⟩: bytes of a character that the tokenizer cut in pieces."),
)


class Window(OnTop[None]):
    """A titled page of text that scrolls; Esc, q or Enter closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark,f1,L,Y,equals_sign,d", "dismiss", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("tab", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, *parts: Widget, at_end: bool = False) -> None:
        super().__init__()
        self._title, self._parts, self._at_end = title, parts, at_end

    def compose(self) -> ComposeResult:
        page = VerticalScroll(*self._parts, id="page")
        page.border_title = Content(self._title)
        page.border_subtitle = Content(CLOSE)
        yield page

    def on_mount(self) -> None:
        page = self.query_one("#page", VerticalScroll)
        page.focus()
        if self._at_end:
            page.scroll_end(animate=False)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#page", VerticalScroll).scroll_relative(y=lines, animate=False)


def text(words: str, classes: str = "") -> Static:
    """Words that are never read as markup; `classes` say how they stand, in app.tcss."""
    return Static(Content(words), classes=classes)


def columns(rows: Iterable[Sequence[str]], *first: Column) -> Static:
    """Rows of cells, each folded within its own column; the last column has the rest of the width.

    One widget, not one a cell: a window must open at once.
    """
    table = Table(*first, Column(ratio=1), box=None, show_header=False, expand=True, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    return Static(table, classes="indented")


def help_window(table: Sequence[Key]) -> Window:
    """Every key, by group."""
    parts: list[Widget] = []
    for group, keys in by_group(table).items():
        rows = [(key.show, key.description) for key in keys]
        rows += PROMPT_KEYS if group == "Prompt" else ()
        parts += [text(group, "heading"), columns(rows, Column(width=12, style="bold"))]
    return Window("Help", *parts, text("What is shown", "heading"), columns(SHOWN, Column(width=1)))


def log_window(lines: Iterable[str]) -> Window:
    """What the engine wrote to its standard error, made safe."""
    safe = [sanitise(line) for line in lines]
    words = "\n".join(safe) if safe else "The engine has written nothing."
    return Window("The engine's log", text(words), at_end=True)


def pattern_window(
    look: Look, pattern: Pattern | None, values: Values | None, eligible: Mapping[Statistic, int]
) -> Window:
    """What the head mostly does, its statistics, and what attention does not tell."""
    basis = "repeated random tokens" if look.basis == "calibration" else "this prompt"
    parts: list[Widget] = []
    if pattern is not None and values is not None:
        parts += [text(pattern.name, "heading"), text(pattern.usually, "indented")]
        parts.append(text(f"Its numbers, on {basis} (b changes that)", "heading"))
        rows = [_number(name, values, eligible) for name in STATISTICS]
        figures = Column(width=11, justify="right"), Column(width=4, justify="right", style="dim")
        parts.append(columns([HEADS, *rows], Column(width=15), *figures))
    parts.append(text("What attention does not tell", "heading"))
    parts.append(columns([("•", each) for each in NOT_TOLD], Column(width=1)))
    return Window(f"Head {look.layer}.{look.head}", *parts)


def _number(
    name: Statistic, values: Values, eligible: Mapping[Statistic, int]
) -> tuple[str, str, str, str]:
    """A statistic's name, the head's value, over how many rows, and what a large value says."""
    measure, value = MEASURES[name], values[name]
    shown = measure.shown(value) if value == value else "–"  # NaN: no row is eligible
    return measure.name, shown, str(eligible.get(name, 0)), measure.says


def logit_lens_window(found: LogitLens) -> Window:
    """What the model would say after each layer, and where the answer stands there."""
    names = depth_names(len(found.depths))
    rows = [("after", "rank", "p", "likeliest")]
    for name, depth in zip(names, found.depths, strict=True):
        likeliest = "  ".join(
            f"{quote(entry.text)}\N{NO-BREAK SPACE}{entry.probability:.3f}"
            for entry in depth.entries
        )
        rows.append((name, f"{depth.rank + 1:,}", f"{depth.probability:.3f}", likeliest))
    figures = Column(width=6, justify="right"), Column(width=6, justify="right")
    title, formula, source = LOGIT_LENS
    return Window(
        f"{title} · {sanitise(found.what)} at {found.position}",
        text(f"Rank and p of {quote(found.text)} after each layer", "heading"),
        columns(rows, Column(width=10, style="bold"), *figures),
        text("What the numbers are", "heading"),
        text(formula, "indented"),
        text(f"Source: {source}", "indented faint"),
    )


def meaning_window(meanings: Sequence[tuple[str, str, str]]) -> Window:
    """Formula and source of what is shown."""
    parts: list[Widget] = []
    for title, formula, source in meanings:
        parts += [text(title, "heading"), text(formula, "indented")]
        parts.append(text(f"Source: {source}", "indented faint"))
    return Window("What the numbers are", *parts)
