"""Newest wins: holding a key down must not queue work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attntui.client.errors import Superseded


class Slot:
    """Room for one call in flight and one waiting; a newer one takes the waiting one's place."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: asyncio.Future[None] | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold the slot, after whoever holds it now.

        Raises:
            Superseded: a newer call came while this one waited.
        """
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    async def _enter(self) -> None:
        if not self._busy:
            self._busy = True
            return
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Superseded())
        turn = self._waiting = asyncio.get_running_loop().create_future()
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled just after the turn was handed over: somebody else must get it.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._leave()
            raise

    def _leave(self) -> None:
        turn, self._waiting = self._waiting, None
        if turn is not None and not turn.done():
            turn.set_result(None)
        else:
            self._busy = False
