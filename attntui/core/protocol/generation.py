"""How a model's next tokens are chosen, and what it added to a text."""

from msgspec import Struct

from attntui.core.protocol.inputs import PromptInput


class Sampling(Struct, frozen=True, kw_only=True):
    """How each token is chosen; without a temperature it is the likeliest (greedy).

    Logits are divided by `temperature`; then the `top_k` likeliest stay, and of those the fewest
    likeliest whose probabilities reach `top_p` (Holtzman et al. 2020); one is drawn. A token's draw
    depends on the seed and its position alone, so that twenty tokens are the same as one at a time.
    """

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0


class Generated(Struct, frozen=True, kw_only=True):
    """The tokens that a model added to a text, from position `first` of the last side to its end.

    `probabilities`: of each, the model's own (softmax of its logits, temperature 1, all tokens),
    whatever it was chosen by. `prompt` gives all the tokens of the run again.
    """

    prompt: PromptInput
    first: int
    probabilities: tuple[float, ...]
