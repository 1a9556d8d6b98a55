"""The lines around the panes: status and trust above, the cell under the cursor and keys below."""

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from rich.style import Style as RichStyle
from textual.content import Content
from textual.geometry import Size
from textual.style import Style
from textual.widgets import Static

from attntui.core.amounts import human_bytes
from attntui.core.protocol import Gradient, ModelInfo, Predictions, Signed, Trust
from attntui.core.scale import weight_at
from attntui.core.tokens import sanitise
from attntui.render.labels import quote
from attntui.render.names import pair_name
from attntui.render.ranking import places
from attntui.ui.beside import model_name, names, run_name, same_model
from attntui.ui.captions import predicted_words, whose
from attntui.ui.choices import PAGES, Legend, PageName
from attntui.ui.keys import TYPING_KEYS
from attntui.ui.state import Look

if TYPE_CHECKING:
    from attntui.ui.app import AttnApp


def trust_words(trust: Trust, model: ModelInfo) -> tuple[str, str]:
    """A run's trust in words, long and short; only what was measured."""
    exact = "exact" if trust.exact else "not exact"
    if model.capture == "eager":
        exact = "eager, as the model gave it"
    if model.capture == "given":
        exact = "from a file, not compared"
    rows = f"rows off 1 by {trust.row_sum_error:.1e}"
    if trust.row_sum_error < 1e-4:
        rows = "rows sum to 1"
    if model.capture == "given" and not trust.rows_checked:
        rows = "no row is whole"
    ahead = "no look ahead" if not trust.leak else f"looks ahead by {trust.leak:.2g}"
    future = "" if trust.leak is None else f" · {ahead}"
    return f"{exact} · {rows}{future}", exact


class StatusLine(Static):
    """Program, model and run on the left; trust, or what is waited for, on the right.

    `place`: the machine that the engine runs on, empty where it is this one.
    """

    def __init__(self, place: str = "") -> None:
        super().__init__(id="status")
        self.place = place
        self.look = Look()
        self.waiting = ""
        self.share: float | None = None
        self.is_held = True
        """Whether the engine has the run: else it takes no memory."""

    def show_held(self, is_held: bool) -> None:
        if is_held != self.is_held:
            self.is_held = is_held
            self.refresh()

    def show_look(self, look: Look) -> None:
        before = self.look
        told = [
            (each.model, each.run, each.stack, each.shown, each.before) for each in (look, before)
        ]
        if told[0] != told[1]:
            self.look = look
            self.refresh()

    def show_waiting(self, what: str, share: float | None) -> None:
        if (what, share) != (self.waiting, self.share):
            self.waiting, self.share = what, share
            self.refresh()

    def _parts(self) -> list[str]:
        """From the most to the least important."""
        model, run = self.look.model, self.look.run
        if model is None:
            return []
        stack = self.look.stack_info
        is_two = not same_model(self.look.before, self.look.after)
        parts = [run_name(self.look) if is_two else model_name(model)]
        if stack is not None:
            heads = max(layer.heads for layer in stack.layers)
            parts.append(f"{len(stack.layers)} layers × {heads} heads")
        if run is not None:
            parts.append(" + ".join(f"{len(side.tokens)}" for side in run.sides) + " tokens")
        where = f"{self.place}: " if self.place else ""
        parts.append(f"{where}{sanitise(model.device)} {sanitise(model.dtype)}")
        if run is not None and self.is_held:
            parts.append(f"memory {human_bytes(run.device_bytes)}")
        return parts

    def render(self) -> Content:
        width = self.size.width
        right = self._right()
        parts = self._parts()
        name = Content.assemble(("attntui", Style.parse("bold $accent")), "  ")
        left = name
        while True:
            left = name + Content(" · ".join(parts))
            if left.cell_length + right.cell_length + 2 <= width or len(parts) <= 1:
                break
            parts.pop()
        right = right.truncate(max(0, width - left.cell_length - 1), ellipsis=True)
        gap = max(1, width - left.cell_length - right.cell_length)
        return left + Content(" " * gap) + right

    def _right(self) -> Content:
        if self.waiting:
            share = "" if self.share is None else f" {self.share:.0%}"
            return Content.styled(f"{self.waiting}{share}", Style.parse("$warning"))
        run, model = self.look.run, self.look.model
        if run is None or model is None:
            return Content("")
        long, short = trust_words(run.trust, model)
        fine = run.trust.exact or model.capture == "eager"
        style = Style.parse("$success" if fine else "$warning")
        return Content.styled(long if self.size.width >= 100 else short, style)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1


def _is_same_cell(one: Look, other: Look) -> bool:
    """Whether both look at the same weight."""
    places = [(look.view, look.reading, look.query, look.key) for look in (one, other)]
    return one.run is other.run and places[0] == places[1]


