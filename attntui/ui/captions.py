"""Titles and lines in words, every token in them made safe."""

from rich.cells import cell_len

from attntui.core.protocol import (
    Direction,
    GetScores,
    GetWindow,
    Head,
    Predictions,
    Rollout,
    Top,
    View,
)
from attntui.core.tokens import sanitise, visible
from attntui.render.labels import quote
from attntui.render.names import STACKS, reading_name, view_name
from attntui.render.ranking import Entry
from attntui.render.thumbnails import Grain
from attntui.ui.state import Look


def view_title(view: View, step: int, width: int, look: Look) -> str:
    """What the grid shows, as long as there is room; `step` tokens make a side of a cell."""
    name = " · ".join([view_name(view), *readings(look)])
    if step > 1:
        name += f" · cells of {step} × {step} tokens, their largest weight"
    stack = look.stack_info
    causal = stack is not None and stack.causal
    if isinstance(view, Rollout) and view.residual == 0 and causal:
        name += " · drifts to the first token with depth"
    long = f"{name} · query (row) attends to key (column)"
    return long if len(long) + 4 <= width else name


def maps_title(name: str, notes: tuple[str, ...], grain: Grain, width: int, look: Look) -> str:
    """What small maps show and how they are pooled; notes and sizes as long as there is room."""
    stack = STACKS[look.stack].strip()
    title = " · ".join([*([stack] if stack else []), name, *readings(look)])
    units = "words" if look.words else "tokens"
    if grain.pools:
        title += f" · cells of {grain.row_step} × {grain.key_step} {units}"
        notes = ("their largest weight", *notes)
    for note in (*notes, f"small maps of {len(look.queries)} × {len(look.keys)} {units}"):
        longer = title + (", " if note.startswith("their") else " · ") + note
        title = longer if len(longer) + 4 <= width else title
    return title


def lines_title(look: Look, views: tuple[View, ...], queries: int, is_all: bool, width: int) -> str:
    """What the lines are of: which heads, and how many queries; as long as there is room, also
    which key draws more of them."""
    heads = [f"{view.layer}.{view.head}" for view in views if isinstance(view, Head)]
    name = STACKS[views[0].stack] + f"Heads {', '.join(heads)}"
    if len(views) == 1:
        name = view_name(views[0])
    unit = "word" if look.words else "token"
    whose = f"lines of one {unit}" if queries == 1 else f"lines of {queries} {unit}s"
    if not queries:
        whose = f"no line: the query is not in {look.between[0]}, ↑ ↓ move there"
    if is_all:
        whose = f"lines of all {unit}s"
    title = " · ".join([name, *readings(look), whose])
    long = f"{title} ({'z: of one' if is_all else 'Z: of all'})"
    return long if len(long) + 4 <= width else title


def text_title(window: GetWindow, direction: Direction, width: int, look: Look) -> str:
    """What shades the text: whose weights, and which way; where there is room, also the key that
    turns it round."""
    if direction == "attends_to":
        what = f"what {quote(look.queries[window.rows[0]].text)} attends to"
    else:
        what = f"what attends to {quote(look.keys[window.keys[0]].text)}"
    short = " · ".join([what, *readings(look)])
    title = f"{view_name(window.view)} · {short}"
    return _fitting(width, f"{title} (Enter turns it round)", title, short)


def score_title(asked: GetScores, key: int, width: int, look: Look) -> str:
    """Whose score is taken apart."""
    sides = look.side("queries"), look.side("keys")
    assert sides[0] is not None and sides[1] is not None
    query, other = sides[0].tokens[asked.query], sides[1].tokens[key]
    name = view_name(Head(asked.stack, asked.layer, asked.head))
    what = f"score that {quote(query.text)} gives {quote(other.text)}"
    return _fitting(width, f"{name} · the {what}", what)


def _fitting(width: int, *titles: str) -> str:
    """The first of the titles that fits above a pane of a width, else the last."""
    return next((title for title in titles if cell_len(title) + 4 <= width), titles[-1])


def readings(look: Look) -> list[str]:
    """What is not as the model gave it: never in silence."""
    notes = reading_name(look.reading)
    if look.threshold:
        notes.append(f"from {look.threshold:g}")
    return notes


def attends_title(look: Look, queries: tuple[int, ...], found: Top) -> str:
    """Whose row is listed, and how much of it the reading hides: never in silence."""
    hidden = "" if look.sinks == "show" else f"{found.hidden / len(queries):.0%} hidden · "
    if len(queries) > 1:
        return f"{hidden}{len(queries)} marked rows attend to"
    return f"{hidden}{queries[0]} {quote(look.queries[queries[0]].text)} attends to"


def attended_title(look: Look, keys: tuple[int, ...]) -> str:
    if len(keys) > 1:
        return f"{len(keys)} marked columns are attended by"
    return f"{keys[0]} {quote(look.keys[keys[0]].text)} is attended by"


def predictions_title(found: Predictions, look: Look) -> str:
    """What is predicted, and where."""
    side = look.side("queries")
    assert side is not None
    token = side.tokens[found.position]
    return f"{sanitise(found.what)} · at {found.position} {quote(token.text)}"


def prediction_entries(found: Predictions) -> tuple[Entry, ...]:
    return tuple(Entry(visible(entry.text), None, entry.probability) for entry in found.entries)
