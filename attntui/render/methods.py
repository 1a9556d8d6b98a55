"""What each lens computes: its formula and its source."""

from attntui.core.protocol import Flow, Gradient, Norm, Relevance, View

Method = tuple[str, str, str]
"""Title, formula, source."""

NORM = (
    "Length of what is passed on",
    "N[i, j] = ‖ A[i, j] · v_j W_O ‖\nThe length of the vector that query i gets from key j "
    "through a head: the weight, the key's value v_j and the rows of the output projection W_O "
    "that are the head's. Of all heads, the length of their vectors' sum, ‖ Σ_h A_h[i, j] · v_jh "
    "W_Oh ‖, not the sum of lengths. Rows do not sum to 1. A large weight on a short "
    "vector passes on little.",
    "Kobayashi et al. 2020, Attention is not only a weight, arXiv 2004.10102",
)
GRADIENT = (
    "Attention x gradient",
    "G[i, j] = A[i, j] · ∂y/∂A[i, j], y the target's logit (less the foil's)\nTo first order, how "
    "much y would fall without this edge, the other weights left as they are; below 0 where the "
    "edge works against y. ∂y/∂A[i, j] = ∂y/∂o_i · v_j, where o is what the head gives to the "
    "output projection. Of all heads, their mean.",
    "as in Chefer et al. 2021, arXiv 2103.15679, rule 5, before negatives are dropped",
)
RELEVANCE = (
    "Relevance",
    "Ā_l = mean over heads of the positive part of A · ∂y/∂A, y the target's logit\n"
    "R ← R + Ā_l · R for each layer from the first, beginning with R = I; shown is R - I\n"
    "Where a decoder looks at an encoder: R_qk ← R_qk + R̂_qqᵀ · Ā · R̂_kk, R̂ = I + (R - I) with rows"
    " divided by their sums.\nThe target's row says how much each token is worth to y.",
    "Chefer et al. 2021, Generic attention-model explainability, arXiv 2103.15679",
)
FLOW = (
    "Attention flow",
    "The largest flow from token i at the top to token j at the bottom, where each edge carries at"
    " most Â_l = (1 - r)·mean over heads of A + r·I; each row divided by its sum. One largest flow"
    " for every pair of tokens: for short prompts only.",
    "Abnar & Zuidema 2020, arXiv 2005.00928, section 3",
)
LESS_WEIGHTS = (
    "Less the weights",
    "D[i, j] = L[i, j] / Σ_j |L[i, j]| - A[i, j] / Σ_j A[i, j]\nL is what the lens shows, A the "
    "weights that it is of: the head's; of several heads their mean; for rollout, relevance and "
    "flow, which go through all layers, the mean over all of their heads. As shares of their row "
    "the two can be compared, whatever L is measured in.",
    "a comparison of ours",
)
DIRECT = (
    "Direct logit attribution",
    "A head's part of y = W_U[token] · gain · (o W_O) / scale, less the mean first where the last "
    "norm takes it away; gain and scale are the last norm's, the scale as it was in this run.\nThe "
    "other parts: what comes into the first layer, each layer's other sublayer and biases, and the "
    "biases at the end. All parts together are y. What a head does through later layers is not in "
    "its part, so this is not what ablating it would do.",
    "Elhage et al. 2021, A mathematical framework for transformer circuits",
)
LOGIT_LENS = (
    "Logit lens",
    "p_l = softmax( head( last norm( h_l ) ) ), h_l the output of layer l at the position\nWhat the"
    " model would say if layer l were its last; after the last layer, what it does say.",
    "nostalgebraist 2020, interpreting GPT: the logit lens",
)

METHODS: dict[type[View], Method] = {
    Norm: NORM,
    Gradient: GRADIENT,
    Relevance: RELEVANCE,
    Flow: FLOW,
}
"""Of the lenses that are matrices."""
