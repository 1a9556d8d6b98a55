"""What crosses the pipe between the screen and the engine: every request and every reply.

The screen sends a `Call` (a number and a request). The engine answers with any number of `Progress`
replies and then exactly one other reply, all carrying the call's number. The engine keeps the run;
the screen asks for windows, rows and small maps of it, never for all of it.

Layers, heads and positions count from 0. Arrays travel beside the header, see `core.frames`.
"""

from typing import Literal

from msgspec import Struct

PROTOCOL_VERSION = 1

Stack = Literal["self", "encoder", "decoder", "cross"]
"""A tower of attention layers: `self` where a model has only one."""

Side = Literal["text", "encoder", "decoder"]
"""A row of tokens: `text` where a model reads only one."""

Pooling = Literal["max", "mean"]
Direction = Literal["attends_to", "attended_by"]
HeadFusion = Literal["mean", "max", "min"]
Statistic = Literal["previous", "induction"]


class ModelOptions(Struct, frozen=True, kw_only=True):
    """Which model to load, and how. `model` is a hub id, a folder, `demo` or `demo-bert`."""

    model: str
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    trust_remote_code: bool = False
    offline: bool = False


class PromptInput(Struct, frozen=True, kw_only=True):
    """What the user gave the model to read, before tokenising."""

    text: str
    pair: str | None = None
    decoder_text: str | None = None
    chat: bool = False
    special_tokens: Literal["auto", "none", "bos"] = "auto"
    truncate: Literal["left", "right"] | None = None


# What is looked at: one matrix of weights, query by key.


class Head(Struct, frozen=True, tag="head"):
    """One head of one layer."""

    stack: Stack
    layer: int
    head: int


class Mean(Struct, frozen=True, tag="mean"):
    """The mean over the heads of a layer, or of all layers where `layer` is None."""

    stack: Stack
    layer: int | None = None


class Rollout(Struct, frozen=True, tag="rollout"):
    """Attention rollout (Abnar & Zuidema 2020) with its options."""

    stack: Stack
    residual: float = 0.5
    start_layer: int = 0
    head_fusion: HeadFusion = "mean"
    discard_ratio: float = 0.0


View = Head | Mean | Rollout


# Requests.


class Load(Struct, frozen=True, tag="load"):
    """Load a model; answered by `Loaded`. A model that was loaded before is dropped first."""

    options: ModelOptions


class Unload(Struct, frozen=True, tag="unload"):
    """Free the model and its run; answered by `Done`."""


class Trace(Struct, frozen=True, tag="trace"):
    """Run the model on a prompt and record its attention as run `run`; answered by `Traced`."""

    run: int
    prompt: PromptInput


class GetWindow(Struct, frozen=True, tag="window"):
    """A window of one view; answered by `Arrays`: weights (rows, keys) float32.

    `rows` and `keys` are half-open ranges of positions. With a step above 1, each cell pools
    step x step weights; the last cell of an axis may pool fewer.
    Where the view has a learned sink (gpt-oss), a second array (rows) holds the sink's weights.
    """

    run: int
    view: View
    rows: tuple[int, int]
    keys: tuple[int, int]
    row_step: int = 1
    key_step: int = 1
    pooling: Pooling = "max"


class GetCellMap(Struct, frozen=True, tag="cell-map"):
    """The weight every head gives one cell; `Arrays`: (layers, heads) float32, NaN where none."""

    run: int
    stack: Stack
    query: int
    key: int


class GetStatistic(Struct, frozen=True, tag="statistic"):
    """A score of every head; `Arrays`: (layers, heads) float32, NaN where no row is eligible."""

    run: int
    stack: Stack
    name: Statistic


class GetTop(Struct, frozen=True, tag="top"):
    """The largest weights of a view's row (attends to) or column (attended by); answered by `Top`.

    `position` is a query for `attends_to`, a key for `attended_by`.
    """

    run: int
    view: View
    position: int
    direction: Direction
    count: int


class GetPredictions(Struct, frozen=True, tag="predictions"):
    """The likeliest outputs at a position; answered by `Predictions`."""

    run: int
    position: int
    count: int