def _is_same_beside(one: Look, other: Look) -> bool:
    """Whether the same weight of the run before is beside both."""
    its, others = one.other, other.other
    return its is not None and others is not None and _is_same_cell(its, others)


class CursorLine(Static):
    """What is under the cursor in words and a number, and the scale's legend."""

    def __init__(self) -> None:
        super().__init__(id="cursor")
        self.look = Look()
        self.weight: float | None = None
        self.beside: float | None = None
        """The weight of the same cell in the run before, while both are in sight."""
        self.legend: Legend = "shades"
        self.predicted: Predictions | None = None

    def show_predicted(self, found: Predictions) -> None:
        """What the model says at a row."""
        self.predicted = found
        self.refresh()

    def show_cell(self, look: Look, weight: float | None, legend: Legend | None = None) -> None:
        """`weight` is None while it is asked for; that of the same cell stays, and the legend."""
        self.legend = legend or self.legend
        if weight is None and _is_same_cell(look, self.look):
            weight = self.weight
        if self.beside is not None and not _is_same_beside(look, self.look):
            self.beside = None
        self.look, self.weight = look, weight
        self.refresh()

    def show_beside(self, look: Look, weight: float) -> None:
        """The weight of the cell in the run before."""
        self.beside = weight
        self.refresh()

    def render(self) -> Content:
        look = self.look
        if look.run is None or not look.queries or not look.keys:
            return Content("")
        query, key = look.queries[look.query], look.keys[look.key]
        sign = "+" if look.reading.against or isinstance(look.view, Signed) else ""
        weight = "…" if self.weight is None else f"{self.weight:{sign}.{places(self.weight, 4)}f}"
        if self.weight is not None and math.isnan(self.weight):
            weight = self._hidden(look)
        stack = look.stack_info
        is_late = stack is not None and stack.causal and look.key > look.query
        if self.weight == 0 and is_late:
            weight = "masked: a later token"
        left = Content.assemble(
            (f"{look.query} ", Style.parse("$faint")),
            quote(query.text),
            (f" → {look.key} ", Style.parse("$faint")),
            quote(key.text),
            "  ",
            (weight, Style.parse("bold $accent")),
        )
        if look.is_compared:
            left += Content.styled(f"  {run_name(look)}", Style.parse("$faint"))
            left += self._beside()
        is_named = look.is_compared and look.before is look.after  # two views, each by its name
        if not is_named and (look.lens != "head" or look.method != "weights"):
            left += Content.styled(f"  {whose(look.view)[0]}", Style.parse("$faint"))
        faint, legends = Style.parse("$faint"), list(self._legends())
        for words in (*predicted_words(look, self.predicted), ""):
            said = left + Content.styled(f"  {words}" if words else "", faint)
            room = self.size.width - said.cell_length - 2
            for legend in legends:
                if legend.cell_length <= room:
                    return said + Content(" " * (room + 2 - legend.cell_length)) + legend
        return left

    def _beside(self) -> Content:
        """The run before's weight, where its grid is in sight; the cell may be nowhere there."""
        other = self.look.other if self.look.beside else None
        if other is None:
            return Content("")
        weight = "…" if self.beside is None else f"{self.beside:.{places(self.beside, 4)}f}"
        if min(other.query, other.key) < 0 or weight == "nan":
            weight = "none"
        faint, place = Style.parse("$faint"), ""
        if other.words != self.look.words and weight != "none":  # a word, and one token of it
            query, key = other.queries[other.query], other.keys[other.key]
            place = f", {other.query} {quote(query.text)} → {other.key} {quote(key.text)}"
        return Content.assemble(
            (" · ", faint),
            (weight, Style.parse("bold")),
            (f"  {names(self.look)[0]}{place}", faint),
        )

    def _hidden(self, look: Look) -> str:
        """Why the cell shows no weight, and the key that shows it."""
        source, *_, target = look.between
        boundary = look.boundary
        if boundary is not None and look.between != "all":
            here = "AB"[look.query >= boundary], "AB"[look.key >= boundary]
            if here != (source, target):
                return f"not {pair_name(look.between)}: p shows it"
        if look.is_given:
            return "not in the file" if look.sinks == "show" else "hidden or not in the file: t"
        return "hidden: t shows it"

    def _legends(self) -> Iterator[Content]:
        """What is drawn, and the ramp between what its ends stand for; in ever shorter words."""
        app, scale, faint = cast("AttnApp", self.app), self.look.scale, Style.parse("$faint")
        palette = app.palette
        if self.legend == "signed":
            signed = palette.diverging
            ramp = _ramp(signed.glyphs, signed.styles)
            name = "linear" if scale == "row" else scale  # each row is to its largest anyway
            yield Content.assemble((f"{name} scale - ", faint), *ramp, " + each row's largest")
            yield Content.assemble("- ", *ramp, " +")
            return
        if self.legend == "differences":
            signed = palette.diverging
            ramp = _ramp(signed.glyphs, signed.styles)
            name = "linear" if scale == "row" else scale
            yield Content.assemble((f"{name} scale, difference -1 ", faint), *ramp, " +1")
            yield Content.assemble("-1 ", *ramp, " +1")
            return
        if self.legend == "lens":
            is_signed = isinstance(self.look.view, Gradient)
            shown = palette.diverging if is_signed else palette
            ramp = _ramp(shown.glyphs, shown.styles)
            name, least = "linear" if scale == "row" else scale, "-" if is_signed else "0"
            yield Content.assemble((f"{name} scale {least} ", faint), *ramp, " largest in sight")
            yield Content.assemble(f"{least} ", *ramp, " largest")
            return
        ramp = _ramp(palette.glyphs, palette.styles)
        high, middle = weight_at(1.0, scale), weight_at(0.5, scale)
        end = " each row's largest" if high is None else f" {high:g}"
        half = "" if middle is None or scale == "linear" else f" · middle {middle:.2g}"
        if self.legend == "figures":
            words = ("figures: weights · ", faint), ("shades: ", faint), (f"{scale} 0 ", faint)
            yield Content.assemble(*words, *ramp, end, half)
        yield Content.assemble((f"{scale} scale 0 ", faint), *ramp, end, half)
        short = "0 " if scale == "linear" else f"{scale} 0 "
        yield Content.assemble((short, faint), *ramp, " row's largest" if high is None else end)


