"""Ranks at work: the first takes requests from the screen, all carry them out."""

import os
import platform
import sys
import traceback
from typing import Any, NoReturn

from attntui.core.errors import UserError
from attntui.core.protocol import Request
from attntui.core.tokens import sanitise
from attntui.engine import ranks
from attntui.engine.answers import Answer
from attntui.engine.model import Cancelled, Work
from attntui.engine.ranks import Group, Parallel
from attntui.engine.session import Session


class Together:
    """The work of one rank: what all do at once. On rank 0 a `Session` for the server."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._session = Session()

    def answer(self, request: Request, work: Work) -> Answer:
        """As `Session.answer`, by all ranks: this is rank 0, the others `follow`."""
        self._group.from_first(request)
        return self.carry_out(request, work)

    def follow(self) -> NoReturn:
        """Carry out what rank 0 is asked, for as long as it is there."""
        while True:
            try:
                request = self._group.from_first(None)
            except RuntimeError:  # it has ended
                os._exit(0)
            try:
                self.carry_out(request, _Quiet())
            except (UserError, Cancelled):
                self.recover()

    def carry_out(self, request: Request, work: Work) -> Answer:
        """
        Raises:
            UserError, Cancelled: as all ranks do.
        """
        try:
            answer = self._session.answer(request, _InStep(self._group, work))
        except (UserError, Cancelled):
            self._group.settle(done=False)
            raise
        self._group.settle(done=True)
        return answer

    def recover(self) -> None:
        """See `Session.recover`."""
        self._session.recover()


class _InStep:
    """Rank 0 decides for all whether to go on."""

    def __init__(self, group: Group, work: Work) -> None:
        self._group, self._work = group, work
        self.progress = work.progress

    def check_cancel(self) -> None:
        """See `Work`. Inside a pipeline's forward nobody is asked: the others wait there."""
        if self._group.apart:
            self._work.check_cancel()
        elif not self._group.inside and self._group.from_first(self._is_cancelled()):
            raise Cancelled

    def _is_cancelled(self) -> bool:
        try:
            self._work.check_cancel()
        except Cancelled:
            return True
        return False


class _Quiet:
    """Nobody hears of the work of the other ranks."""

    def check_cancel(self) -> None:
        """Rank 0 decides."""

    def progress(self, *told: Any, **more: Any) -> None:
        """Rank 0 tells."""


def lead(parallel: Parallel) -> Together:
    """Rank 0 meets the others."""
    return Together(ranks.join(parallel))


def follow(parallel: Parallel) -> NoReturn:
    """Another rank: work until rank 0 has ended; a fault ends this one, and torchrun the others."""
    try:
        Together(ranks.join(parallel)).follow()
    except BaseException as error:
        traceback.print_exc()
        reason = sanitise(f"{type(error).__name__}: {error}")
        name = f"rank {os.environ.get('RANK')} on {platform.node()}"
        print(f"attntui engine, {name}: {reason}", file=sys.stderr, flush=True)
        os._exit(1)
