"""Attention that somebody else computed, read from a file: a run without a model."""

import math
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from attntui.core.axes import MOST, Layers, numbers, place, split
from attntui.core.errors import UserError
from attntui.core.given import STACKS, TEXTS, Given, assemble
from attntui.core.protocol import BETWEEN, ModelInfo, SideInfo, Stack, Token, Trust, Word
from attntui.core.tokens import sanitise
from attntui.engine import devices
from attntui.engine.archives import Archive, open_archive
from attntui.engine.forward import held_bytes
from attntui.engine.layers import DenseLayer, tiles
from attntui.engine.model import Encoded, Work
from attntui.engine.refusals import size
from attntui.engine.run import Run
from attntui.engine.stacks import Tower

WHY = "Read from a file; nothing was compared."
DEVICE = torch.device("cpu")
SHOWN = 8
"""Layers or heads that a sentence names."""


@dataclass(eq=False, repr=False)
class GivenRun:
    """All that a file holds, in the place of a model and its run."""

    info: ModelInfo
    encoded: Encoded
    towers: tuple[Tower, ...]
    trust: Trust
    seconds: float

    def run(self, number: int) -> Run:
        """The one run that there is, under a number."""
        return Run(
            number=number,
            encoded=self.encoded,
            towers=self.towers,
            trust=self.trust,
            seconds=self.seconds,
            recorded_bytes=held_bytes(self.towers),
            logits=None,
        )


def read(path: str, work: Work) -> GivenRun:
    """Read and check a file of attention.

    Raises:
        UserError: there is no such file, memory cannot hold it, or what it holds is no attention.
    """
    started = perf_counter()
    archive = open_archive(Path(path))
    meta = archive.meta
    sink = meta.get("learned_sink") is True
    weights = _weights(archive, work)
    texts = {name: found for name in TEXTS if (found := archive.texts(name)) is not None}
    stack: Stack = meta["attention"] if meta.get("attention") in STACKS.values() else "self"
    given = assemble(weights, texts, stack, sink)
    towers = tuple(_tower(name, layers, sink) for name, layers in given.stacks.items())
    dtype = archive.dtypes[next(iter(weights))]
    return GivenRun(
        info=_info(archive.name, meta, given, towers, dtype),
        encoded=Encoded({}, _sides(archive, given)),
        towers=towers,
        trust=_trust(towers, dtype),
        seconds=perf_counter() - started,
    )


def _weights(archive: Archive, work: Work) -> dict[str, Layers]:
    """Every array of attention, its layers and heads at their own numbers."""
    names = [name for name in STACKS if name in archive.shapes]
    if not names:
        held = ", ".join(sanitise(name) for name in list(archive.shapes)[:5]) or "nothing"
        raise UserError(f"{archive.name} holds no array named attention, but {held}.")
    layers, heads = archive.integers("layers"), archive.integers("heads")
    _check_room(archive, names, heads)
    weights: dict[str, Layers] = {}
    for done, name in enumerate(names):
        work.check_cancel()
        work.progress("reading attention", done, len(names))
        found = split(numbers(archive.array(name), name), name)
        weights[name] = place(found, layers, heads) if name == "attention" else found
    return weights


def _check_room(archive: Archive, names: list[str], heads: list[int] | None) -> None:
    """
    Raises:
        UserError: memory cannot hold what is to be read; known from its shapes alone.
    """
    wanted = sum(archive.size(name) for name in TEXTS)
    for name in names:
        spread = min(heads[-1] + 1, MOST) / len(heads) if heads and name == "attention" else 1
        wanted += math.ceil(4 * math.prod(archive.shapes[name]) * max(1, spread))
        if archive.dtypes[name] != "float32":  # both are held while one becomes the other
            wanted += archive.size(name)
    free = devices.available()
    if free is not None and wanted > free:
        raise UserError(
            f"{archive.name} needs {size(wanted)} of memory and {size(free)} are free: save fewer"
            " layers or heads."
        )


def _tower(name: Stack, layers: Layers, learned_sink: bool) -> Tower:
    return Tower(
        name,
        tuple(
            None
            if layer is None
            else DenseLayer(torch.from_numpy(layer), learned_sink=learned_sink)
            for layer in layers
        ),
    )


