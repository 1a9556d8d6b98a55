"""What a run takes of memory against what there is, and what it keeps: decided before it runs.

On a CPU nothing refuses an allocation that is too large: the kernel ends the process instead, and
the model with it.
"""

from dataclasses import dataclass, field, replace

import torch

from attntui.core import limits
from attntui.core.errors import NoRoom, UserError
from attntui.core.protocol import Side
from attntui.core.selection import choose, describe, parse_selection, spread
from attntui.core.tokens import sanitise
from attntui.engine import devices, ranks
from attntui.engine.capture import EVERYTHING, Recording
from attntui.engine.chunks import ROWS, has_chunks
from attntui.engine.footprint import Footprint
from attntui.engine.late_logits import late_head, logits_bytes
from attntui.engine.model import Encoded, LoadedModel
from attntui.engine.refusals import size

SPARE = 2**27
"""Bytes left over on each device for whoever looks: a tile of rows (`layers`) and its copies."""
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Plan:
    """What a run keeps, `record` as in `ModelOptions`, and what is to be said of it."""

    record: str = "all"
    recording: Recording = EVERYTHING
    note: str = ""
    in_chunks: bool = False
    """Whether it runs in `chunks`, there being no room for one forward over all of it."""


@dataclass(frozen=True)
class Need:
    """Bytes that a run takes: for work, for its outputs, and for the attention of each layer."""

    work: int
    outputs: int
    layers: dict[int, int]
    chunk: int | None = None
    """For work in chunks; None: it runs whole or not at all."""
    cached: dict[int, int] = field(default_factory=dict)
    """What chunks hold of each layer, recorded or not."""


def plan(
    loaded: LoadedModel, encoded: Encoded, record: str | None = None, whole: bool = False
) -> Plan:
    """What a run of a prompt keeps; ranks decide each for what it holds, or none goes on.

    Everything, on the model's device; where that has no room for it, in chunks or on the CPU. Fewer
    layers only where somebody says so.

    Args:
        record: as in `ModelOptions`; None: what the model was loaded with.
        whole: it will be one forward, as where something is changed.

    Raises:
        NoRoom: it takes more memory than there is, and fewer layers would not.
        UserError: it takes more memory than there is, or there are no such layers.
    """
    return ranks.agreed(lambda: _own_plan(loaded, encoded, record, whole))


def _own_plan(loaded: LoadedModel, encoded: Encoded, record: str | None, whole: bool) -> Plan:
    record = loaded.options.record if record is None else record
    footprint = loaded.footprint
    if footprint is None:  # the check prompt at load
        return Plan()
    needed = need(loaded, footprint, encoded, whole)
    room = _Room(loaded, footprint, needed)
    if not all(ranks.pooled([room.has_all()])):  # together: what is free is asked of all ranks
        devices.release()  # what this process has free, and has not given back, counts as taken
        room = _Room(loaded, footprint, needed)
    found = room.most() if record == "fit" else room.place(_asked(loaded, footprint, record))
    if found is None:
        raise room.refusal(len(encoded.sides[-1].tokens), record)
    return found


