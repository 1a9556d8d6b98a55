"""Windows over the main screen: help, the engine's log, what the numbers mean."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.style import Style
from textual.widgets import Static

from attntui.core.protocol import Statistic
from attntui.core.tokens import sanitise
from attntui.ui.head_patterns import NOT_TOLD, Pattern, Values
from attntui.ui.keys import PROMPT_KEYS, Key, by_group
from attntui.ui.measures import MEASURES
from attntui.ui.state import Look

CLOSE = "Esc closes"


class Window(ModalScreen[None]):
    """A titled page of text that scrolls; Esc, q or Enter closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark,f1,L,equals_sign,d", "dismiss", show=False),
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
        Binding("tab", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, content: Content, at_end: bool = False) -> None:
        super().__init__()
        self._title, self._content, self._at_end = title, content, at_end

    def compose(self) -> ComposeResult:
        page = VerticalScroll(Static(self._content), id="page")
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


def help_window(table: Sequence[Key]) -> Window:
    """Every key, by group."""
    lines: list[Content] = []
    heading, key_style = Style.parse("bold $accent"), Style.parse("bold")

    def row(show: str, description: str) -> Content:
        return Content.assemble("  ", (f"{show:<10}", key_style), f" {description}")

    for group, keys in by_group(table).items():
        lines.append(Content.styled(group, heading))
        lines += [row(key.show, key.description) for key in keys]
        if group == "Prompt":
            lines += [row(show, description) for show, description in PROMPT_KEYS]
        lines.append(Content(""))
    lines.append(
        Content(
            "The mouse picks cells, heads and tokens. Rows are queries: the token that looks.\n"
            "Columns are keys: the tokens looked at. = explains the numbers.\n"
            "· is a space, ⏎ a line end; ⋮ and … stand for the rest of a long token;\n"
            "⟨E3 81⟩ are bytes of a character that the tokenizer cut in pieces."
        )
    )
    return Window("Help", Content("\n").join(lines))


def log_window(lines: Iterable[str]) -> Window:
    """What the engine wrote to its standard error, made safe."""
    safe = [sanitise(line) for line in lines]
    text = "\n".join(safe) if safe else "The engine has written nothing."
    return Window("The engine's log", Content(text), at_end=True)


def pattern_window(
    look: Look, pattern: Pattern | None, values: Values | None, eligible: Mapping[Statistic, int]
) -> Window:
    """What the head mostly does, its statistics, and what attention does not tell."""
    heading, faint = Style.parse("bold $accent"), Style.parse("$faint")
    basis = "repeated random tokens" if look.basis == "calibration" else "this prompt"
    lines: list[Content] = []
    if pattern is not None and values is not None:
        lines += [Content.styled(pattern.name, heading), Content(pattern.usually), Content("")]
        lines.append(Content.styled(f"Its numbers, on {basis} (b changes that)", heading))
        for name, measure in MEASURES.items():
            if name == "cell" or name == "pair":
                continue
            value = values[name]
            shown = "–" if value != value else measure.shown(value)  # NaN: no row is eligible
            rows = f"{eligible.get(name, 0)} rows" if value == value else "no row shows it"
            line = f"{measure.name:<16} {shown:>12}  {measure.says}"
            lines.append(Content.assemble(line, (f" · {rows}", faint)))
        lines.append(Content(""))
    lines.append(Content.styled("What attention does not tell", heading))
    lines += [Content(f"• {sentence}") for sentence in NOT_TOLD]
    return Window(f"Head {look.layer}.{look.head}", Content("\n").join(lines))


def meaning_window(meanings: Sequence[tuple[str, str, str]]) -> Window:
    """Formula and source of what is shown."""
    pieces: list[Content] = []
    for title, formula, source in meanings:
        pieces.append(Content.styled(title, Style.parse("bold $accent")))
        pieces.append(Content(formula))
        pieces.append(Content.styled(f"Source: {source}", Style.parse("$faint")))
        pieces.append(Content(""))
    return Window("What the numbers are", Content("\n").join(pieces[:-1]))
