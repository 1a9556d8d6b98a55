"""Options that say where the engine runs."""

import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from attntui.core.errors import UserError

if TYPE_CHECKING:
    from attntui.client.place import Place


Ranks = Annotated[
    int | None,
    Option(
        min=2,
        metavar="N",
        help="Split the model over so many processes, each with a GPU where there are any, by"
        " torchrun.",
        show_default=False,
    ),
]
Parallel = Annotated[
    Literal["tensor", "pipeline"] | None,
    Option(
        help="How --ranks split it: each layer's heads (tensor), or whole layers.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class PlaceChoice:
    """Where the engine runs; without any of these, here."""

    ssh: Annotated[
        str | None,
        Option(
            metavar="HOST",
            help="Run the model on another machine, over ssh; attntui must be installed there.",
        ),
    ] = None
    ssh_program: Annotated[
        str | None,
        Option(
            metavar="PATH",
            help="Where attntui is on that machine, such as ~/venv/bin/attntui; a login shell there"
            " finds it otherwise.",
        ),
    ] = None
    engine_command: Annotated[
        str | None,
        Option(
            metavar="COMMAND",
            help="Start the engine by a command of yours, in a container or a Slurm job: its last"
            ' words are "attntui engine".',
        ),
    ] = None

    ranks: Ranks = None
    parallel: Parallel = None

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep the way there open for as long as the block, in which engines run there.

        Raises:
            UserError: there is no way there, or there are two.
        """
        if self.ssh is None and self.ssh_program is not None:
            raise UserError("--ssh-program needs --ssh HOST.")
        if self.ssh is not None and self.engine_command is not None:
            raise UserError("--ssh and --engine-command are two ways to one engine: give one.")
        if self.ranks is None and self.parallel is not None:
            raise UserError("--parallel says how the model is split: it needs --ranks N.")
        if self.ranks is not None and self.engine_command is not None:
            raise UserError(
                "--engine-command starts ranks by a torchrun of its own: leave out --ranks."
            )
        if self.ssh is None and self.engine_command is None and self.ranks is None:
            yield
            return
        from attntui.client.place import engines_at

        with self._way() as place, engines_at(place):
            yield

    def _way(self) -> "AbstractContextManager[Place]":
        if self.ssh is not None:
            from attntui.client.ssh import connected

            return connected(self.ssh, self.ssh_program, self._split())
        return nullcontext(self._behind() if self.ranks is None else self._here())

    def _split(self) -> tuple[str, ...]:
        """The options of `attntui engine`."""
        ranks = () if self.ranks is None else ("--ranks", str(self.ranks))
        return (*ranks, *(() if self.parallel is None else ("--parallel", self.parallel)))

    def _here(self) -> "Place":
        from attntui.client.place import split

        assert self.ranks is not None
        return split(self.ranks, self._split())

    def _behind(self) -> "Place":
        try:
            command = tuple(shlex.split(self.engine_command or ""))
        except ValueError as error:
            raise UserError(f"--engine-command cannot be read: {error}.") from None
        if not command:
            raise UserError("--engine-command is empty.")
        from attntui.client.place import behind

        return behind(command)
