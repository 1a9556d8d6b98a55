"""Options that let the model write on before its attention is looked at."""

from dataclasses import dataclass
from typing import Annotated

from typer import Option

from attntui.core.errors import UserError
from attntui.core.protocol import Sampling
from attntui.core.sampling import sampling_of


@dataclass(frozen=True)
class Generation:
    """So many tokens, chosen so."""

    count: int
    sampling: Sampling


@dataclass(frozen=True)
class GenerationChoice:
    """What the model adds to the prompt."""

    generate: Annotated[
        int | None,
        Option(
            min=1,
            metavar="N",
            help="Add up to N tokens that the model chooses; the attention is that of the whole"
            " text. Greedy without the options below.",
            show_default=False,
        ),
    ] = None
    temperature: Annotated[
        float | None,
        Option(min=0, help="Draw tokens: logits are divided by it (1).", show_default=False),
    ] = None
    top_k: Annotated[
        int | None, Option(min=1, help="Draw from the K likeliest tokens.", show_default=False)
    ] = None
    top_p: Annotated[
        float | None,
        Option(
            max=1, help="Draw from the fewest tokens that reach this share.", show_default=False
        ),
    ] = None
    seed: Annotated[
        int | None,
        Option(min=0, max=2**53, help="The same seed, the same tokens.", show_default=False),
    ] = None

    def order(self) -> Generation | None:
        """
        Raises:
            UserError: options of tokens that are not asked for.
        """
        given = {
            "--temperature": self.temperature,
            "--top-k": self.top_k,
            "--top-p": self.top_p,
            "--seed": self.seed,
        }
        if self.generate is not None:
            options = (self.temperature, self.top_k, self.top_p, self.seed)
            return Generation(self.generate, sampling_of(*options))
        for option, value in given.items():
            if value is not None:
                raise UserError(f"{option} needs --generate.")
        return None
