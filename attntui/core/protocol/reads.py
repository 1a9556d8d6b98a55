"""What the screen asks to see of a run, or of the model that made it."""

from msgspec import Struct

from attntui.core.protocol.edits import AblateWith, Measure
from attntui.core.protocol.inputs import Question
from attntui.core.protocol.looking import (
    Basis,
    Direction,
    Head,
    Pooling,
    Reading,
    Stack,
    Target,
    View,
)


class GetWindow(Struct, frozen=True, tag="window"):
    """A window of one view; answered by `Arrays`: `weights` (rows, keys) float32.

    `rows` and `keys` are half-open ranges of positions. With a step above 1, each cell pools
    step x step weights, those that the reading shows; the last cell of an axis may pool fewer.
    Where the view has a learned sink (gpt-oss), `sink` (rows) holds its weights; where the reading
    hides keys, `hidden` (rows) is the weight that a row gives them, before any scaling. With
    `sampled`, a cell pools so many of its rows, those in its middle: a first look at much.
    """

    run: int
    view: View
    rows: tuple[int, int]
    keys: tuple[int, int]
    row_step: int = 1
    key_step: int = 1
    pooling: Pooling = "max"
    reading: Reading = Reading()
    sampled: int = 0


class GetMaps(Struct, frozen=True, tag="maps"):
    """All heads of a layer as small maps; `Arrays`: `maps` (heads, rows, keys) float32, pooled."""

    run: int
    stack: Stack
    layer: int
    row_step: int
    key_step: int
    pooling: Pooling = "max"
    reading: Reading = Reading()


class GetCellMap(Struct, frozen=True, tag="cell-map"):
    """The weight every head gives one cell; `Arrays`: `map` (layers, heads) float32, NaN: none."""

    run: int
    stack: Stack
    query: int
    key: int
    reading: Reading = Reading()


class GetShares(Struct, frozen=True, tag="shares"):
    """How much each head gives to what a reading shows; `Arrays`: `map` (layers, heads) float32.

    The mean, over the queries that are shown, of their weight on the keys that are; NaN: none.
    """

    run: int
    stack: Stack
    reading: Reading = Reading()


class GetEffects(Struct, frozen=True, tag="effects"):
    """What switching off each head of a layer does to a measure, one at a time.

    `Arrays`: `effects` (heads) float32, the measure with the head off less that without edits;
    `value` (1), that without. With `estimate`, in place of the exact runs, the first-order estimate
    from one backward pass (Michel et al. 2019, with its sign), of all layers at once: (layers,
    heads), NaN where there is none; `layer` says nothing then.
    """

    run: int
    stack: Stack
    layer: int
    measure: Measure
    ablate_with: AblateWith = "zero"
    estimate: bool = False


class GetShifts(Struct, frozen=True, tag="shifts"):
    """How much each head's rows differ from those of run `against`; answered by `Arrays`: `map`
    (layers, heads) float32, NaN: none.

    NaN also where not both runs have such a head.

    The mean, over the queries that have a counterpart by edit distance, of the Jensen-Shannon
    divergence (Lin 1991) in bits, 0 to 1, of the two rows over the keys that have one; the weight
    on all others, and a learned sink's, is one outcome more.
    """

    run: int
    stack: Stack
    against: int


class GetOrder(Struct, frozen=True, tag="order"):
    """Word `word` of the prompt swapped with the next one: whether heads follow words or places.

    `Arrays`: `sums` (3, layers, heads) float32 and `count` (1) int64, 1; or 0, and sums of 0, where
    the two words are other tokens once they are swapped.

    A are a head's rows as they are, B those after the swap. Token i stands at p(i) then, which is i
    for all but the two words' tokens S. JSD is the Jensen-Shannon divergence (Lin 1991), in bits.
    The sums, over the queries i, are of

        c_i · JSD(A[i, ·], B[p(i), p(·)])    aligned by words: small where a head follows words
        c_i · JSD(A[i, ·], B[i, ·])          aligned by places: small where it follows order
        c_i

    and a query counts as 1 if it is in S, else by the weight it gives S: c_i = Σ_S (A + B)[i, ·]/2.
    The first two divided by the third, all summed over many pairs, are means from 0 to 1. A learned
    sink is one outcome more. In an encoder-decoder the encoder's words are swapped, and the decoder
    reads what it read.
    """

    run: int
    stack: Stack
    word: int


