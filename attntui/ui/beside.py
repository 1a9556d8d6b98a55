"""Two looks beside each other: where what one looks at is in the other, and what each is called."""

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from attntui.core.protocol import Edits, ModelInfo, RunInfo
from attntui.core.tokens import sanitise
from attntui.render.names import edits_name, short_name

if TYPE_CHECKING:
    from attntui.ui.choices import Axis, Unit
    from attntui.ui.state import Look

NOWHERE = -1


def counterpart(look: "Look", other: "Look", axis: "Axis", at: int) -> int:
    """Where a row or column of one look is in the other, by edit distance; -1: nowhere."""
    if look.words == other.words:
        return _unit_beside(look.units(axis), other.units(axis), at)
    sides = look.side(axis), other.side(axis)
    if sides[0] is None or sides[1] is None:
        return NOWHERE
    token = _unit_beside(sides[0].tokens, sides[1].tokens, look.token_at(axis, at))
    return NOWHERE if token == NOWHERE else other.unit_of(axis, token)


def follow(look: "Look", other: "Look") -> "Look":
    """The other look with its cursor where this one's is in the text, if it is there."""
    query = counterpart(look, other, "queries", look.query)
    key = counterpart(look, other, "keys", look.key)
    kept = other.query if query == NOWHERE else query, other.key if key == NOWHERE else key
    return replace(other, query=kept[0], key=kept[1])


def _unit_beside(units: "tuple[Unit, ...]", others: "tuple[Unit, ...]", at: int) -> int:
    if units == others:
        return at
    found = _counterparts(units, others)
    return found[at] if 0 <= at < len(found) else NOWHERE


@lru_cache(maxsize=8)
def _counterparts(units: "tuple[Unit, ...]", others: "tuple[Unit, ...]") -> list[int]:
    from attntui.core.matching import counterparts  # numpy, which the first paint needs not

    found: list[int] = counterparts(units, others).tolist()
    return found


def model_name(model: ModelInfo, beside: ModelInfo | None = None) -> str:
    """A model's name made safe, of a folder what tells it from others; its revision where the one
    beside it has the same name."""
    parts = [_short(part) for part in sanitise(model.name).split(" + ")]
    revision = ""
    if beside is not None and beside.name == model.name and model.revision:
        revision = f" at {sanitise(model.revision)[:8]}"
    return " + ".join(parts) + revision


def _short(name: str) -> str:
    if not name.startswith(("/", "~", ".")):
        return name
    parts = name.rstrip("/").split("/")
    return "/".join(parts if len(parts) <= 3 else ["…", *parts[-2:]])


def names(look: "Look") -> tuple[str, str]:
    """What tells the run before from the one after, in a few words each."""
    before, after = look.before, look.after
    if before is None or after is None:
        return "", ""
    models = before.model, after.model
    if models[0] is not None and models[1] is not None and models[0] != models[1]:
        called = model_name(models[0], models[1]), model_name(models[1], models[0])
        return _apart(
            ", ".join((called[0], *edits_name(look.before_edits))),
            ", ".join((called[1], *edits_name(look.edits))),
        )
    pinned, now = look.showing("before"), look.showing("after")
    if before is after:
        ways = [_way(each) for each in (pinned, now)]
        return ways[0], ways[1]
    texts = [[side.tokens for side in run.sides] for run in (before, after)]
    if texts[0] != texts[1] and (look.facing is not None or look.is_retyped):
        return "the text before" if look.is_retyped else "the pinned text", "this text"
    return _apart(_edited(look.before_edits), _edited(look.edits))


def _apart(before: str, after: str) -> tuple[str, str]:
    """Both names, which are never the same."""
    return (before, after) if before != after else (f"{before}, pinned", after)


def _way(look: "Look") -> str:
    words = ", words" if look.words else ""
    return short_name(look.view) + words


def _edited(edits: Edits) -> str:
    return ", ".join(edits_name(edits)) or "the model as it is"


def run_name(look: "Look") -> str:
    """Which run a number is from, where there are two: empty where there is one."""
    if look.before is None or look.after is None or not look.is_compared:
        return ""
    before, after = names(look)
    if look.shown == "before":
        return before
    return f"{after} less {before}" if look.reading.against else after


def same_model(one: RunInfo | None, other: RunInfo | None) -> bool:
    """Whether both ran in one model, as far as they say."""
    return one is None or other is None or one.model == other.model


def same_outputs(one: RunInfo, other: RunInfo) -> bool:
    """Whether an output of one is that of the same number of the other, as far as both tell."""
    models = one.model, other.model
    if models[0] == models[1] or models[0] is None or models[1] is None:
        return True
    if models[0].predicts != models[1].predicts or models[0].predicts == "classes":
        return False
    numbers = [{token.text: token.id for token in run.sides[-1].tokens} for run in (one, other)]
    shared = numbers[0].keys() & numbers[1].keys()
    return bool(shared) and all(numbers[0][text] == numbers[1][text] for text in shared)
