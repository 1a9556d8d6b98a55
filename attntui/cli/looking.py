"""Options that say which matrices are looked at, and how they are read."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from attntui.core.edit_names import cut_of, heads_of
from attntui.core.errors import UserError
from attntui.core.protocol import AblateWith, Between, Edits, Reading, Rollout

if TYPE_CHECKING:
    from attntui.export.file import Looks
    from attntui.export.matrices import Wanted

SHORTEST, LONGEST = 1, 50
"""Inches, of a picture's sides."""


@dataclass(frozen=True)
class ViewChoice:
    """What else than single heads."""

    mean: Annotated[bool, Option("--mean", help="The mean over all heads of a layer.")] = False
    mean_of: Annotated[
        str | None,
        Option(
            metavar="LIST",
            help="The mean over these heads, each as layer.head: 1.2,3.0.",
            show_default=False,
        ),
    ] = None
    rollout: Annotated[
        bool, Option("--rollout", help="Attention rollout (Abnar & Zuidema 2020).")
    ] = False
    residual: Annotated[
        float | None,
        Option(min=0, max=1, help="Rollout: weight of the residual (0.5).", show_default=False),
    ] = None
    start_layer: Annotated[
        int | None, Option(min=0, help="Rollout: first layer (0).", show_default=False)
    ] = None
    head_fusion: Annotated[
        Literal["mean", "max", "min"] | None,
        Option(help="Rollout: how heads become one (mean).", show_default=False),
    ] = None
    discard_ratio: Annotated[
        float | None,
        Option(min=0, max=1, help="Rollout: drop this share of weights (0).", show_default=False),
    ] = None

    def wanted(self) -> "Wanted":
        """
        Raises:
            UserError: a list of heads is none, or options of a rollout that is not wanted.
        """
        from attntui.export.matrices import Wanted

        return Wanted(mean=self.mean, mean_of=self.heads(), rollout=self.rollout_options())

    def rollout_options(self) -> Rollout | None:
        """Rollout's options, the defaults filled in; the stack is not known yet.

        Raises:
            UserError: options of a rollout that is not wanted.
        """
        given = {
            "residual": self.residual,
            "start_layer": self.start_layer,
            "head_fusion": self.head_fusion,
            "discard_ratio": self.discard_ratio,
        }
        chosen = {name: value for name, value in given.items() if value is not None}
        if self.rollout:
            import msgspec

            return msgspec.convert({"type": "rollout", "stack": "self", **chosen}, Rollout)
        if chosen:
            option = next(iter(chosen)).replace("_", "-")
            raise UserError(f"--{option} needs --rollout.")
        return None

    def heads(self) -> tuple[tuple[int, int], ...]:
        """The heads of `--mean-of`, as (layer, head), each once; () where it is not given.

        Raises:
            UserError: it is no list of heads.
        """
        if self.mean_of is None:
            return ()
        if not re.fullmatch(
            r"\s*\d{1,9}\.\d{1,9}\s*(,\s*\d{1,9}\.\d{1,9}\s*)*", self.mean_of, re.A
        ):
            raise UserError(f"--mean-of {self.mean_of!r} is no list of heads such as 1.2,3.0.")
        pairs = (item.split(".") for item in self.mean_of.split(","))
        return tuple(sorted({(int(layer), int(head)) for layer, head in pairs}))


@dataclass(frozen=True)
class ReadingChoice:
    """How a matrix is read."""

    words: Annotated[
        bool,
        Option(
            "--words", help="Words in place of tokens: the sum over keys, the mean over queries."
        ),
    ] = False
    sinks: Annotated[
        Literal["show", "hide", "renormalise"],
        Option(
            help="Weights on special tokens and attention sinks; renormalise hides them and scales"
            " the rest up to 1."
        ),
    ] = "show"
    between: Annotated[
        Between, Option(help="Of two sentences, whose queries look at whose keys: A-B, say.")
    ] = "all"

    @property
    def reading(self) -> Reading:
        return Reading(self.words, self.sinks, self.between)


@dataclass(frozen=True)
class EditChoice:
    """What is changed in the model's attention before it goes on."""

    ablate: Annotated[
        str | None,
        Option(
            metavar="LIST",
            help="Switch these heads off, each as layer.head: 5.1,6.2; in an encoder-decoder"
            " encoder.5.1, decoder.5.1, cross.5.1.",
            show_default=False,
        ),
    ] = None
    ablate_with: Annotated[
        AblateWith | None,
        Option(
            help="What they give instead: zero, or their mean over the positions (zero).",
            show_default=False,
        ),
    ] = None
    cut: Annotated[
        list[str] | None,
        Option(
            metavar="QUERY:KEY@LAYERS[.HEAD]",
            help="The query may not look at the key there, 9:4@5.1 or 9:4@4-6; repeatable.",
            show_default=False,
        ),
    ] = None

    @property
    def edits(self) -> Edits:
        """
        Raises:
            UserError: a list of heads or an edge is none.
        """
        if self.ablate_with is not None and self.ablate is None:
            raise UserError("--ablate-with needs --ablate.")
        ablated = heads_of(self.ablate) if self.ablate is not None else ()
        cuts = tuple(map(cut_of, self.cut or ()))
        return Edits(ablated, self.ablate_with or "zero", cuts)


@dataclass(frozen=True)
class PictureChoice:
    """How a picture looks."""

    scale: Annotated[
        Literal["linear", "sqrt", "log", "row"], Option(help="Pictures: how colour grows.")
    ] = "linear"
    size: Annotated[
        str | None,
        Option(
            metavar="WIDTHxHEIGHT",
            help="Pictures: inches, such as 6.5x5; whatever fits without it.",
            show_default=False,
        ),
    ] = None
    dpi: Annotated[int, Option(min=50, max=1200, help=".png: pixels to an inch.")] = 200

    def looks(self) -> "Looks":
        """As pictures take them.

        Raises:
            UserError: the size is none, or too small or large.
        """
        from attntui.export.file import Looks

        return Looks(self.scale, self._inches(), self.dpi)

    def _inches(self) -> tuple[float, float] | None:
        if self.size is None:
            return None
        match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]+)?)x([0-9]{1,3}(?:\.[0-9]+)?)", self.size)
        size = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
        if not all(SHORTEST <= side <= LONGEST for side in size):
            raise UserError(
                f"--size {self.size!r} is no width and height in inches such as 6.5x5, each"
                f" {SHORTEST} to {LONGEST}."
            )
        return size