class GetStatistics(Struct, frozen=True, tag="statistics"):
    """Every statistic of every head, on tokens as they are; answered by `Statistics`."""

    run: int
    stack: Stack
    basis: Basis = "prompt"


class GetReach(Struct, frozen=True, tag="reach"):
    """How far each head looks, on tokens as they are.

    `Arrays`: `distance` (layers, heads) float32, Σ w |i - j| / Σ w in tokens; `beyond` (of each
    number k in the request, layers, heads), the share of the weight at |i - j| > k; NaN where there
    is no head; `tokens` (1), how many were read. With `times` above 1 each stretch of the prompt's
    text between special tokens is said so many times, in a run that is not kept.
    """

    run: int
    stack: Stack
    beyond: tuple[int, ...] = ()
    times: int = 1


class GetStrongest(Struct, frozen=True, tag="strongest"):
    """Which word each word gives most weight; `Arrays`: `strongest` (layers, heads, words) int64.

    `words` are half-open ranges of tokens, in order and apart, and the answer counts them from 0:
    the word, other than itself, that a word gives most, as the sum over a key's tokens and the mean
    over a query's; the first of equals, -1 where all get 0. Tokens of no word are passed over.
    """

    run: int
    stack: Stack
    words: tuple[tuple[int, int], ...]


class GetHidden(Struct, frozen=True, tag="hidden"):
    """What a reading hides among a stack's keys; answered by `Hidden`."""

    run: int
    stack: Stack
    words: bool = False


class GetTop(Struct, frozen=True, tag="top"):
    """The largest weights of a view's row (attends to) or column (attended by); answered by `Top`.

    `positions` are queries for `attends_to`, keys for `attended_by`; several are summed.
    """

    run: int
    view: View
    positions: tuple[int, ...]
    direction: Direction
    count: int
    reading: Reading = Reading()


class GetScores(Struct, frozen=True, tag="scores"):
    """One query's scores taken apart, before the softmax; answered by `Scores`.

    Positions are tokens, not words. `keys` is a half-open range.
    """

    run: int
    stack: Stack
    layer: int
    head: int
    query: int
    keys: tuple[int, int]


class GetPredictions(Struct, frozen=True, tag="predictions"):
    """The likeliest outputs at a token's position; answered by `Predictions`.

    With `against`, the number of another run, also what that run predicts at the token that stands
    beside this one by edit distance, where there is one.
    """

    run: int
    position: int
    count: int
    against: int = 0


class GetAnswers(Struct, frozen=True, tag="answers"):
    """How well the model answers a question, whole and with sets of heads off.

    `Arrays`: `logprob` and `logit_difference`, each (1 + sets) float32, the whole model first.
    logprob: the sum of log p over the answer's tokens, each after the one before. logit_difference:
    the answer's logit less the foil's, at the first token in which they differ; without a foil,
    less the largest other logit, the least of all the answer's tokens. Right is what is above 0.
    A head's mean is over the positions of the question as it is read, the answer's included.
    No run is held.
    """

    question: Question
    sets: tuple[tuple[Head, ...], ...]
    ablate_with: AblateWith = "zero"


class GetAttribution(Struct, frozen=True, tag="attribution"):
    """What each head adds to a logit directly (direct logit attribution).

    `Arrays`: `heads` (layers, heads) float32, NaN where there is none; `rest` (layers + 2), what
    came into the first layer, what each layer adds beside its heads (its other sublayer, biases),
    and the biases after the last; `logit` (1), the model's own, which is the sum of all. The scales
    of norms are frozen as they are in the run.
    """

    run: int
    target: Target


class GetTarget(Struct, frozen=True, tag="target"):
    """Which logit is meant, answered by `Targeted`.

    `position` counts from the end where it is below 0; None: the first masked place, else the last
    token. `token` and `foil` are numbers of outputs, or texts of one token, or labels of classes;
    without a token it is the model's likeliest there.
    """

    run: int
    position: int | None = None
    token: int | str | None = None
    foil: int | str | None = None


class GetLogitLens(Struct, frozen=True, tag="logit-lens"):
    """What the model would say after each layer at a position; answered by `LogitLens`.

    `count` likeliest outputs, and the rank of `token`; None: the model's likeliest at the end.
    """

    run: int
    position: int
    count: int
    token: int | None = None


class GetLogits(Struct, frozen=True, tag="logits"):
    """Logits of a half-open range of positions; `Arrays`: `logits` (positions, vocabulary)."""

    run: int
    rows: tuple[int, int]
