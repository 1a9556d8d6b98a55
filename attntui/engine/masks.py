"""Which keys each query may see, evaluated only for the rows somebody asks for.

transformers builds an n x n mask before the first layer. Registered in its place, `lazy_mask` hands
the models an object that remembers the rule instead: nothing grows with n², the fused kernels stay
legal where the rule is plainly causal or full, and code that would index the mask (and so needs a
tensor) fails at once instead of going wrong silently.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

MaskFunction = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Span = tuple[int, int]
"""A half-open range of keys."""


@dataclass(frozen=True, eq=False)
class RuleMask:
    """A mask as transformers' index rule `function(batch, head, query, key) -> allowed`."""

    queries: int
    keys: int
    device: torch.device
    plain: Literal["causal", "full"] | None
    """Set where the whole mask is lower triangular, the last query seeing the last key; or where it
    allows everything."""
    kind: Literal["full", "sliding", "chunked"] = "full"
    causal: bool = False
    function: MaskFunction | None = None
    query_offset: int = 0
    key_offset: int = 0
    padding: Tensor | None = None
    """(offset + keys) bool, False where a key is padding."""
    by_scalar: bool = False
    """The rule accepts single indices only and needs vmap."""

    @property
    def before(self) -> int:
        """How many keys stand before that of the first query, where that is plain."""
        return self.keys - self.queries

    def span(self, start: int, stop: int) -> Span:
        """Beyond this half-open range of keys, no row of these sees any."""
        if self.plain == "causal":
            return 0, stop + self.before
        if self.kind == "full" or stop <= start:
            return 0, self.keys
        # Windows and chunks are stretches of keys, and a later row's does not begin or end earlier.
        first, last = (self.rows(at, at + 1)[0, 0].nonzero() for at in (start, stop - 1))
        return (int(first[0]), int(last[-1]) + 1) if len(first) and len(last) else (0, self.keys)

    def rows(self, start: int, stop: int, keys: Span | None = None) -> Tensor:
        """(1, rows, keys) bool: True where the query may see the key, of `keys` or of all."""
        query = torch.arange(start, stop, device=self.device)
        key = torch.arange(*(keys or (0, self.keys)), device=self.device)
        if self.plain == "causal":
            return (key <= query[:, None] + self.before)[None]
        if self.plain == "full" or self.function is None:
            return torch.ones(1, len(query), len(key), dtype=torch.bool, device=self.device)
        query, key = query + self.query_offset, key + self.key_offset
        allowed = _evaluate(self.function, query, key, self.by_scalar)
        if self.padding is not None:
            allowed = allowed & self.padding[key]
        return allowed[None]

    def __getitem__(self, index: object) -> "RuleMask":
        """Itself, for models that crop a mask to the length it has anyway.

        Raises:
            TypeError: any other indexing, which a rule cannot answer.
        """
        parts = index if isinstance(index, tuple) else (index,)
        sizes = (1, 1, self.queries, self.keys)
        if len(parts) <= 4 and all(
            isinstance(part, slice) and part.indices(size) == (0, size, 1)
            for part, size in zip(parts, sizes, strict=False)
        ):
            return self
        raise TypeError("a mask rule cannot be sliced like a tensor")


@dataclass(frozen=True, eq=False)
class TensorMask:
    """A mask that the model built itself: (1, 1 or heads, queries, keys), bool or additive."""

    tensor: Tensor
    plain: None = None
    kind: Literal["full"] = "full"

    @property
    def causal(self) -> bool:
        """Whether the first query cannot see the second key."""
        first = self.rows(0, 1)
        return first.shape[-1] > 1 and not bool(allowed(first)[..., 1].any())

    def span(self, start: int, stop: int) -> Span:
        """As of a rule; here every key."""
        return 0, self.tensor.shape[-1]

    def rows(self, start: int, stop: int, keys: Span | None = None) -> Tensor:
        """(1 or heads, rows, keys), bool or additive, as the model gave it."""
        one = self.tensor.shape[-2] == 1
        rows = self.tensor[0] if one else self.tensor[0, :, start:stop]
        return rows if keys is None else rows[..., slice(*keys)]


class Cell(NamedTuple):
    """An edge of one head, or of all heads of a layer (None)."""

    query: int
    key: int
    head: int | None = None


