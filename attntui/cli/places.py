"""Options that say where the engine runs."""

import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

from attntui.core.errors import UserError

if TYPE_CHECKING:
    from attntui.client.place import Place


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
        if self.ssh is None and self.engine_command is None:
            yield
            return
        from attntui.client.place import engines_at

        with self._way() as place, engines_at(place):
            yield

    def _way(self) -> "AbstractContextManager[Place]":
        if self.ssh is None:
            return nullcontext(self._behind())
        from attntui.client.ssh import connected

        return connected(self.ssh, self.ssh_program)

    def _behind(self) -> "Place":
        try:
            command = tuple(shlex.split(self.engine_command or ""))
        except ValueError as error:
            raise UserError(f"--engine-command cannot be read: {error}.") from None
        if not command:
            raise UserError("--engine-command is empty.")
        from attntui.client.place import behind

        return behind(command)