def _sides(archive: Archive, given: Given) -> tuple[SideInfo, ...]:
    """The tokens of every side. Without ids, equal texts are equal tokens; each is a word."""
    ids, starts = archive.integers("token_ids"), archive.integers("sentence_b_start")
    sides: list[SideInfo] = []
    for name, texts in given.sides.items():
        known = ids is not None and not sides and len(ids) == len(texts)
        first = {text: at for at, text in reversed(list(enumerate(texts)))}
        numbered = ids if known and ids is not None else [first[text] for text in texts]
        second = starts[0] if starts and name == "text" else len(texts)
        tokens = tuple(
            Token(number, text, part=int(at >= second))
            for at, (number, text) in enumerate(zip(numbered, texts, strict=True))
        )
        words = tuple(Word(token.text, at, at, part=token.part) for at, token in enumerate(tokens))
        sides.append(SideInfo(name, tokens, words))
    return tuple(sides)


def _info(
    name: str, meta: dict[str, Any], given: Given, towers: tuple[Tower, ...], dtype: str
) -> ModelInfo:
    notes = [*_source(meta), *_left_out(meta), *given.notes]
    notes += [note for tower in towers for note in _gaps(tower)]
    return ModelInfo(
        name=name,
        revision=None,
        architecture=sanitise(str(meta.get("architecture") or "")),
        model_type="",
        parameters=0,
        device=str(DEVICE),
        device_name=devices.title(DEVICE),
        dtype=dtype,
        capture="given",
        predicts=None,
        mask_token=None,
        max_positions=None,
        stacks=tuple(tower.info for tower in towers),
        self_check=None,
        opens_at=_first_head(towers[0]),
        notes=tuple(notes),
    )


def _source(meta: dict[str, Any]) -> list[str]:
    """Where attntui wrote the file itself: of which model, and how it was trusted then."""
    if "attntui" not in meta or "model" not in meta:
        return []
    trust = meta.get("trust")
    exact = isinstance(trust, dict) and trust.get("exact") is True
    model = sanitise(str(meta["model"]))
    return [f"attntui wrote this of {model}, {'exact' if exact else 'not known to be exact'}."]


def _left_out(meta: dict[str, Any]) -> list[str]:
    """What of every matrix attntui was told to leave out when it wrote the file."""
    notes, between = [], meta.get("between")
    if between in BETWEEN and between != "all":
        pair = between.replace("-", "→")
        notes.append(f"The file holds {pair} only: all else between the sentences is not in it.")
    if meta.get("sinks") in ("hide", "renormalise"):
        notes.append("The file holds no weights on special tokens and attention sinks.")
    return notes


def _gaps(tower: Tower) -> list[str]:
    """What there is of a stack, where layers or heads are left out before the last."""
    notes = []
    layers = [at for at, layer in enumerate(tower.layers) if layer is not None]
    heads = _given_heads(tower)
    if len(layers) < len(tower.layers):
        notes.append(
            f"The file holds {_named('layer', layers)} only: means over layers and rollout are of"
            " these alone."
        )
    if len(heads) < tower.present[0].info.heads:
        notes.append(
            f"The file holds {_named('head', heads)} only: means and rollout, which need every"
            " head, are not known."
        )
    return notes


def _given_heads(tower: Tower) -> list[int]:
    """The heads that hold any number, in the first layer that is given."""
    first = tower.present[0]
    weights = first.rows(0, first.queries)
    return [at for at, head in enumerate(weights) if not bool(head.isnan().all())]


def _first_head(tower: Tower) -> tuple[int, int]:
    layer = next(at for at, layer in enumerate(tower.layers) if layer is not None)
    return layer, _given_heads(tower)[0]


def _named(what: str, found: list[int]) -> str:
    """`head 2`, `layers 0, 3`, the first few of them."""
    shown = ", ".join(map(str, found[:SHOWN])) + (", …" if len(found) > SHOWN else "")
    return f"{what} {shown}" if len(found) == 1 else f"{what}s {shown}"


def _trust(towers: tuple[Tower, ...], dtype: str) -> Trust:
    """Every row that is given whole is measured; there is nothing to compare it with."""
    sum_error, leak, rows = 0.0, 0.0, 0
    for tower in towers:
        for layer in tower.present:
            for start, stop in tiles(layer, layer.info.heads):
                weights = layer.rows(start, stop)
                whole = ~weights.isnan().any(-1)
                sums, sinks = weights.nansum(-1), layer.sinks(start, stop)
                errors = (sums + (0 if sinks is None else sinks) - 1).abs()[whole]
                sum_error = max(sum_error, float(errors.max())) if len(errors) else sum_error
                rows += int(whole.any(0).sum())
                if tower.causal:
                    leak = max(leak, float(weights.nan_to_num().triu(start + 1).max()))
    causal = any(tower.causal for tower in towers)
    return Trust(
        exact=False,
        self_check=None,
        output_error=None,
        row_sum_error=sum_error,
        leak=leak if causal else None,
        rows_checked=rows,
        dtype=dtype,
        why=WHY,
    )
