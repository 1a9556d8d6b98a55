"""Options that choose a lens, and the logit that it asks about."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from typer import Option

from attntui.core.errors import UserError

LensName = Literal["norm", "gradient", "relevance", "flow"]
_TARGET = re.compile(r"(-?[0-9]{1,9})?(?::(.+))?", re.DOTALL)
_NUMBER = re.compile(r"#([0-9]{1,9})")


@dataclass(frozen=True)
class Aim:
    """A logit as the user names it: None is what `GetTarget` takes by itself."""

    position: int | None
    token: int | str | None
    foil: int | str | None


@dataclass(frozen=True)
class LensOrder:
    """A lens, and its target."""

    name: LensName
    aim: Aim


@dataclass(frozen=True)
class TargetChoice:
    """Which logit is asked about."""

    target: Annotated[
        str | None,
        Option(
            metavar="POSITION:TOKEN",
            help="The logit asked about, 12:' went' or 12:#318; without the token, the likeliest"
            " there; without the position, the masked place or the last.",
            show_default=False,
        ),
    ] = None
    foil: Annotated[
        str | None,
        Option(metavar="TOKEN", help="Take this token's logit from it.", show_default=False),
    ] = None

    def order(self) -> Aim:
        """
        Raises:
            UserError: the target is none.
        """
        match = _TARGET.fullmatch(self.target or "")
        if match is None or self.target == "":
            raise UserError(f"--target {self.target!r} is no target such as 12:' went' or 12:#318.")
        position = None if match[1] is None else int(match[1])
        return Aim(position, _output(match[2]), _output(self.foil))


@dataclass(frozen=True)
class LensChoice:
    """What of the attention is looked at, where it is more than weights."""

    lens: Annotated[
        LensName | None,
        Option(
            help="In place of weights: norm, how long the vector is that is passed on (Kobayashi et"
            " al. 2020); gradient, weight x gradient of a logit; relevance to a logit (Chefer et"
            " al. 2021); flow (Abnar & Zuidema 2020), of short prompts.",
            show_default=False,
        ),
    ] = None
    target: Annotated[
        str | None,
        Option(
            metavar="POSITION:TOKEN",
            help="The logit that gradient and relevance ask about, 12:' went' or 12:#318; without"
            " the token, the likeliest there; without the position, the masked place or the last.",
            show_default=False,
        ),
    ] = None
    foil: Annotated[
        str | None,
        Option(metavar="TOKEN", help="Take this token's logit from it.", show_default=False),
    ] = None

    def order(self) -> LensOrder | None:
        """
        Raises:
            UserError: a target is none, or there is nothing that asks about it.
        """
        given = {"--target": self.target, "--foil": self.foil}
        for option, value in given.items():
            if value is not None and self.lens not in ("gradient", "relevance"):
                raise UserError(f"{option} needs --lens gradient or --lens relevance.")
        if self.lens is None:
            return None
        return LensOrder(self.lens, TargetChoice(self.target, self.foil).order())


def _output(text: str | None) -> int | str | None:
    number = _NUMBER.fullmatch(text or "")
    return int(number[1]) if number else text
