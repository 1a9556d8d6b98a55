"""The engine as the screen and the commands see it: ask, and await the answer."""

from __future__ import annotations

import asyncio
import itertools
import os
import sysconfig
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

import attntui
from attntui.client.errors import EngineFault, EngineGone, Superseded
from attntui.client.place import ENGINE, Place, chosen
from attntui.client.process import LOG_LINES, ChildProcess, spawn
from attntui.client.slots import Slot
from attntui.core.errors import NoRoom, TryAgain, UserError
from attntui.core.frames import (
    MAX_HEADER,
    PREFIX,
    FrameError,
    decode_answer,
    decode_prefix,
    encode_call,
)
from attntui.core.protocol import (
    PROTOCOL_VERSION,
    Answer,
    Cancel,
    Failed,
    Hello,
    Ping,
    Progress,
    Reply,
    Request,
)
from attntui.core.tokens import sanitise

__all__ = ["Engine", "EngineFault", "EngineGone", "Response", "Superseded"]

HELLO_CALL = 0
STOPPED = "The engine was stopped."
USERS: dict[str, type[UserError]] = {"user": UserError, "again": TryAgain, "room": NoRoom}
"""What a reply of a kind is raised as, of those that the user can mend."""

if TYPE_CHECKING:
    import numpy as np

Response: TypeAlias = "tuple[Reply, list[np.ndarray]]"


def _where_we_are() -> dict[str, str]:
    """The variable that lets the child find this very package, where it is not installed."""
    home = str(Path(attntui.__file__).parent.parent)
    if home in sysconfig.get_paths().values():
        return {}
    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{inherited}{os.pathsep}{home}" if inherited else home}


class _Waiting(NamedTuple):
    answer: asyncio.Future[Response]
    progress: Callable[[Progress], None] | None


