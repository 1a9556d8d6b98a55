"""What the engine answers."""

from typing import Literal

from msgspec import Struct

from attntui.core.protocol.facts import ModelInfo, RunInfo
from attntui.core.protocol.looking import Target


class Hello(Struct, frozen=True, tag="hello"):
    """The engine's first words, with call number 0, before it imports torch."""

    protocol: int
    version: str
    pid: int
    host: str


class Progress(Struct, frozen=True, tag="progress"):
    """How far a slow call is. `total` 0 means unknown; `unit` is "B" for bytes.

    `rate` is in units per second; 0 where it is not known. `note` is what else there is to say.
    """

    stage: str
    done: int = 0
    total: int = 0
    unit: str = ""
    rate: float = 0.0
    note: str = ""


class Loaded(Struct, frozen=True, tag="loaded"):
    model: ModelInfo


class Traced(Struct, frozen=True, tag="traced"):
    info: RunInfo


class Arrays(Struct, frozen=True, tag="arrays"):
    """The arrays of this frame are the answer; `names` says which is which, in order."""

    run: int
    names: tuple[str, ...] = ()


class Statistics(Struct, frozen=True, tag="statistics-of-heads"):
    """One array (statistics, layers, heads) float32, in the order of `STATISTICS`.

    NaN where no row is eligible. `eligible` is, for each statistic, how many rows were, in the
    layer where most were: a window hides a pattern's targets from some.
    """

    run: int
    eligible: tuple[int, ...]


class Hidden(Struct, frozen=True, tag="hidden-keys"):
    """Key positions that hide: special tokens that the tokenizer or a chat template added, and
    attention sinks (those that are not special)."""

    run: int
    special: tuple[int, ...]
    sinks: tuple[int, ...]


class TopEntry(Struct, frozen=True):
    position: int
    weight: float


class Top(Struct, frozen=True, tag="top-entries"):
    """Largest first; equal weights in order of position.

    `rest` is the weight of all others together, `sink` that of a learned sink, `hidden` what the
    reading hides (before any scaling), `elsewhere` what is not between the sentences looked at.
    Of differences the largest are those furthest from 0, and nothing is added up but `hidden`.
    """

    run: int
    entries: tuple[TopEntry, ...]
    rest: float
    sink: float = 0.0
    hidden: float = 0.0
    elsewhere: float = 0.0


class Scores(Struct, frozen=True, tag="score-parts"):
    """A query's scores taken apart: arrays `query` (size), `keys` (keys, size), `scores` (keys)
    and `weights` (keys), float32.

    score_j = cap(scaling x sum over d of query_d x keys_jd) + bias_j + mask_j, where `cap` is
    softcap x tanh(· / softcap) where there is one; -inf where the mask hides the key.
    """

    run: int
    scaling: float
    softcap: float | None = None
    has_bias: bool = False


class Prediction(Struct, frozen=True):
    """A likely output: a token (or a class's name) with its probability and logit, and those of
    the run it is compared with."""

    text: str
    id: int
    probability: float
    logit: float
    probability_before: float | None = None
    logit_before: float | None = None


class Predictions(Struct, frozen=True, tag="predicted"):
    """Likeliest first. `what` says what is predicted, such as "next token".

    Beside another run: likeliest in either of the two first, and `divergence`, the Kullback-Leibler
    divergence KL(that run ‖ this) in nats of what they predict there. `beside` is the other run's
    token, and its position, where it is not the same text. `apart` is one sentence where the other
    run predicts what cannot stand beside this.
    """

    run: int
    position: int
    what: str
    entries: tuple[Prediction, ...]
    divergence: float | None = None
    came: Prediction | None = None
    """The token that follows here in the text, of a model that predicts the next one."""
    apart: str = ""
    beside: tuple[int, str] | None = None


class Depth(Struct, frozen=True):
    """What a model would say after a layer: the likeliest, and how likely the asked one is.

    `rank` is 0 where it is the likeliest.
    """

    entries: tuple[Prediction, ...]
    rank: int
    probability: float
    logit: float


class Targeted(Struct, frozen=True, tag="targeted"):
    """A logit, and the texts of its outputs; `foil` is empty where there is none."""

    run: int
    target: Target
    token: str
    foil: str = ""


class LogitLens(Struct, frozen=True, tag="logit-lens"):
    """`depths`: before the first layer, then after each; the last is what the model says.

    `token` is the output whose rank is told, `text` its text.
    """

    run: int
    position: int
    what: str
    token: int
    text: str
    depths: tuple[Depth, ...]


class Done(Struct, frozen=True, tag="done"):
    """Nothing more to say."""


class Failed(Struct, frozen=True, tag="failed"):
    """One clear sentence. `user`: they can mend it; `again`: it may succeed another time, too;
    `room`: also by recording fewer layers (`fit`); `fault`: ours; `fatal`: the engine ends now."""

    kind: Literal["user", "again", "room", "fault", "cancelled", "fatal"]
    message: str


Reply = (
    Hello
    | Progress
    | Loaded
    | Traced
    | Arrays
    | Statistics
    | Hidden
    | Top
    | Scores
    | Predictions
    | LogitLens
    | Targeted
    | Done
    | Failed
)


class ArraySpec(Struct, frozen=True):
    """An array of a frame, in C order."""

    dtype: str
    shape: tuple[int, ...]


class Answer(Struct, frozen=True):
    """A reply, the number of the call it answers, and the arrays that follow the header."""

    id: int
    reply: Reply
    arrays: tuple[ArraySpec, ...] = ()