class GetLogits(Struct, frozen=True, tag="logits"):
    """Logits of a half-open range of positions; `Arrays`: (positions, vocabulary) float32."""

    run: int
    rows: tuple[int, int]


class Cancel(Struct, frozen=True, tag="cancel"):
    """Give up another call, as soon as it can be; that call is answered by `Failed(cancelled)`.

    This request itself has no answer.
    """

    call: int


Request = (
    Load
    | Unload
    | Trace
    | GetWindow
    | GetCellMap
    | GetStatistic
    | GetTop
    | GetPredictions
    | GetLogits
    | Cancel
)


class Call(Struct, frozen=True):
    """A request and the number that its replies carry."""

    id: int
    request: Request


# Replies.


class Hello(Struct, frozen=True, tag="hello"):
    """The engine's first words, with call number 0, before it imports torch."""

    protocol: int
    version: str
    pid: int
    host: str


class Progress(Struct, frozen=True, tag="progress"):
    """How far a slow call is. `total` 0 means unknown; `unit` is "B" for bytes."""

    stage: str
    done: int = 0
    total: int = 0
    unit: str = ""


class LayerInfo(Struct, frozen=True):
    """One layer of a stack. `heads` is 0 where a layer has no attention (Mamba layers)."""

    heads: int
    kind: Literal["full", "sliding", "chunked", "none"] = "full"
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
    """A loaded model, in the words the screen shows."""

    name: str
    revision: str | None
    architecture: str
    model_type: str
    parameters: int
    device: str
    device_name: str
    dtype: str
    capture: Literal["interface", "eager"]
    predicts: Literal["next", "masked", "classes"] | None
    mask_token: str | None
    max_positions: int | None
    stacks: tuple[StackInfo, ...]
    self_check: float | None
    """Largest difference, captured against eager, on a short prompt at load; None: not run."""
    notes: tuple[str, ...] = ()
    """Whatever the user should know: a fallback, a pickle file, a dtype changed."""


class Token(Struct, frozen=True):
    """A token as text: spaces kept, bytes of half characters in hex between ⟨ and ⟩.

    `start` and `end` are character offsets into its side's source text, -1 where unknown.
    `part` is 0 for the first sentence, 1 for the second, -1 for special tokens.
    """

    id: int
    text: str
    special: bool = False
    start: int = -1
    end: int = -1
    part: int = 0


class SideInfo(Struct, frozen=True):
    """The tokens of one side."""

    name: Side
    tokens: tuple[Token, ...]


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


class Loaded(Struct, frozen=True, tag="loaded"):
    model: ModelInfo


class Traced(Struct, frozen=True, tag="traced"):
    info: RunInfo


class Arrays(Struct, frozen=True, tag="arrays"):
    """The arrays of this frame are the answer."""

    run: int


class TopEntry(Struct, frozen=True):
    position: int
    weight: float


class Top(Struct, frozen=True, tag="top-entries"):
    """Largest first; equal weights in order of position.

    `rest` is the weight of all others together, `sink` that of a learned sink.
    """

    run: int
    entries: tuple[TopEntry, ...]
    rest: float
    sink: float = 0.0


class Prediction(Struct, frozen=True):
    """A likely output: a token (or a class's name) with its probability and logit."""

    text: str
    id: int
    probability: float
    logit: float


class Predictions(Struct, frozen=True, tag="predicted"):
    """Likeliest first. `what` says what is predicted, such as "next token"."""

    run: int
    position: int
    what: str
    entries: tuple[Prediction, ...]


class Done(Struct, frozen=True, tag="done"):
    """Nothing more to say."""


class Failed(Struct, frozen=True, tag="failed"):
    """One clear sentence. `user`: they can mend it; `fault`: ours; `fatal`: the engine ends now."""

    kind: Literal["user", "fault", "cancelled", "fatal"]
    message: str


Reply = Hello | Progress | Loaded | Traced | Arrays | Top | Predictions | Done | Failed


class ArraySpec(Struct, frozen=True):
    """An array of a frame, in C order."""

    dtype: str
    shape: tuple[int, ...]


class Answer(Struct, frozen=True):
    """A reply, the number of the call it answers, and the arrays that follow the header."""

    id: int
    reply: Reply
    arrays: tuple[ArraySpec, ...] = ()