class Engine:
    """A child process that holds the model; asked over pipes, from one event loop.

    Args:
        place: where it runs, or the program that speaks `core.protocol`; by default this Python's
            own engine, here, or where `engines_at` says.
        env: variables laid over this process's environment.

    It may be started again after it has ended. `async with Engine() as engine` starts and stops it.
    """

    def __init__(
        self, place: Place | Sequence[str] | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        if place is None:
            place = chosen() or ENGINE
        self.place = place if isinstance(place, Place) else Place(tuple(place))
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        """Raw lines of the engine's standard error: sanitise before showing."""
        self.on_exit: Callable[[EngineGone], None] | None = None
        """Called in the event loop when the engine ends unasked."""
        self._env = {**_where_we_are(), **(env or {})}
        self._child: ChildProcess | None = None
        self._listening: asyncio.Task[None] | None = None
        self._living: asyncio.Task[None] | None = None
        self._numbers = itertools.count(HELLO_CALL + 1)
        self._waiting: dict[int, _Waiting] = {}
        self._slots: dict[str, Slot] = {}
        self._farewell: str | None = None
        """Why the engine is going: set when it said so itself, or when it was stopped."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def alive(self) -> bool:
        """Whether the engine is there to be asked."""
        return self._child is not None and self._child.alive and self._farewell is None

    async def start(self) -> None:
        """Start the engine and wait for its first words; does nothing where it is running.

        Raises:
            EngineGone: it could not be started, ended at once, or said nothing.
            UserError: it speaks another version of the protocol.
        """
        if self.alive:
            return
        await self.stop()
        self._farewell = None
        self._child = await spawn(self.place.argv, self._env, self.log, self.place.describe)
        hello = self._expect(HELLO_CALL, None)
        self._listening = asyncio.create_task(self._listen(self._child))
        try:
            async with asyncio.timeout(self.place.hello_seconds):
                reply, _ = await hello
            _check_hello(reply)
            if self.place.heartbeat is not None:
                self._living = asyncio.create_task(self._live(self._child, self.place.heartbeat))
        except TimeoutError:
            await self.stop()
            waited = self.place.hello_seconds
            raise EngineGone(f"The engine said nothing for {waited:.0f} seconds.") from None
        except BaseException:
            await self.stop()
            raise
        finally:
            self._waiting.pop(HELLO_CALL, None)

    async def stop(self) -> None:
        """Close the engine's input, wait briefly, then kill it. May be called at any time."""
        child, listening = self._child, self._listening
        if child is None:
            return
        self._farewell = STOPPED
        if self._living is not None:
            self._living.cancel()
        self._fail_all(EngineGone(STOPPED))
        await child.end()
        if listening is not None:
            await asyncio.wait([listening])
        if self._child is child:
            self._child = self._listening = None

    async def ask(
        self, request: Request, progress: Callable[[Progress], None] | None = None
    ) -> Response:
        """The answer to `request` and its arrays (read-only). Cancelling gives the call up.

        Raises:
            UserError: the user can mend it.
            EngineFault: a fault in the engine, which lives on.
            EngineGone: the engine ended, or is not running.
        """
        if self._child is None or not self.alive:
            raise EngineGone(self._farewell or "The engine is not running.")
        number = next(self._numbers)
        frame = _frame(number, request)
        answer = self._expect(number, progress)
        self._child.write(frame)
        try:
            reply, arrays = await answer
        except asyncio.CancelledError:
            self._child.write(encode_call(next(self._numbers), Cancel(number)))
            raise
        finally:
            self._waiting.pop(number, None)
        if isinstance(reply, Failed):
            raise _error(reply)
        return reply, arrays

    def tell(self, request: Request) -> None:
        """Send what needs no answer; it is carried out before whatever is asked after it."""
        if self._child is not None and self.alive:
            self._child.write(_frame(next(self._numbers), request))

    async def latest(
        self, slot: str, request: Request, progress: Callable[[Progress], None] | None = None
    ) -> Response:
        """As `ask`, newest wins: each slot has one call in flight and at most one waiting.

        Raises:
            Superseded: a newer call in this slot came before this one was sent.
        """
        async with self._slots.setdefault(slot, Slot()).turn():
            return await self.ask(request, progress)

    def _expect(
        self, number: int, progress: Callable[[Progress], None] | None
    ) -> asyncio.Future[Response]:
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._waiting[number] = _Waiting(answer, progress)
        return answer

    async def _live(self, child: ChildProcess, seconds: float) -> None:
        """Tell the engine now and then that somebody is there; see `Ping`."""
        while child.alive:
            child.write(encode_call(next(self._numbers), Ping()))
            await asyncio.sleep(seconds)

    async def _listen(self, child: ChildProcess) -> None:
        """Hand out answers until the engine ends; then tell everybody who still waits."""
        try:
            while self._farewell is None:
                self._hand_out(*await _read_answer(child.output))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except FrameError as error:
            self._farewell = self._farewell or f"The engine was ended: {sanitise(str(error))}."
            child.kill()
        last = await child.last_words()
        asked = self._farewell == STOPPED
        busy = any(not each.answer.done() for each in self._waiting.values())
        gone = EngineGone(self._farewell or str(last), last.of_memory, busy)
        self._farewell = str(gone)
        hello = self._waiting.get(HELLO_CALL)
        starting = hello is not None and not hello.answer.done()  # Then `start` raises it.
        self._fail_all(gone)
        if self.on_exit is not None and not asked and not starting:
            self.on_exit(gone)

    def _hand_out(self, answer: Answer, arrays: list[np.ndarray]) -> None:
        """Give an answer to the call that waits for it; a call that was given up has none."""
        waiting = self._waiting.get(answer.id)
        if isinstance(answer.reply, Failed) and answer.reply.kind == "fatal":
            self._farewell = self._farewell or sanitise(answer.reply.message)
        if waiting is None or waiting.answer.done():
            return
        if not isinstance(answer.reply, Progress):
            waiting.answer.set_result((answer.reply, arrays))
        elif waiting.progress is not None:
            # Later, so that a fault in the callback cannot end the listening.
            asyncio.get_running_loop().call_soon(waiting.progress, answer.reply)

    def _fail_all(self, gone: EngineGone) -> None:
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(gone)
                waiting.answer.exception()  # Somebody may have stopped waiting for it.


def _frame(number: int, request: Request) -> bytes:
    try:
        frame = encode_call(number, request)
    except UnicodeEncodeError as error:
        raise UserError("The text holds half a character, which is no valid UTF-8.") from error
    if len(frame) > MAX_HEADER:
        raise UserError(f"The prompt is too long to send: at most {MAX_HEADER >> 20} MiB.")
    return frame


async def _read_answer(stream: asyncio.StreamReader) -> tuple[Answer, list[np.ndarray]]:
    header_length, body_length = decode_prefix(await stream.readexactly(PREFIX.size))
    header = await stream.readexactly(header_length)
    body = await stream.readexactly(body_length) if body_length else b""
    return decode_answer(header, body)


def _check_hello(reply: Reply) -> None:
    if not isinstance(reply, Hello):
        raise EngineGone("The engine did not say hello.")
    if reply.protocol != PROTOCOL_VERSION:
        raise UserError(
            f"The engine speaks protocol {reply.protocol}, this program {PROTOCOL_VERSION}:"
            " install the same version of attntui on both sides."
        )


def _error(failed: Failed) -> Exception:
    message = sanitise(failed.message)
    if failed.kind in USERS:
        return USERS[failed.kind](message)
    return EngineGone(message) if failed.kind == "fatal" else EngineFault(message)
