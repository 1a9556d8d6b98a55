"""What each number on the screen is: its formula and its source."""

from dataclasses import replace

from attntui.core.protocol import LessWeights
from attntui.core.scale import DESCRIPTIONS
from attntui.render.methods import LESS_WEIGHTS
from attntui.render.methods import METHODS as LENSES
from attntui.ui.measures import measure_of
from attntui.ui.state import Look

HEAD = (
    "Attention weight",
    "A[i, j] = softmax_j( q_i · k_j × scale + mask )\nThe weight that query token i (row) gives "
    "key token j (column), recomputed in float32 from the recorded q and k. A row sums to 1, or "
    "to less where the model has a learned sink; the rest is then the sink's.",
    "Vaswani et al. 2017, Attention is all you need",
)
MEAN = (
    "Mean over heads",
    "M[i, j] = mean over the heads h of this layer of A_h[i, j]",
    "Clark et al. 2019 use it beside single heads; a mean can hide what one head does",
)
CHOSEN = (
    "Mean over chosen heads",
    "M[i, j] = mean over the chosen heads (l, h) of A_lh[i, j]",
    "as the mean over the heads of a layer, for heads of any layers",
)
ALL = (
    "Mean over all layers",
    "M[i, j] = mean over the layers of the mean over their heads",
    "A summary of ours by plain averaging; it mixes layers that read different things",
)
ROLLOUT = (
    "Attention rollout",
    "F_l = the layer's heads fused ({fusion})\n"
    "Â_l = (1 - r)·F_l + r·I, residual r = {residual}\n"
    "R = Â_L · … · Â_s, from layer s = {start} on, the newer layer on the left\n"
    "Row i: the share of each input token in position i at the top.{causal}",
    "Abnar & Zuidema 2020, arXiv 2005.00928{discard}",
)
DRIFT = (
    "\nIn a causal model every path ends on the first tokens sooner or later; at residual 0 all "
    "weight drifts to token 0 with depth, whatever the model does."
)
MAPS = (
    "Small maps",
    "One map a head: A[i, j], query i down, key j across, as in the grid. Where a cell stands for "
    "several tokens, it shows the largest of their weights:\n"
    "max of A[i, j] over the cell's queries i and keys j, so that one strong weight is not lost.",
    "the same weights as in the grid; the title tells how many tokens a cell stands for",
)
TEXT = (
    "Shade of the text",
    "A[i, j] for the selected token i and every token j: what i attends to. Turned round, A[i, j] "
    "for the selected token j and every token i: what attends to j. The shades of the first sum "
    "to 1, those of the second to anything. Faint text is hidden, or comes too late to be seen.",
    "the weights of the grid, one row or one column of them",
)
SCORE = (
    "Score",
    "score_j = q_i · k_j × scale (+ bias), and A[i, j] = softmax_j( score_j ).\n"
    "q_i · k_j is the sum of q_i[d] × k_j[d] over the dimensions d of the head: a cell is one d.\n"
    "q and k are as the softmax takes them, after rotary embedding where the model has one.\n"
    "A bias is added for the distance from i to j, in families such as t5.",
    "Vaswani et al. 2017, Attention is all you need; Vig 2019, arXiv 1906.05714 (neuron view)",
)
LINES = (
    "Lines",
    "A line from query i (left) to key j (right) is as strong as A[i, j] on the scale. Where "
    "lines cross, the strongest is seen; without colour, a stronger one has more dots. None is "
    "drawn at the scale's lowest step, nor below the threshold. Figures: what the query at the "
    "cursor gives each key; ↑ and ↓ add up the keys out of sight, and the line there is as "
    "strong as their largest weight. z: lines of the cursor's and marked rows; Z: of all rows.",
    "after the head view of bertviz (Vig 2019, arXiv 1906.05714)",
)
TRUST = (
    "Trust",
    "exact: at load, a short prompt gave the same weights captured and by transformers' own "
    "eager attention; in this run, recomputed weights × v gave the kernel's own output (1e-5 "
    "in float32, 2e-3 in float16, 2e-2 in bfloat16). Rows: the largest |sum - 1|. Look ahead: the "
    "largest weight on a future token. Both over the checked rows, in every recorded layer.",
    "measured at load and in every run",
)


