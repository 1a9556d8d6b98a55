"""A long prompt in several forwards, a chunk of its tokens each: as exact, in less room.

Between its layers a forward of 32,768 tokens holds several times what is recorded of it; in chunks
it holds that of 4,096. As each chunk needs a mask over the keys before it, chunks take up to half
as long again: only what has no room to run whole runs so (`room`). The model's own cache carries
keys and values from chunk to chunk, and what is recorded of a layer in the end is that cache: a
full one, whatever the model would choose, as one for windows forgets the keys behind them.
"""

from dataclasses import replace
from typing import Any

import torch
from msgspec.structs import replace as replace_struct
from torch import Tensor, nn
from transformers import DynamicCache

from attntui.engine import ranks
from attntui.engine.capture import (
    EVERYTHING,
    Call,
    Recorder,
    Recording,
    checked_rows,
    listening,
)
from attntui.engine.forward import CheckCancel, Report, arguments, forward, never, silent, watched
from attntui.engine.masks import RuleMask
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.positions import fixed_rotation
from attntui.engine.stacks import Tower, recorded_towers
from attntui.engine.trust import TOLERANCE

LONG = 8192
"""More tokens than that may run in chunks."""
ROWS = 4096
"""Tokens of a chunk. Each reads all keys before it again."""
TRIED = 40
"""Tokens on which it is tried whether a model gives the same in chunks."""
DRIFT = 10
"""Chunks are rounded otherwise than the whole: by so many times the dtype's tolerance, as a share
of the largest number."""


class ChunkRecorder(Recorder):
    """The calls of a forward in chunks, each as one forward over all `tokens` would make it."""

    def __init__(self, model: nn.Module, tokens: int, what: Recording) -> None:
        super().__init__(model, what=what)
        self._tokens = tokens
        self._start = self._number = 0
        self._outputs: list[list[Tensor]] = []
        """The checked rows so far, of each call."""

    def begin(self, start: int) -> None:
        """What is heard from here on is of a chunk that begins at this position."""
        self._start, self._number = start, 0

    def heard(self, module: nn.Module, call: Call, output: Tensor) -> Tensor:
        """See `Listener`."""
        query, stop = call.query, self._start + call.query.shape[2]
        if not self._start:
            whole = (*query.shape[:2], self._tokens, query.shape[3])
            self.add(module, replace(call), output)
            if self.calls[-1].kept:
                self.calls[-1].query = query.new_empty(whole)
            self._outputs.append([])
        kept = self.calls[self._number]
        if not kept.kept:
            self._number += 1
            return output
        kept.query[:, :, self._start : stop] = query
        kept.key, kept.value = call.key, call.value  # the cache's own
        kept.mask = _of_all(call, self._start, self._tokens)
        kept.checked = tuple(checked_rows(self._tokens))
        rows = [row - self._start for row in kept.checked if self._start <= row < stop]
        self._outputs[self._number] += output[0, rows].unbind()
        kept.output = torch.stack(self._outputs[self._number])
        self._number += 1
        return output


def has_chunks(loaded: LoadedModel, encoded: Encoded) -> bool:
    """Whether a prompt can run in chunks: a long one through a model that then gives the same.

    That is tried once, on the first long prompt's beginning.
    """
    tokens = len(encoded.sides[-1].tokens)
    if ranks.group() is not None:
        return False
    if tokens <= LONG or loaded.capture != "interface" or loaded.predicts != "next":
        return False
    if loaded.has_chunks is None:
        loaded.has_chunks = _is_suited(loaded, encoded) and _is_same(loaded, encoded)
    return loaded.has_chunks and set(encoded.inputs) == {"input_ids"}


def chunked(
    loaded: LoadedModel,
    encoded: Encoded,
    check_cancel: CheckCancel = never,
    progress: Report = silent,
    what: Recording = EVERYTHING,
    rows: int = 0,
) -> tuple[tuple[Tower, ...], Any]:
    """As `forward`, in chunks of so many rows; 0: `ROWS`. What is not recorded is in the cache."""
    model, inputs = loaded.model, arguments(loaded.model, encoded)
    ids = inputs["input_ids"]
    rows = rows or ROWS
    starts = range(0, ids.shape[1], rows)
    recorder, cache = ChunkRecorder(model, ids.shape[1], what), DynamicCache()
    logits: list[Tensor] = []
    with torch.no_grad(), listening(recorder):
        for done, start in enumerate(starts):

            def tell(stage: str, layer: int, layers: int, before: int = done) -> None:
                progress(stage, before * layers + layer, len(starts) * layers)

            recorder.begin(start)
            inputs |= {"input_ids": ids[:, start : start + rows], "past_key_values": cache}
            with watched(model, check_cancel, tell):
                outputs = model(**{**inputs, "use_cache": True})
            logits.append(outputs.logits)
    outputs.logits = torch.cat(logits, dim=1)
    return recorded_towers(recorder.calls, model), outputs


def _of_all(call: Call, start: int, tokens: int) -> RuleMask:
    """The mask of all rows, from that of a chunk, which knows its rule."""
    mask = call.mask
    if not isinstance(mask, RuleMask):
        raise TypeError("this model makes its own mask for each chunk")
    offset = mask.query_offset - start
    plain: Any = "causal" if mask.kind == "full" and mask.causal else None
    return replace(mask, queries=tokens, query_offset=offset, plain=plain)


def _is_suited(loaded: LoadedModel, encoded: Encoded) -> bool:
    """Whether a model is a stack of causal layers alone, whose keys stay as they are."""
    return (
        len(encoded.sides) == 1
        and fixed_rotation(loaded.model.config)
        and all(
            stack.causal and all(each.heads for each in stack.layers) for stack in loaded.stacks
        )
    )


def _is_same(loaded: LoadedModel, encoded: Encoded) -> bool:
    """Whether the first tokens in chunks give what they give at once."""
    (side,) = encoded.sides
    inputs = {name: value[:, :TRIED] for name, value in encoded.inputs.items()}
    few = Encoded(inputs, (replace_struct(side, tokens=side.tokens[:TRIED], words=()),))
    try:
        (expected,), whole = forward(loaded, few)
        (found,), parts = chunked(loaded, few, rows=-(-TRIED // 3))
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return False
    pairs = [(whole.logits[0], parts.logits[0])]
    for layer, other in zip(expected.present, found.present, strict=True):
        pairs.append((layer.rows(0, TRIED), other.rows(0, TRIED)))
    bound = DRIFT * TOLERANCE.get(loaded.dtype, TOLERANCE[torch.float32])
    gaps = [float((a - b).abs().max() / a.abs().max()) for a, b in pairs]
    return all(gap <= bound for gap in gaps)
