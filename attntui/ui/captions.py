"""Titles and lines in words, every token in them made safe."""

from attntui.core.protocol import Predictions, Rollout, View
from attntui.core.tokens import sanitise, visible
from attntui.render.labels import quote
from attntui.render.names import reading_name, view_name
from attntui.render.ranking import Entry
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


def readings(look: Look) -> list[str]:
    """What is not as the model gave it: never in silence."""
    notes = reading_name(look.reading)
    if look.between != "all":
        notes.append(look.between)
    if look.threshold:
        notes.append(f"from {look.threshold:g}")
    return notes


def attends_title(look: Look, queries: tuple[int, ...]) -> str:
    if len(queries) > 1:
        return f"{len(queries)} marked rows together attend to"
    return f"{queries[0]} {quote(look.queries[queries[0]].text)} attends to"


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
