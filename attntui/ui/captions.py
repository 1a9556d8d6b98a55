"""Titles and lines in words, every token in them made safe."""

from attntui.core.protocol import (
    Direction,
    GetScores,
    GetWindow,
    Head,
    Lens,
    LessWeights,
    Mean,
    Predictions,
    Rollout,
    Top,
    View,
)
from attntui.core.tokens import sanitise, visible
from attntui.render.headline import Part
from attntui.render.labels import quote
from attntui.render.names import (
    STACKS,
    edits_name,
    hiding_name,
    pair_name,
    short_name,
    view_name,
)
from attntui.render.ranking import Entry, places
from attntui.render.thumbnails import Grain
from attntui.ui.beside import names, same_model
from attntui.ui.choices import PageName
from attntui.ui.state import Look

ROWS_AND_COLUMNS: Part = ("query (row) attends to key (column)", "")

WEIGHT_PAGES: tuple[PageName, ...] = ("lines", "neuron", "distance")
"""Where no difference is drawn."""

Title = list[Part]
"""Parts of a title, the most important first; a pane chooses the wordings that fit."""

NO_COLUMNS: Title = [("attended by: not for this many tokens", "attended by: not here", "not here")]
"""Over the list that a view of all layers at once has none of; see `costs.has_columns`."""


SHORT = {"token in this place": "here", "expected here": "expected", "next token": "next"}
"""What is predicted, in a narrow pane."""


def view_title(view: View, step: int, look: Look, sampled: int = 0) -> Title:
    """What the grid shows; `step` tokens make a side of a cell, `sampled` of its rows count."""
    stack = look.stack_info
    title: Title = [_named(view, look.aim_text)]
    if isinstance(view, Rollout) and view.residual == 0 and stack is not None and stack.causal:
        short = "drifts to the first token"
        title.append((f"{short} with depth", short, "drifts"))
    if sampled:
        title.append(
            (f"so far from {sampled} of every {step} rows", "so far from a sample", "sample")
        )
    return [*title, *readings(look), *_cells(step, step, look), ROWS_AND_COLUMNS]


def overview_title(asked: GetWindow, peak: float, look: Look) -> Title:
    """The whole matrix in small: what a cell shows, what the strongest shade is, and of how many
    of its rows."""
    which = "mean" if asked.pooling == "mean" else "largest"
    size = f"{asked.row_step} × {asked.key_step}"
    cells: Part = (f"{which} of {size} {_units(look)}", f"{which} of {size}", which)
    if asked.sampled:
        cells = (f"{which} so far", "so far")
    return [("Whole",), cells, (f"to {peak:.2g}",)]


def maps_title(name: str, notes: tuple[str, ...], grain: Grain, look: Look) -> Title:
    """What small maps show, how they are pooled, and notes for which there may be no room."""
    stack = STACKS[look.stack].strip()
    size = f"small maps of {len(look.queries)} × {len(look.keys)} {_units(look)}"
    title: Title = [(f"{stack} {name}" if stack else name,)]
    if look.lens != "head":
        opened = whose(look.view)[0]
        title.append((f"Enter opens: {opened}", f"Enter: {opened}"))
    title += [*readings(look), *_cells(grain.row_step, grain.key_step, look)]
    return [*title, *((note, "") for note in (*notes, size))]


def lines_title(look: Look, views: tuple[View, ...], queries: int, is_all: bool) -> Title:
    """What the lines are of: which heads, and how many queries; and which key draws others."""
    unit = "word" if look.words else "token"
    extent: Part = (f"lines of {queries} {unit}s", f"of {queries}")
    if queries == 1:
        extent = (f"lines of one {unit}", "")
    if not queries:
        none = f"no line: the query is not in {look.between[0]}"
        extent = (f"{none}, ↑ ↓ move there", none, f"no line: ↑ ↓ to {look.between[0]}")
    if is_all:
        extent = (f"lines of all {unit}s", "of all")
    drawn = _drawn(look, views)
    return [*drawn, *readings(look), extent, ("z: of one" if is_all else "Z: of all", "")]