@dataclass(frozen=True, eq=False)
class CutMask:
    """Another mask, of which some edges are cut."""

    mask: "Mask"
    heads: int
    cells: tuple[Cell, ...]
    plain: None = None

    @property
    def kind(self) -> Literal["full", "sliding", "chunked"]:
        """As of the mask before."""
        return self.mask.kind

    @property
    def causal(self) -> bool:
        """As of the mask before: to cut one edge makes no model causal."""
        return self.mask.causal

    def span(self, start: int, stop: int) -> Span:
        """As of the mask before."""
        return self.mask.span(start, stop)

    def rows(self, start: int, stop: int, keys: Span | None = None) -> Tensor:
        """(1 or heads, rows, keys), bool or additive."""
        rows = self.mask.rows(start, stop, keys)
        first = 0 if keys is None else keys[0]
        inside = range(first, first + rows.shape[-1])
        cells = [cell for cell in self.cells if start <= cell.query < stop and cell.key in inside]
        if not cells:
            return rows
        heads = self.heads if any(cell.head is not None for cell in cells) else len(rows)
        rows = rows.expand(heads, stop - start, -1).clone()
        for query, key, head in cells:
            some = slice(None) if head is None else head
            blank = False if rows.dtype == torch.bool else -torch.inf
            rows[some, query - start, key - first] = blank
        return rows


Mask = RuleMask | TensorMask | CutMask


def allowed(rows: Tensor) -> Tensor:
    """Mask rows, bool or additive, as bool.

    Additive masks in the wild hold -inf, finfo.min or sums of such; anything below half of
    float16's least is no position bias.
    """
    return rows if rows.dtype == torch.bool else rows > torch.finfo(torch.float16).min / 2


def as_mask(mask: Mask | Tensor | None, queries: int, keys: int, device: torch.device) -> Mask:
    """What a model passed as its mask. None means that every key is seen, as in eager attention.

    transformers' SDPA path reads None as causal for modules that do not say otherwise, which makes
    Splinter's encoder causal; our mask function never returns None, so eager's reading is safe.
    """
    if mask is None:
        return RuleMask(queries, keys, device, plain="full")
    if isinstance(mask, Tensor):
        return TensorMask(mask[..., :keys])
    return mask


def lazy_mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int | Tensor = 0,
    kv_offset: int = 0,
    mask_function: MaskFunction | None = None,
    attention_mask: Tensor | None = None,
    local_size: int | None = None,
    allow_is_causal_skip: bool = True,
    allow_is_bidirectional_skip: bool = False,
    use_vmap: bool = False,
    device: torch.device | str = "cpu",
    **_: Any,
) -> RuleMask:
    """The mask function to register with transformers; see `transformers.masking_utils`.

    The two `allow` flags are set by transformers only where its rule is the plain causal or the
    plain bidirectional one, or such a rule within `local_size`.
    """
    padding = None if attention_mask is None or bool(attention_mask.all()) else attention_mask[0]
    offset = int(q_offset)
    everything = padding is None and (local_size is None or kv_length <= local_size)
    plain: Literal["causal", "full"] | None = None
    if everything and allow_is_causal_skip and q_length + offset == kv_length + kv_offset:
        plain = "causal"
    elif everything and allow_is_bidirectional_skip:
        plain = "full"
    kind: Literal["full", "sliding", "chunked"] = "full"
    if local_size is not None:
        chunked = allow_is_causal_skip and _is_chunked(mask_function, local_size, device)
        kind = "chunked" if chunked else "sliding"
    causal = allow_is_causal_skip or _is_causal(mask_function, kv_length, device, use_vmap)
    return RuleMask(
        q_length,
        kv_length,
        torch.device(device),
        plain,
        kind,
        causal,
        mask_function,
        offset,
        kv_offset,
        padding,
        use_vmap,
    )


def _evaluate(function: MaskFunction, query: Tensor, key: Tensor, by_scalar: bool) -> Tensor:
    """(queries, keys) bool."""
    zero = torch.zeros((), dtype=torch.long, device=query.device)
    if by_scalar:
        one_row = torch.vmap(function, in_dims=(None, None, None, 0))
        return torch.vmap(one_row, in_dims=(None, None, 0, None))(zero, zero, query, key)
    result = function(zero, zero, query[:, None], key[None, :])
    return result.to(torch.bool).expand(len(query), len(key))


def _is_chunked(function: MaskFunction | None, size: int, device: torch.device | str) -> bool:
    """Whether the last key of the first chunk is hidden from the next query, which slides past."""
    if function is None or size < 2:
        return False
    at = torch.tensor([size], device=device)
    return not bool(_evaluate(function, at, at - 1, by_scalar=False))


def _is_causal(
    function: MaskFunction | None, keys: int, device: torch.device | str, by_scalar: bool
) -> bool:
    """Whether the first query cannot see the second key; False where there is none."""
    if function is None or keys < 2:
        return False
    query = torch.tensor([0], device=device)
    return not bool(_evaluate(function, query, query + 1, by_scalar))