def smaller(loaded: LoadedModel, encoded: Encoded, plan: Plan, record: str | None) -> Plan | None:
    """What to try where memory ran out all the same: chunks, the CPU, or half the layers.

    None: nothing.

    Nothing on ranks: the others are still inside the forward that failed here.
    """
    footprint, options = loaded.footprint, loaded.options
    if footprint is None or ranks.group() is not None:
        return None
    room = _Room(loaded, footprint, None)
    layers = plan.recording.layers or footprint.numbers
    fits_some = (options.record if record is None else record) == "fit"
    # Of some layers, chunks hold the keys of all the others too: fewer of them take less.
    is_less = layers == footprint.numbers or not fits_some
    is_whole = not (plan.in_chunks or plan.recording.on_cpu)
    if is_whole and is_less and has_chunks(loaded, encoded):
        return replace(plan, in_chunks=True)
    if not plan.recording.on_cpu and room.has_other_devices and options.keep_on == "auto":
        return room.plan(layers, on_cpu=True)
    if not fits_some or len(layers) == 1:
        return None
    numbers = sorted(layers)
    half = frozenset(numbers[at] for at in spread(len(numbers) // 2, len(numbers)))
    if not footprint.is_some(half):
        return None
    return room.plan(half, plan.recording.on_cpu, plan.in_chunks)


def need(loaded: LoadedModel, footprint: Footprint, encoded: Encoded, whole: bool = False) -> Need:
    """What a run of everything takes; see `plan`."""
    lengths: dict[Side, int] = {side.name: len(side.tokens) for side in encoded.sides}
    itemsize = loaded.dtype.itemsize
    if late_head(loaded, encoded) is None:
        outputs = logits_bytes(loaded, encoded)
    else:  # the states that the head reads, before and after the last norm
        width = loaded.model.get_input_embeddings().weight.shape[-1]
        outputs = 2 * width * itemsize * lengths[encoded.sides[-1].name]
    work = footprint.work(lengths, loaded.capture == "eager", itemsize)
    found = Need(work, outputs, footprint.recorded(lengths))
    if whole or not has_chunks(loaded, encoded):
        return found
    tokens = lengths["text"]
    return replace(found, chunk=work * ROWS // tokens, cached=footprint.cached(tokens))


def _asked(loaded: LoadedModel, footprint: Footprint, record: str) -> frozenset[int]:
    """
    Raises:
        UserError: it is no list, or of layers that are not there or have no attention.
    """
    selection = parse_selection(record, "--record")
    if selection is None:
        return footprint.numbers
    name = sanitise(loaded.options.model)
    count = max(len(stack.layers) for stack in loaded.stacks)
    layers = frozenset(choose(selection, count, "layer", name))
    if not footprint.is_some(layers):
        raise UserError(f"--record {record} leaves a stack of {name} without any attention.")
    return layers & footprint.numbers


class _Room:
    """What there is on a model's devices, and how a run's recording is laid out over them."""

    def __init__(self, loaded: LoadedModel, footprint: Footprint, need: Need | None) -> None:
        self._loaded, self._footprint = loaded, footprint
        self._need = need or Need(0, 0, {})
        self._at = {number: loaded.device_of(number) for number in footprint.numbers}
        self._devices = {*self._at.values(), loaded.device}
        # By name, so that ranks, each on a GPU of its own, ask of the same kinds in the same order.
        there = sorted({*self._devices, CPU}, key=str)
        self._free = {device: devices.free(device) for device in there}
        self.has_other_devices = self._devices != {CPU}

    def has_all(self) -> bool:
        """Whether one forward has room, with every layer kept where it is."""
        return self._fits(self._footprint.numbers, on_cpu=False, in_chunks=False)

    def place(self, layers: frozenset[int]) -> Plan | None:
        """How these layers can be kept; None where they cannot."""
        keep_on = self._loaded.options.keep_on
        ways = {"auto": (False, True), "device": (False,), "cpu": (True,)}[keep_on]
        for on_cpu in ways if self.has_other_devices else (False,):
            for in_chunks in self._chunkings(on_cpu):
                if self._fits(layers, on_cpu, in_chunks):
                    return self.plan(layers, on_cpu, in_chunks)
        return None

    def _chunkings(self, on_cpu: bool) -> tuple[bool, ...]:
        """Whole, then in chunks: not where the cache that these keep is what has no room."""
        return (False,) if on_cpu or self._need.chunk is None else (False, True)

    def most(self) -> Plan | None:
        """As many layers as there is room for, evenly apart; None: not even one."""
        numbers = sorted(self._footprint.numbers)
        for count in range(len(numbers), 0, -1):
            layers = frozenset(numbers[at] for at in spread(count, len(numbers)))
            if self._footprint.is_some(layers) and (found := self.place(layers)) is not None:
                return found
        return None

    def plan(self, layers: frozenset[int], on_cpu: bool, in_chunks: bool = False) -> Plan:
        """The plan that keeps these layers, with what is not as it was asked for said."""
        notes = []
        if on_cpu and self._loaded.options.keep_on == "auto":
            notes.append(f"q, k and v are kept on the CPU: {self._loaded.device} has no room.")
        every = self._footprint.numbers
        if layers == every:
            return Plan("all", Recording(on_cpu=on_cpu), " ".join(notes), in_chunks)
        kept, calls = describe(sorted(layers)), self._footprint.calls
        notes.append(f"Recorded: layers {kept} of the {len(every)} that have attention.")
        wanted = frozenset(at for at, number in enumerate(calls) if number in layers)
        return Plan(kept, Recording(layers, wanted, on_cpu), " ".join(notes), in_chunks)

    def _fits(self, layers: frozenset[int], on_cpu: bool, in_chunks: bool) -> bool:
        wanted = self._wanted(layers, on_cpu, in_chunks)
        return all(
            (free := self._free[device]) is None or count <= free
            for device, count in wanted.items()
        )

    def _wanted(
        self, layers: frozenset[int], on_cpu: bool, in_chunks: bool
    ) -> dict[torch.device, int]:
        """Bytes by device. An eager model gives every layer, whichever are kept."""
        need = self._need
        work = need.chunk if in_chunks and need.chunk is not None else need.work
        wanted = dict.fromkeys(self._devices, work + SPARE)
        wanted[self._loaded.device] += need.outputs
        if on_cpu:
            wanted.setdefault(CPU, SPARE)
        is_eager = self._loaded.capture == "eager"
        for number in self._footprint.numbers if is_eager else layers:
            wanted[CPU if on_cpu else self._at[number]] += need.layers[number]
        for number in need.cached.keys() - layers if in_chunks else ():
            wanted[self._at[number]] += need.cached[number]
        return wanted

    def refusal(self, tokens: int, record: str) -> UserError:
        """One sentence: what a run takes, what there is, what can be done."""
        every = self._footprint.numbers
        layers = every if record == "fit" else _asked(self._loaded, self._footprint, record)
        on_cpu = self._loaded.options.keep_on == "cpu" and self.has_other_devices
        ways = (self._wanted(layers, on_cpu, each) for each in self._chunkings(on_cpu))
        wanted = min(ways, key=lambda way: sum(way.values()))
        device = max(wanted, key=lambda each: wanted[each] - (self._free[each] or 0))
        recorded = sum(self._need.layers[number] for number in layers)
        count = f"{len(layers)} layer{'s' if len(layers) > 1 else ''}"
        found = None if record == "fit" or ranks.group() is not None else self.most()
        sentence = (
            f"A prompt of {tokens:,} tokens needs {size(sum(wanted.values()))} with this model,"
            f" {size(recorded)} of it for the attention of {count}, and"
            f" {size(self._free[device] or 0)} are free {_where(device)}:"
        )
        choices = ["shorten it"]
        if found is not None:
            choices.insert(0, f"record what fits (--record fit: layers {found.record})")
        if self._loaded.dtype.itemsize > 2:
            choices.append("load the model with --dtype bfloat16")
        if self.has_other_devices and self._loaded.options.keep_on == "device":
            choices.append("keep q, k and v on the CPU (--keep-on cpu)")
        more = f"{', '.join(choices[:-1])} or {choices[-1]}" if choices[1:] else choices[0]
        return (UserError if found is None else NoRoom)(f"{sentence} {more}.")


def _where(device: torch.device) -> str:
    """`on cuda:0`, or what limits the memory of this process."""
    limit = limits.tightest() if device.type == "cpu" else None
    return f"on {device}" if limit is None else limit.where