WORDS = (
    "Words",
    "W[a, b] = mean over the tokens i of word a of the sum over the tokens j of word b of A[i, j]\n"
    "Rows still sum to 1. Words are told from where tokens stand in the text.",
    "Clark et al. 2019, What does BERT look at?, section 4.1",
)
DISTANCE = (
    "How far heads look",
    "distance = Σ_ij A[i, j] · |i - j| / Σ_ij A[i, j], in tokens\n"
    "beyond k = Σ of A[i, j] with |i - j| > k, over Σ_ij A[i, j]\n"
    "A line is the mean over a layer's heads. In a longer prompt each stretch of text between "
    "special tokens is said 2, 4 or 8 times, as far as the model reads so many tokens: weight on "
    "an earlier copy is then further away.",
    "Vig & Belinkov 2019, Analyzing the structure of attention; the share is a count of ours",
)
HIDDEN = (
    "Hidden keys",
    "Special tokens, and sinks: keys to which all heads of all layers together give more than 0.3 "
    "of a query's weight on average, over the queries that see them (at least 4). The list of a "
    "row says how much of it is hidden. “Rows scaled to 1” divides what is left by its sum.",
    "Gu et al. 2024, arXiv 2410.10781, for the mark of 0.3; hiding is a way to look, no method",
)
PAIR = (
    "From one sentence to the other",
    "A is everything before the second sentence's first token, separators included; B the rest. "
    "Weights that are not from the one to the other are shown nowhere: a list says their sum as "
    "“elsewhere”, and the head map can show how much each head gives in all (o).",
    "as in bertviz's head view (Vig 2019)",
)
Meaning = tuple[str, str, str]
"""Title, formula, source."""


def meanings(look: Look) -> list[Meaning]:
    """Title, formula and source of everything shown now."""
    stack = look.stack_info
    causal = stack is not None and stack.causal
    grid = {"head": HEAD, "mean": MEAN, "chosen": CHOSEN, "all": ALL}.get(look.lens)
    if grid is None:
        chosen = look.rollout
        title, formula, source = ROLLOUT
        discard = ""
        if chosen.discard_ratio:
            discard = f"; discarding ({chosen.discard_ratio}) is vit-explain's, not theirs"
        grid = (
            title,
            formula.format(
                fusion=chosen.head_fusion,
                residual=chosen.residual,
                start=chosen.start_layer,
                causal=DRIFT if causal else "",
            ),
            source.format(discard=discard),
        )
    if isinstance(look.view, LessWeights):
        return [LESS_WEIGHTS, *meanings(replace(look, lens_shown="lens"))]
    method = LENSES.get(type(look.view))
    if method is not None:
        grid = method
    scale = (f"Scale: {look.scale}", DESCRIPTIONS[look.scale], "s changes it; no number changes")
    measure = measure_of(look)
    heads = (f"Head map: {measure.name}", measure.formula, measure.source)
    rest = [*readings(look), heads, scale, TRUST, *placed(look)]
    if look.page == "distance":
        return [DISTANCE, heads, TRUST]
    if look.page in {"layer", "model"}:
        return [HEAD, MAPS, *rest]
    first = {"neuron": [SCORE], "text": [TEXT], "lines": [LINES]}.get(look.page, [])
    if look.page == "lines" and look.lens == "chosen":
        grid = HEAD
    return [*first, grid, *rest]


def placed(look: Look) -> list[Meaning]:
    """Where the layers are, of a model that is spread over devices."""
    if look.model is None or not look.model.placement:
        return []
    return [("Where the layers are", look.model.placement, "accelerate's device_map")]


def readings(look: Look) -> list[Meaning]:
    """How the matrix is read, where it is not shown as it is."""
    found = []
    if look.words:
        found.append(WORDS)
    if look.sinks != "show":
        found.append(HIDDEN)
    if look.between != "all":
        found.append(PAIR)
    return found
