"""What the screen asks of the engine: a model, runs of it, and what is to be seen (`reads`)."""

from msgspec import Struct

from attntui.core.protocol.edits import Edits
from attntui.core.protocol.generation import Sampling
from attntui.core.protocol.inputs import ModelOptions, PromptInput
from attntui.core.protocol.reads import (
    GetAnswers,
    GetAttribution,
    GetCellMap,
    GetEffects,
    GetHidden,
    GetLogitLens,
    GetLogits,
    GetMaps,
    GetOrder,
    GetPredictions,
    GetReach,
    GetScores,
    GetShares,
    GetShifts,
    GetStatistics,
    GetStrongest,
    GetTarget,
    GetTop,
    GetWindow,
)


class Load(Struct, frozen=True, tag="load"):
    """Load a model; answered by `Loaded`. A model that was loaded before is dropped first.

    Runs in `keep` are held on, and with them the models that they were made by.
    """

    options: ModelOptions
    keep: tuple[int, ...] = ()


class Open(Struct, frozen=True, tag="open"):
    """Open a file of attention computed elsewhere, in place of a model; answered by `Loaded`.

    `Trace` then gives its one run, whatever the prompt.
    """

    path: str


class Keep(Struct, frozen=True, tag="keep"):
    """Hold these runs and no others; answered by `Done`.

    Whoever gives a call up cannot know whether its run was made: it names all that it may still
    need in `keep` of that call, and says here which those were once the answer is there.

    `tight`: what is free then goes back to the machine too. The next run would take it again, which
    makes a short one a twentieth slower, so this is for an engine that rests.
    """

    runs: tuple[int, ...]
    tight: bool = False


class Unload(Struct, frozen=True, tag="unload"):
    """Free the model and its run; answered by `Done`."""


class Trace(Struct, frozen=True, tag="trace"):
    """Run the model on a prompt and record its attention as run `run`; answered by `Traced`.

    Of the runs before, only those in `keep` are held any longer; those in `spare` go before it
    where there is not room for both. `record` is as in `ModelOptions`, whose own holds without it.
    """

    run: int
    prompt: PromptInput
    keep: tuple[int, ...] = ()
    spare: tuple[int, ...] = ()
    record: str | None = None


class Edit(Struct, frozen=True, tag="edit"):
    """Run the prompt of run `base` once more with edits, as run `run`; answered by `Traced`.

    `base`, which has no edits itself, is held on, and so are the runs in `keep`.
    """

    run: int
    base: int
    edits: Edits
    keep: tuple[int, ...] = ()


class Generate(Struct, frozen=True, tag="generate"):
    """Continue the text of run `base`, its edits in force, as run `run`; answered by `Traced`.

    First `tokens` are added as they are, then up to `count` that the model chooses; it stops before
    an end-of-text token and at the longest text that it reads, and says so in a note. Of the text
    before, positions up to `last` stay, that included; None: all. Heads at their mean keep the mean
    of `base`. Of the runs before, only those in `keep` are held any longer.
    """

    run: int
    base: int
    count: int
    sampling: Sampling = Sampling()
    last: int | None = None
    tokens: tuple[int, ...] = ()
    keep: tuple[int, ...] = ()


class Cancel(Struct, frozen=True, tag="cancel"):
    """Give up another call, as soon as it can be; that call is answered by `Failed(cancelled)`.

    This request itself has no answer.
    """

    call: int


class Ping(Struct, frozen=True, tag="ping"):
    """The screen is still there; no answer.

    A line that was cut closes nothing at its far end: an engine started with `--silence` ends when
    nothing came for that many seconds, and gives its GPU back.
    """


Request = (
    Load
    | Open
    | Keep
    | Unload
    | Trace
    | Edit
    | Generate
    | GetWindow
    | GetMaps
    | GetCellMap
    | GetShares
    | GetShifts
    | GetOrder
    | GetEffects
    | GetStatistics
    | GetReach
    | GetStrongest
    | GetHidden
    | GetTop
    | GetScores
    | GetPredictions
    | GetLogits
    | GetTarget
    | GetAttribution
    | GetLogitLens
    | GetAnswers
    | Cancel
    | Ping
)


class Call(Struct, frozen=True):
    """A request and the number that its replies carry."""

    id: int
    request: Request
