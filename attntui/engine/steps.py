"""One token after another from what a run recorded, and the run that they make together.

The recorded keys and values are the model's cache; a step is one row of queries, which joins the
rows before. Nothing is computed twice but the last token of the run: what a step gives there has to
be what the run gave, else the model wants another cache than this and there are no steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from attntui.core.protocol import Stack
from attntui.engine import room, trust
from attntui.engine.again import Again
from attntui.engine.capture import Call, Changes, listening, own
from attntui.engine.forward import CheckCancel, held_bytes, never, silent, watched
from attntui.engine.late_logits import LateLogits, Logits, last_row_only
from attntui.engine.layers import RecordedLayer
from attntui.engine.masks import CutMask, Mask, RuleMask
from attntui.engine.model import Cancelled, Encoded, has_decoder
from attntui.engine.positions import fixed_rotation
from attntui.engine.run import Run
from attntui.engine.stacks import Tower

DRIFT = 10
"""A row by itself is rounded otherwise than among many: by so many times the dtype's tolerance, as
a share of the largest logit."""


class Place(NamedTuple):
    """A call that a step makes too, and whose it is."""

    stack: Stack
    layer: int
    call: Call


class Row(NamedTuple):
    """What a step adds to a call: (1, heads, 1, size), and the bias of its scores."""

    query: Tensor
    bias: Tensor | None


@dataclass(eq=False)
class _Step:
    """Hears a forward of one token at a position, with the run's edits.

    `first` is the number that its first call has in a forward of the whole text.
    """

    changes: Changes
    position: int
    first: int
    calls: list[Call] = field(default_factory=list)

    def heard(self, module: nn.Module, call: Call, output: Tensor) -> Tensor:
        """See `Listener`."""
        change = self.changes.get(self.first + len(self.calls))
        change = None if change is None else change.at(self.position)
        output = output if change is None else change.cut(call, output)
        call.query, call.key, call.value = own(call.query, call.key, call.value)
        call.output = output[0]
        self.calls.append(call)
        return output if change is None else change.ablate(output)


class Steps:
    """Steps after the first `kept` tokens of a run."""

    def __init__(self, base: Run, again: Again, kept: int) -> None:
        self._base, self._kept = base, kept
        self._again = replace(again, changes=within(again.changes, kept))
        self._before = sorted(_places(base), key=lambda place: place.call.index)
        self._rows: list[list[Row]] = []
        self._logits: list[Tensor] = []
        self._states: list[Tensor] = []
        """The states that they are of, where the body gives them."""
        self._last: list[Call] = []
        """The calls of the newest step, which hold all keys and values."""
        self._started = perf_counter()
        self._cache = self._filled()

    def _filled(self) -> Any:
        """The model's cache of all tokens kept but the last."""
        own_text, read_text = DynamicCache(), DynamicCache()
        until = slice(0, self._kept - 1)
        for stack, layer, call in self._before:
            if stack == "cross":
                read_text.update(call.key, call.value, layer)
            else:
                own_text.update(call.key[:, :, until], call.value[:, :, until], layer)
        two_sided = has_decoder(self._again.loaded.model)
        return EncoderDecoderCache(own_text, read_text) if two_sided else own_text

    def agree(self, check_cancel: CheckCancel = never) -> bool:
        """Whether the last token kept gives what it gave in the run; asked before any step."""
        base, loaded = self._base, self._again.loaded
        assert base.logits is not None
        expected = base.logits[self._kept - 1].float()
        token = base.encoded.sides[-1].tokens[self._kept - 1].id
        logits, _, calls = self._forward(token, self._kept - 1, check_cancel)
        if len(calls) != len(self._before):
            return False
        for call, (stack, _, before) in zip(calls, self._before, strict=True):
            keys = before.key.shape[2] if stack == "cross" else self._kept
            rules = (
                isinstance(_inner(call.mask), RuleMask),
                isinstance(_inner(before.mask), RuleMask),
            )
            if call.key.shape[2] != keys or not all(rules):
                return False
        allowed = DRIFT * trust.TOLERANCE.get(loaded.dtype, 1e-5) * float(expected.abs().max())
        return float((logits.float() - expected).abs().max()) <= allowed

    def add(self, token: int, check_cancel: CheckCancel = never) -> None:
        """Go on with a token."""
        logits, states, calls = self._forward(token, self._kept + len(self._rows), check_cancel)
        self._rows.append([Row(call.query, call.bias) for call in calls])
        self._logits.append(logits)
        self._states.append(states)
        self._last = calls

    def logits(self, check_cancel: CheckCancel = never) -> Tensor:
        """(vocabulary): what the model says after the last token."""
        return self._logits[-1]

    def _forward(
        self, token: int, position: int, check_cancel: CheckCancel
    ) -> tuple[Tensor, Tensor, list[Call]]:
        """The token's logits (vocabulary), the states (1, width) they are of, and its calls."""
        loaded = self._again.loaded
        step = _Step(self._again.changes, position, self._before[0].call.index)
        ids = torch.tensor([[token]], device=loaded.device)
        inputs: dict[str, Any] = {"input_ids": ids}
        if has_decoder(loaded.model):
            # Of what was read only the length counts: the cache holds the keys and values of it.
            read = self._base.encoded.inputs["input_ids"].shape[1]
            width = loaded.model.get_input_embeddings().weight.shape[1]
            states = torch.zeros(1, read, width, device=ids.device, dtype=loaded.dtype)
            inputs = {
                "decoder_input_ids": ids,
                "encoder_outputs": BaseModelOutput(last_hidden_state=states),
            }
        is_late = isinstance(self._base.logits, LateLogits)
        head = loaded.late_head if is_late else None
        with (
            torch.no_grad(),
            watched(loaded.model, check_cancel, silent),
            listening(step),
            last_row_only(None if head is None else head.body) as found,
        ):
            outputs = loaded.model(**inputs, past_key_values=self._cache, use_cache=True)
        states = found[0][0] if found else torch.empty(0)
        return outputs.logits[0, -1], states, step.calls

    def run(self, number: int, encoded: Encoded) -> Run:
        """The run of all of it, which `encoded` says."""
        base, loaded = self._base, self._again.loaded
        assert base.logits is not None
        plan = room.plan(loaded, encoded, base.plan.record)
        if isinstance(base.logits, LateLogits):
            logits: Logits = base.logits.up_to(self._kept, torch.cat(self._states))
        else:
            logits = torch.cat([base.logits[: self._kept], torch.stack(self._logits)])
        towers = tuple(self._towers())
        return Run(
            number=number,
            encoded=encoded,
            towers=towers,
            trust=trust.check(loaded, towers),
            seconds=perf_counter() - self._started,
            recorded_bytes=held_bytes(towers),
            logits=logits,
            separators=base.separators,
            again=Again(loaded, encoded, self._again.changes, logits),
            plan=plan,
        )

    def _towers(self) -> Iterator[Tower]:
        """The attention of all of it: the run's, and a row for each step."""
        longer: dict[int, RecordedLayer] = {}
        biases: dict[int, Tensor] = {}
        for at, place in enumerate(self._before):
            rows, bias = [step[at] for step in self._rows], place.call.bias
            if bias is not None and id(bias) not in biases:
                biases[id(bias)] = _longer_bias(bias, self._kept, rows)
            call = self._longer(place, rows, self._last[at])
            call.bias = None if bias is None else biases[id(bias)]
            longer[call.index] = RecordedLayer(call)
        for tower in self._base.towers:
            if tower.name == "encoder":
                yield tower
            else:
                layers = [longer[layer.call.index] for layer in recorded(tower)]
                yield Tower(tower.name, tuple(layers))

    def _longer(self, place: Place, rows: Sequence[Row], last: Call) -> Call:
        """A call as one forward over everything would have made it."""
        kept, before, cross = self._kept, place.call, place.stack == "cross"
        old = [at for at, row in enumerate(before.checked) if row < kept]
        assert before.output is not None and last.output is not None
        return replace(
            before,
            query=torch.cat([before.query[:, :, :kept], *(row.query for row in rows)], dim=2),
            key=before.key if cross else last.key,
            value=before.value if cross else last.value,
            mask=_longer_mask(before.mask, last.mask, kept, kept + len(rows)),
            checked=(*(before.checked[at] for at in old), kept + len(rows) - 1),
            output=torch.cat([before.output[old], last.output]),
        )


