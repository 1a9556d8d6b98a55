"""Recording attention where every transformers model computes it.

transformers lets a program register an attention function and a mask function under a name. Ours
note each call's q, k, v (after rotary embedding, key and value heads not repeated), scaling, mask,
soft cap, learned sinks and position bias, and hand the work to `kernels.attend`. Registering only
the first would be silently wrong: without a mask function of the same name, models pass no mask at
all, and windows, chunks and padding vanish.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    PreTrainedModel,
)

from attntui.core.errors import UserError
from attntui.engine.families import can_capture, check_family, family
from attntui.engine.kernels import attend, reference
from attntui.engine.masks import Mask, RuleMask, Span, as_mask, lazy_mask

NAME = "attntui"
"""transformers gives a meaning to a slash and to the names of its own kernels inside a name."""


def checked_rows(queries: int) -> list[int]:
    """The rows of which the kernel's own output is kept: the first, the middle and the last."""
    return sorted({0, queries // 2, queries - 1})


@dataclass(frozen=True)
class Recording:
    """What a forward leaves behind."""

    layers: frozenset[int] | None = None
    """Those whose attention is kept; None: all."""
    calls: frozenset[int] | None = None
    """The numbers of their calls of the attention function."""
    on_cpu: bool = False
    """Whether q, k and v go to the CPU at once, whatever computes them."""


EVERYTHING = Recording()


@dataclass(eq=False, repr=False)
class Call:
    """One recorded call of the attention function; its tensors are the model's own if possible."""

    query: Tensor  # (1, heads, queries, size)
    key: Tensor  # (1, key heads, keys, size)
    value: Tensor  # (1, key heads, keys, value size)
    mask: Mask
    scaling: float
    softcap: float | None = None
    sinks: Tensor | None = None  # (heads)
    bias: Tensor | None = None  # (1, heads, queries, keys), shared by the layers of a stack
    name: str = ""
    index: int = 0
    """Which call of its forward it was: the same in every forward over the same text."""
    cross: bool = False
    output: Tensor | None = None  # (checked rows, heads, value size)
    checked: tuple[int, ...] = ()
    """The rows of which the kernel's own output is kept, see `checked_rows`."""
    kept: bool = True
    """Whether q, k and v are there: without, the call is known to have been, and no more."""

    @property
    def groups(self) -> int:
        """How many query heads share a key head."""
        return self.query.shape[1] // self.key.shape[1]

    def tensors(self) -> list[Tensor]:
        """Everything kept."""
        kept = (self.query, self.key, self.value, self.sinks, self.bias, self.output)
        return [tensor for tensor in kept if tensor is not None]

    def mask_rows(self, start: int, stop: int, keys: Span | None = None) -> Tensor:
        """See `Mask.rows`: where q is. A rule is asked where the model's first layer is, which made
        it for all layers."""
        return self.mask.rows(start, stop, keys).to(self.query.device)

    def forget(self) -> None:
        """Keep nothing but the call's place."""
        self.query, self.key, self.value = (
            each.new_empty(*each.shape[:2], 0, each.shape[3])
            for each in (self.query, self.key, self.value)
        )
        self.bias, self.mask = None, RuleMask(0, 0, self.query.device, plain="full")
        self.kept = False


class Listener(Protocol):
    """Hears every call of the attention function."""

    def heard(self, module: nn.Module, call: Call, output: Tensor) -> Tensor:
        """Takes the kernel's output (batch, queries, heads, value size), gives the model's."""


class Change(Protocol):
    """What is changed in a call, see `edits`; outputs are (1, queries, heads, value size)."""

    def cut(self, call: Call, output: Tensor) -> Tensor:
        """The kernel's output and the call without some edges."""

    def ablate(self, output: Tensor) -> Tensor:
        """What the model goes on with."""

    def at(self, position: int) -> "Change":
        """The same for a call whose first query is at this position of the text."""

    def within(self, count: int) -> "Change":
        """The same in a text of the first `count` positions only."""


Changes = Mapping[int, Change]
"""By the number of the call."""


class Recorder:
    """The calls of one forward, in order.

    With `as_eager`, the model goes on with outputs rounded as its eager attention rounds them.
    """

    def __init__(
        self,
        model: nn.Module,
        as_eager: bool = False,
        changes: Changes | None = None,
        what: Recording = EVERYTHING,
    ) -> None:
        self.calls: list[Call] = []
        self._what = what
        self._bias: tuple[Tensor, Tensor] | None = None
        """The last position bias that was moved, which a stack's layers share, and the copy."""
        self.as_eager = as_eager
        self._changes = changes or {}
        self._names = {id(module): name for name, module in model.named_modules()}

    def add(self, module: nn.Module, call: Call, output: Tensor) -> None:
        """Keep a call and the checked rows of its output (1, queries, heads, value size)."""
        if call.query.shape[0] != 1:
            raise UserError("this model runs attention on several sequences at once; not supported")
        call.index = len(self.calls)
        call.name = self._names.get(id(module), type(module).__name__)
        call.cross = bool(getattr(module, "is_cross_attention", False))
        if self._what.calls is None or call.index in self._what.calls:
            call.checked = tuple(checked_rows(call.query.shape[2]))
            call.output = output[0, list(call.checked)]
            if self._what.on_cpu:
                self._move(call)
            call.query, call.key, call.value = own(call.query, call.key, call.value)
        else:
            call.forget()
        self.calls.append(call)

    def _move(self, call: Call) -> None:
        call.query, call.key, call.value = (
            each.cpu() for each in (call.query, call.key, call.value)
        )
        call.output = None if call.output is None else call.output.cpu()
        call.sinks = None if call.sinks is None else call.sinks.cpu()
        if call.bias is not None:
            if self._bias is None or self._bias[0] is not call.bias:
                self._bias = call.bias, call.bias.cpu()
            call.bias = self._bias[1]

    def heard(self, module: nn.Module, call: Call, output: Tensor) -> Tensor:
        """See `Listener`."""
        change = self._changes.get(len(self.calls))
        output = output if change is None else change.cut(call, output)
        self.add(module, call, output)
        if self.as_eager:
            output = reference(call)  # the check at load, which keeps every call where it is
        return output if change is None else change.ablate(output)


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let somebody hear the calls of the forward passes inside."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def recording(
    model: nn.Module,
    as_eager: bool = False,
    changes: Changes | None = None,
    what: Recording = EVERYTHING,
) -> Iterator[Recorder]:
    """Record the calls of the forward pass inside, and change some."""
    recorder = Recorder(model, as_eager, changes, what)
    with listening(recorder):
        yield recorder


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Mask | Tensor | None = None,
    scaling: float | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    position_bias: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The function registered with transformers: output (1, queries, heads, size), no weights.

    Raises:
        UserError: the call selects keys in a way that the mask does not say.
    """
    if any(kwargs.get(name) is not None for name in ("indices", "block_indices", "sinks")):
        raise UserError(
            "this model selects keys outside its mask; its attention cannot be recorded"
        )
    if position_bias is not None and not bool(position_bias.any()):
        position_bias = None  # T5's cross-attention: all zero, as large as all heads together
    call = Call(
        query,
        key,
        value,
        as_mask(attention_mask, query.shape[2], key.shape[2], query.device),
        query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        softcap,
        s_aux,
        position_bias,
    )
    output = attend(call)
    if listener := _listener.get():
        output = listener.heard(module, call, output)
    return output, None


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, lazy_mask)


def attach(model: PreTrainedModel) -> None:
    """Make a loaded model use our function, where its class allows.

    Raises:
        UserError: the model has no attention, or none that is a matrix of tokens.
    """
    name = family(type(model))
    check_family(type(model), model.config)
    if not any("attention" in type(module).__name__.lower() for module in model.modules()):
        raise UserError(f"{name}: this model has no attention; choose another model.")
    if can_capture(type(model)):
        model.set_attn_implementation(NAME)


def storage_bytes(tensors: list[Tensor]) -> int:
    """The memory that tensors hold, shared storage counted once."""
    storages = {tensor.untyped_storage().data_ptr(): tensor for tensor in tensors}
    return sum(tensor.untyped_storage().nbytes() for tensor in storages.values())


def own(*tensors: Tensor) -> list[Tensor]:
    """The tensors, copied where keeping a view would keep a much larger storage alive.

    GPT-2's q, k and v are views that fill their storage together and stay as they are; GPT-NeoX's
    v is a third of a storage of which the rest is not recorded.
    """
    used: dict[int, int] = {}
    for tensor in tensors:
        at = tensor.untyped_storage().data_ptr()
        used[at] = used.get(at, 0) + tensor.numel() * tensor.element_size()
    return [
        tensor.clone()
        if tensor.untyped_storage().nbytes() > 1.1 * used[tensor.untyped_storage().data_ptr()]
        else tensor
        for tensor in tensors
    ]