def _ramp(glyphs: Sequence[str], styles: Sequence[RichStyle]) -> list[tuple[str, Style]]:
    """A cell of each level, from the lowest to the highest."""
    return [
        (glyph, Style.from_rich_style(style)) for glyph, style in zip(glyphs, styles, strict=True)
    ]


class KeyLine(Static):
    """The footer: the pages, and the most useful keys that fit; a click does what the key does."""

    def __init__(self) -> None:
        super().__init__(id="keys")
        self.page: PageName = PAGES[0]
        self.types = False
        """Whether the keyboard is in the prompt."""

    def show_typing(self, types: bool) -> None:
        if types != self.types:
            self.types = types
            self.refresh()

    def show_page(self, page: PageName) -> None:
        if page != self.page:
            self.page = page
            self.refresh()

    def _prompt_keys(self) -> Content:
        """What the keys do while one types, the most useful first."""
        line = Content("")
        for show, word in TYPING_KEYS:
            more = Content.assemble((show, Style.parse("$accent")), f" {word}  ")
            if line.cell_length + more.cell_length <= self.size.width:
                line += more
        return line

    def _entries(self) -> list[tuple[str, str, str]]:
        """What is shown of a key, its word, its action; in order."""
        keys = cast("AttnApp", self.app).keys
        pages = [key for key in keys if key.group == "View"]
        tabs = [(key.show, key.footer, key.action) for key in pages]
        if self.size.width < 100:
            tabs = [(f"{pages[0].show}-{pages[-1].show}", "views", "")] if len(pages) > 1 else []
        moved = {"layer": "map", "model": "map", "distance": "head"}.get(self.page, "cell")
        moves = [("←↑↓→", moved, "")]
        if moved != "head":
            moves.append(("⇧ ←↑↓→", "head", ""))
        others = [
            (key.show, key.footer, key.action) for key in keys if key.footer and key.group != "View"
        ]
        return [*tabs, *moves, *others]

    def render(self) -> Content:
        if self.types:
            return self._prompt_keys()
        entries = self._entries()
        first = [entry for entry in entries if entry[1] in {"help", "prompt", "quit"}]
        rest = [entry for entry in entries if entry not in first]
        shown: list[tuple[str, str, str]] = []
        used = 0
        for entry in first + rest:
            used += len(entry[0]) + len(entry[1]) + 3
            if used > self.size.width:
                break
            shown.append(entry)
        here = f"show_page('{self.page}')"
        pieces: list[Content] = []
        for show, word, action in (entry for entry in entries if entry in shown):
            meta = Style.from_meta({"@click": f"screen.{action}"}) if action else Style()
            if action.startswith("app."):
                meta = Style.from_meta({"@click": action})
            strong = Style.parse("bold reverse") if action == here else Style()
            pieces.append(
                Content.assemble((show, Style.parse("$accent") + meta), (f" {word}", meta + strong))
            )
        return Content("  ").join(pieces)
