"""A number for every head, from the tables that `attntui scan` and `attntui ablate` write.

numpy is imported by the function that needs it: the first paint does not wait for it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attntui.core.edit_names import head_name, heads_of
from attntui.core.errors import UserError
from attntui.core.protocol import Head, StackInfo
from attntui.core.tokens import sanitise

if TYPE_CHECKING:
    import numpy as np

WRITTEN = "attntui scan --csv, scan --conllu --csv and ablate -o write"
ARROWS = {"dependent_to_head": "dep→head", "head_to_dependent": "head→dep"}
DIFFERENCES = {"accuracy": "accuracy", "logprob": "log p", "logit_difference": "logit difference"}

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True, eq=False)
class HeadTable:
    """One number for each head: a statistic over prompts, an accuracy, a loss.

    `name` is what the screen calls it, `says` what a value is; `has_sign` where values go both
    ways from 0. All texts are safe to show.
    """

    name: str
    file: str
    says: str
    source: str
    values: tuple[tuple[Head, float], ...]
    """Each head once; NaN where the file has none."""
    unit: str = ""
    has_sign: bool = False

    @property
    def largest(self) -> float:
        """The value of the strongest shade: 1 for shares."""
        values = (abs(value) for _, value in self.values)
        most = max((value for value in values if not math.isnan(value)), default=1.0)
        return most or 1.0 if self.unit or self.has_sign else max(1.0, most)

    def of(self, stack: StackInfo) -> np.ndarray:
        """(layers, heads) float32 of a stack, NaN where the table has nothing; of one with fewer
        heads, as a pinned run's model may have, everywhere."""
        import numpy as np

        most = max(layer.heads for layer in stack.layers)
        found = np.full((len(stack.layers), most), np.nan, np.float32)
        mine = [(head, value) for head, value in self.values if head.stack == stack.name]
        sizes = dict(enumerate(layer.heads for layer in stack.layers))
        if all(head.head < sizes.get(head.layer, 0) for head, _ in mine):
            for head, value in mine:
                found[head.layer, head.head] = value
        return found

    def check(self, stacks: Sequence[StackInfo]) -> None:
        """
        Raises:
            UserError: its heads are not those of a model's stacks.
        """
        named = {head.stack for head, _ in self.values}
        theirs = {
            Head(stack.name, layer, head)
            for stack in stacks
            if stack.name in named
            for layer, info in enumerate(stack.layers)
            for head in range(info.heads)
        }
        ours = {head for head, _ in self.values}
        for heads, which in (
            (ours - theirs, "no head {}"),
            (theirs - ours, "a head {} that the file lacks"),
        ):
            if heads:
                first = min(heads, key=lambda head: (head.stack, head.layer, head.head))
                has = which.format(head_name(first))
                raise UserError(f"{self.file} is no map of this model, which has {has}.")


def tables_of(text: str, file: str) -> tuple[HeadTable, ...]:
    """The tables of a .csv, in its order; `file` is its name.

    Raises:
        UserError: it is no such .csv.
    """
    name = sanitise(file.replace("\\", "/").rsplit("/", 1)[-1])
    try:
        reader = csv.DictReader(io.StringIO(text), restval="", strict=True)
        columns, rows = set(reader.fieldnames or ()), list(reader)
    except csv.Error as error:
        raise UserError(f"{name} is no .csv: {error}.") from error
    for wanted, read in FORMS.items():
        if columns >= set(wanted):
            if not rows:
                raise UserError(f"{name} has no line of numbers.")
            return read(rows, name)
    raise UserError(f"{name} is no table of heads: a map is what {WRITTEN}.")


def _statistics(rows: Rows, file: str) -> tuple[HeadTable, ...]:
    """What `scan` writes: a mean over prompts for each statistic."""
    units = {"entropy_bits": "bits", "distance": "tokens"}
    return tuple(
        HeadTable(
            f"mean {kind.replace('_', ' ')}",
            file,
            f"mean over the prompts of {file} of the head's {kind.replace('_', ' ')}",
            f"column mean of {file}, by attntui scan",
            values,
            units.get(kind, ""),
        )
        for kind, values in _parted(rows, file, lambda row: row["statistic"], "mean").items()
    )


def _relations(rows: Rows, file: str) -> tuple[HeadTable, ...]:
    """What `scan --conllu` writes: an accuracy for each relation and direction."""

    def kind(row: Mapping[str, str]) -> str:
        return f"{row['relation']} {ARROWS.get(row['direction'], row['direction'])}"

    return tuple(
        HeadTable(
            name,
            file,
            f"{name}: the share of pairs in {file} in which the word that the head gives most "
            "weight, other than the word itself, is the right one",
            f"column accuracy of {file}; Clark et al. 2019, arXiv 1906.04341, section 4.2",
            values,
        )
        for name, values in _parted(rows, file, kind, "accuracy").items()
    )


def _losses(rows: Rows, file: str) -> tuple[HeadTable, ...]:
    """What `ablate` writes: three measures without each head, less those of the whole model."""
    whole, *others = rows
    if whole["layer"] or whole["head"]:
        raise UserError(f"{file} does not begin with the whole model, as ablate writes it.")
    if any("+" in (row["head"] or "") for row in others):
        raise UserError(f"{file} is of sets of several heads, which make no map.")
    if not others:
        raise UserError(f"{file} has the whole model and no head.")
    tables = []
    for column, name in DIFFERENCES.items():
        before = _number(whole, column, file)
        (values,) = _parted(others, file, lambda row: "", column).values()
        tables.append(
            HeadTable(
                f"{name}, head off",
                file,
                f"{name} of the task with the head off, less that of the whole model",
                f"column {column} of {file}, by attntui ablate",
                tuple((head, value - before) for head, value in values),
                "nats" if column == "logprob" else "",
                has_sign=True,
            )
        )
    return tuple(tables)


FORMS: dict[tuple[str, ...], Callable[[Rows, str], tuple[HeadTable, ...]]] = {
    ("relation", "direction", "layer", "head", "accuracy"): _relations,
    ("layer", "head", "statistic", "mean"): _statistics,
    ("layer", "head", "accuracy", "logprob", "logit_difference"): _losses,
}
"""The columns that tell what wrote a table."""


def _parted(
    rows: Rows, file: str, kind: Callable[[Mapping[str, str]], str], column: str
) -> dict[str, tuple[tuple[Head, float], ...]]:
    """The heads and numbers of each kind, in the order of the file."""
    found: dict[str, dict[Head, float]] = {}
    for row in rows:
        try:
            (head,) = heads_of(f"{row['layer']}.{row['head']}")
        except (UserError, ValueError) as error:
            place = sanitise(f"layer {row['layer']}, head {row['head']}")
            raise UserError(f"{file} has a line of no head: {place}.") from error
        heads = found.setdefault(sanitise(kind(row)), {})
        if head in heads:
            raise UserError(f"{file} has head {head_name(head)} twice.")
        heads[head] = _number(row, column, file)
    return {name: tuple(heads.items()) for name, heads in found.items()}


def _number(row: Mapping[str, str], column: str, file: str) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = math.inf
    if math.isinf(value):
        raise UserError(f"{file} has {sanitise(repr(row[column]))} where {column} is a number.")
    return value