def _drawn(look: Look, views: tuple[View, ...]) -> Title:
    """Which heads have lines, and how many of the chosen ones have none."""
    heads = {(view.layer, view.head) for view in views if isinstance(view, Head)}
    names = [f"{layer}.{head}" for layer, head in look.chosen if (layer, head) in heads]
    others = [f"{layer}.{head}" for layer, head in heads - {*look.chosen}]
    listed = ", ".join(names) + "".join(f" and {name} at the cursor" for name in others)
    name: Part = (f"{STACKS[views[0].stack]}Heads {listed}", f"{len(views)} heads")
    title = [_named(views[0]) if len(views) == 1 else name]
    left = len(look.chosen) - len(names)
    if left:
        title.append((f"{left} chosen {'head' if left == 1 else 'heads'} not drawn",))
    return title


def text_title(window: GetWindow, direction: Direction, look: Look) -> Title:
    """What shades the text: whose weights, and which way; and the key that turns it round."""
    if direction == "attends_to":
        what = _attends(look.queries[window.rows[0]].text)
    else:
        token = quote(look.keys[window.keys[0]].text)
        what = (f"what attends to {token}", f"→ {token}")
    return [what, _named(window.view, look.aim_text), *readings(look), ("Enter turns it round", "")]


def _attends(token: str) -> Part:
    return f"what {quote(token)} attends to", f"{quote(token)} →"


def score_title(asked: GetScores, key: int, look: Look, is_cut: bool) -> Title:
    """Whose score is taken apart; `is_cut` where the page is longer than its pane."""
    sides = look.side("queries"), look.side("keys")
    assert sides[0] is not None and sides[1] is not None
    query, other = sides[0].tokens[asked.query], sides[1].tokens[key]
    what = f"score that {quote(query.text)} gives {quote(other.text)}"
    short = f"score {quote(query.text)} → {quote(other.text)}"
    title: Title = [_named(Head(asked.stack, asked.layer, asked.head)), (f"the {what}", short)]
    return [*title, ("PgDn: more below", "PgDn")] if is_cut else title


def whose(view: View) -> Part:
    """Whose numbers a list shows beside a page that may show others'; the page names the stack."""
    name = short_name(view).removeprefix(STACKS[view.stack])
    if isinstance(view, Head):
        return name, f"{view.layer}.{view.head}"
    if isinstance(view, Rollout):
        return name, "rollout"
    if isinstance(view, LessWeights):
        return name, "difference"
    if isinstance(view, Lens):
        return name, name.split()[0].lower()
    if isinstance(view, Mean) and view.layer is not None:
        return name, f"mean {view.layer}"
    return name, "mean"


def _named(view: View, aim: str = "") -> Part:
    return view_name(view, aim), short_name(view)


def _units(look: Look) -> str:
    return "words" if look.words else "tokens"


def _cells(row_step: int, key_step: int, look: Look) -> Title:
    """What a cell stands for, where it is not one weight."""
    if row_step == key_step == 1:
        return []
    size = f"{row_step} × {key_step}"
    cells = f"cells of {size} {_units(look)}"
    which = "mean" if look.pooling == "mean" else "largest"
    what = f"{which} {'difference' if look.reading.against else 'weight'}"
    return [(f"{cells}, their {what}", f"{cells}, {which}", f"{size} a cell, {which}")]


def readings(look: Look) -> Title:
    """What is not as the model gave it: never in silence."""
    reading = look.reading
    hiding = hiding_name(reading)
    notes: Title = [*changes(look), *([hiding] if hiding else [])]
    if reading.between != "all":
        notes.append((pair_name(reading.between),))
    if look.threshold:
        notes.append((f"from {look.threshold:g}", f"≥ {look.threshold:g}"))
    return [*notes, ("words",)] if look.words else notes