def steps(base: Run, again: Again, kept: int, check_cancel: CheckCancel = never) -> Steps | None:
    """Steps after the first `kept` tokens of a run; None where they would not be exact."""
    whole = [tower for tower in base.towers if len(recorded(tower)) == len(tower.layers)]
    if len(whole) < len(base.towers) or base.plan.recording.on_cpu:
        return None
    if not fixed_rotation(again.loaded.model.config):
        return None
    try:
        found = Steps(base, again, kept)
        return found if found.agree(check_cancel) else None
    except (Cancelled, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception:  # whatever a model's code says to a cache that it does not expect
        return None


def recorded(tower: Tower) -> list[RecordedLayer]:
    """A tower's layers that were recorded."""
    return [layer for layer in tower.present if isinstance(layer, RecordedLayer)]


def within(changes: Changes, count: int) -> Changes:
    """Changes to a text of the first `count` positions only."""
    return {index: change.within(count) for index, change in changes.items()}


def _places(base: Run) -> Iterator[Place]:
    for tower in base.towers:
        if tower.name != "encoder":
            for number, layer in enumerate(recorded(tower)):
                yield Place(tower.name, number, layer.call)


def _inner(mask: Mask) -> Mask:
    return _inner(mask.mask) if isinstance(mask, CutMask) else mask


def _longer_mask(before: Mask, last: Mask, kept: int, count: int) -> Mask:
    """The mask of all rows, from that of the last one, which knows its rule and all keys."""
    if isinstance(before, CutMask):
        cells = tuple(cell for cell in before.cells if cell.query < kept)
        return CutMask(_longer_mask(before.mask, last, kept, count), before.heads, cells)
    assert isinstance(before, RuleMask) and isinstance(last, RuleMask)
    return replace(
        last,
        queries=count,
        query_offset=last.query_offset - (count - 1),
        plain=before.plain if before.kind == "full" else None,
        kind=before.kind,
        causal=before.causal or last.causal,
    )


def _longer_bias(before: Tensor, kept: int, rows: Sequence[Row]) -> Tensor:
    """(1, heads, rows, keys) of all rows; 0 where a row's mask hides the key anyway."""
    newest = rows[-1].bias
    assert newest is not None
    longer = before.new_zeros(*before.shape[:2], kept + len(rows), newest.shape[-1])
    longer[:, :, :kept, :kept] = before[:, :, :kept, :kept]
    for at, row in enumerate(rows, kept):
        if row.bias is not None:
            longer[:, :, at, : row.bias.shape[-1]] = row.bias[:, :, -1]
    return longer
