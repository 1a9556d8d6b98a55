"""What is known of a model and of a run."""

from typing import Literal

from msgspec import Struct

from attntui.core.protocol.generation import Generated
from attntui.core.protocol.looking import Side, Stack


class LayerInfo(Struct, frozen=True):
    """One layer of a stack.

    `heads` is 0 where there is nothing to look at: the layer has no attention (Mamba layers), or it
    has and a run did not record it.
    """

    heads: int
    kind: Literal["full", "sliding", "chunked", "none", "unrecorded"] = "full"
    key_value_heads: int = 0


class StackInfo(Struct, frozen=True):
    """One tower of layers, with the sides its queries and keys come from."""

    name: Stack
    queries: Side
    keys: Side
    causal: bool
    layers: tuple[LayerInfo, ...]
    learned_sink: bool = False


class ModelInfo(Struct, frozen=True, kw_only=True):
    """A loaded model, in the words the screen shows; or a file of attention, captured "given"."""

    name: str
    revision: str | None
    architecture: str
    model_type: str
    parameters: int
    device: str
    device_name: str
    dtype: str
    capture: Literal["interface", "eager", "given"]
    predicts: Literal["next", "masked", "classes"] | None
    mask_token: str | None
    max_positions: int | None
    stacks: tuple[StackInfo, ...]
    self_check: float | None
    """Largest difference, captured against eager, on a short prompt at load; None: not run."""
    has_segments: bool = False
    """Whether two sentences are more to the model than one text."""
    notes: tuple[str, ...] = ()
    """Whatever the user should know: a fallback, a pickle file, a dtype changed."""
    placement: str = ""
    """Which layers are on which device, of a model that is spread over several."""
    opens_at: tuple[int, int] | None = None
    """The (layer, head) that a file begins with: one of a part of the layers has no others."""


class Token(Struct, frozen=True):
    """A token as text: spaces kept, bytes of half characters in hex between ⟨ and ⟩.

    `start` and `end` are character offsets into its side's source text, -1 where unknown: into its
    own sentence of a pair, its own message of a chat, the text that a decoder wrote itself.
    `part` is 0 for the first sentence, 1 for the second, -1 for special tokens.
    `role` is whose words these are in a chat, empty for the template's own. `gap` is the white
    space of the source before it that no token holds, as WordPiece drops it.
    """

    id: int
    text: str
    special: bool = False
    start: int = -1
    end: int = -1
    part: int = 0
    role: str = ""
    gap: str = ""


class Word(Struct, frozen=True):
    """A word: the tokens `first` to `last`, the last included, and their text together."""

    text: str
    first: int
    last: int
    special: bool = False
    part: int = 0
    role: str = ""


class SideInfo(Struct, frozen=True):
    """The tokens of one side, and the words they make: every token is in exactly one."""

    name: Side
    tokens: tuple[Token, ...]
    words: tuple[Word, ...] = ()


class Trust(Struct, frozen=True, kw_only=True):
    """How far to trust a run: measured, never assumed. None means not computed."""

    exact: bool
    """The check at load and this run's check both hold within the dtype's tolerance."""
    self_check: float | None
    output_error: float | None
    """Largest difference between recomputed weights times v and the kernel's own output."""
    row_sum_error: float
    """Largest |row sum - 1| over the checked rows, a learned sink's share included."""
    leak: float | None
    """Largest weight on a future token over the checked rows; None where not causal."""
    rows_checked: int
    dtype: str
    why: str = ""
    """One sentence where the run is not exact."""


class RunInfo(Struct, frozen=True, kw_only=True):
    """A finished run: its tokens, its stacks, how far to trust it, what it took."""

    run: int
    sides: tuple[SideInfo, ...]
    stacks: tuple[StackInfo, ...]
    trust: Trust
    seconds: float
    recorded_bytes: int
    device_bytes: int
    """Memory the engine holds on the device (CUDA) or in the process (CPU)."""
    truncated: int = 0
    """Tokens cut off by --truncate."""
    notes: tuple[str, ...] = ()
    generated: Generated | None = None
    """What the model itself added to the text, where this run is of `Generate`."""
    model: ModelInfo | None = None
    """The model that ran."""