def changes(look: Look) -> Title:
    """What is changed in the model, and which of the two runs is in sight."""
    if not look.is_compared:
        return []
    before, after = names(look)
    if look.shown == "before":
        return [(f"before: {before}", "before")]
    cuts = f"{len(look.edits.cuts)} cut" if look.edits.cuts else ""
    heads = f"{len(look.edits.ablated)} off" if look.edits.ablated else ""
    short = ", ".join(filter(None, (heads, cuts)))
    told = ", ".join(edits_name(look.edits))
    notes: Title = [(told, short)] if told else []
    if look.reading.against and look.page not in WEIGHT_PAGES:
        notes.append((f"difference: {after} less {before}", f"less {before}", "difference"))
    elif look.beside or not same_model(look.before, look.after):
        notes = [(f"after: {after}", "after"), *(notes if told != after else [])]
    return notes


def attends_title(look: Look, view: View, queries: tuple[int, ...], found: Top) -> Title:
    """Whose row is listed, and how much of it the reading hides: never in silence."""
    title: Title = [(f"{len(queries)} marked rows attend to", f"{len(queries)} rows →")]
    if len(queries) == 1:
        place, token = queries[0], quote(look.queries[queries[0]].text)
        title = [(f"{place} {token} attends to", f"{place} {token} →", f"{place} →")]
    share = f"{found.hidden / len(queries):.0%}"
    hidden: Title = [] if look.sinks == "show" else [(f"{share} hidden", f"hid {share}")]
    return [*title, *hidden, whose(view)]


def attended_title(look: Look, view: View, keys: tuple[int, ...]) -> Title:
    if len(keys) > 1:
        count = len(keys)
        return [(f"{count} marked columns are attended by", f"→ {count} columns"), whose(view)]
    place, token = keys[0], quote(look.keys[keys[0]].text)
    return [(f"{place} {token} is attended by", f"→ {place} {token}", f"→ {place}"), whose(view)]


def predictions_title(found: Predictions, look: Look) -> Title:
    """What is predicted, and where."""
    side = look.side("queries")
    assert side is not None
    place, what = found.position, sanitise(found.what)
    if found.position == look.predicted_at < look.token("queries"):
        place, what = place + 1, "expected here"
    at, token = f"at {place}", side.tokens[place]
    title: Title = [
        (what, what.removeprefix("token "), SHORT.get(what, what)),
        (f"{at} {quote(token.text)}", at, ""),
    ]
    if found.apart:
        title.insert(1, (sanitise(found.apart), "other outputs: not compared", "not compared"))
    if found.divergence is not None:
        other, short = "", ""
        if found.beside is not None:
            place, text = found.beside
            other, short = f" from {place} {quote(text)}", f" from {quote(text)}"
        words = f"KL {found.divergence:.3f} nats{other}", f"KL {found.divergence:.2f}{short}"
        title.insert(1, (*words, f"KL {found.divergence:.2f}"))
    return title


def predicted_words(look: Look, found: Predictions | None) -> tuple[str, ...]:
    """A row's label, in words from long to short; none where no next token is predicted there."""
    model, run, side = look.model, look.run, look.side("queries")
    if found is None or model is None or run is None or side is None or not found.entries:
        return ()
    is_here = (found.run, found.position) == (run.run, look.token("queries"))
    if not is_here or model.predicts != "next" or side.name == "encoder":
        return ()
    # Beside another run, what was likeliest there may stand first.
    best = max(found.entries, key=lambda each: each.probability)
    says = f"predicts {quote(best.text)} ({_chance(best.probability)})"
    came = ""
    if found.came is not None and found.came.id == best.id:
        came = ", which came"
    elif found.came is not None:
        came = f", {quote(found.came.text)} came ({_chance(found.came.probability)})"
    at = f"at {quote(side.tokens[found.position].text)} → "
    return f"{at}{says}{came}", f"{says}{came}", says


def _chance(probability: float) -> str:
    return f"{probability:.{places(probability, 3)}f}"


def prediction_entries(found: Predictions) -> tuple[Entry, ...]:
    most = max((entry.probability for entry in found.entries), default=1.0)
    return tuple(
        Entry(
            visible(entry.text),
            None,
            entry.probability,
            entry.probability_before,
            places=places(most, 3),
        )
        for entry in found.entries
    )
