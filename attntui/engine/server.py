"""The engine's loop: one request at a time, each answered exactly once, cancel at any time.

The main thread works. A reader thread takes requests from the pipe, carries out `Cancel`, and ends
the process when the input closes: a lost terminal never leaves a model on a GPU. Nothing here
imports torch, so `Hello` is out before that begins.
"""

import faulthandler
import gc
import os
import platform
import select
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from attntui import __version__
from attntui.core.costs import QUICK
from attntui.core.frames import FrameError, encode_answer, read_call
from attntui.core.protocol import (
    PROTOCOL_VERSION,
    Call,
    Cancel,
    Failed,
    Hello,
    Load,
    Ping,
    Progress,
    Reply,
)
from attntui.core.tokens import sanitise

if TYPE_CHECKING:
    from attntui.engine.ranks import Parallel
    from attntui.engine.session import Session
    from attntui.engine.together import Together

PROGRESS_INTERVAL = 0.1
"""Seconds between two progress replies of one stage."""
PARENT_INTERVAL = 1.0
FAR_LESS = 8
"""A call that takes so many times less than the one at work need not wait for it."""


class Writer:
    """Frames onto a descriptor, one whole frame at a time, from any thread.

    `alone`: the exit status where nobody reads any more, see `Server`.
    """

    def __init__(self, descriptor: int, alone: int = 0) -> None:
        self._descriptor, self._alone = descriptor, alone
        self._lock = threading.Lock()

    def send(self, call: int, reply: Reply, *arrays: np.ndarray) -> None:
        """Write one frame. Where nobody reads any more, the process ends."""
        with self._lock:
            try:
                for piece in encode_answer(call, reply, *arrays):
                    rest = memoryview(piece)
                    while rest:
                        rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                os._exit(self._alone)


class Job:
    """A call being answered: running work reports to it and asks it whether to go on."""

    def __init__(
        self, call: Call, writer: Writer, give_way: Callable[["Job"], None] | None = None
    ) -> None:
        self.call = call
        self.cancelled = False
        self._writer, self._give_way = writer, give_way
        self._stage = ""
        self._sent = 0.0

    def check_cancel(self) -> None:
        """Where calls that take far less wait, they are answered here first.

        Raises:
            Cancelled: the call was given up.
        """
        if self._give_way is not None:
            self._give_way(self)
        if self.cancelled:
            from attntui.engine.model import Cancelled

            raise Cancelled

    def progress(
        self,
        stage: str,
        done: int = 0,
        total: int = 0,
        unit: str = "",
        rate: float = 0.0,
        note: str = "",
    ) -> None:
        """Tell how far the work is: at once for a new stage or its end, else now and then."""
        now = time.monotonic()
        finished = 0 < total <= done
        if stage == self._stage and not finished and now - self._sent < PROGRESS_INTERVAL:
            return
        self._stage, self._sent = stage, now
        self._writer.send(self.call.id, Progress(stage, done, total, unit, rate, note))


class Server:
    """Serves one client over two descriptors.

    Args:
        silence: seconds without a word from the client after which it must be gone, see `Ping`.
        parallel: how a model is split over this process and others, where torchrun started it.
        parent: the process that it ends with; None: the one that it is a child of now.
    """

    def __init__(
        self,
        requests: int,
        answers: int,
        silence: float | None = None,
        parallel: "Parallel | None" = None,
        parent: int | None = None,
    ) -> None:
        self._requests = open(requests, "rb", buffering=0)
        self._silence, self._parallel, self._parent = silence, parallel, parent
        # Of a group this is the end of one rank, at which torchrun ends the others.
        self._alone = 0 if parallel is None else 1
        self._writer = Writer(answers, self._alone)
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        """Each, but the first, in the middle of the one before."""
        self._session: Session | None = None
        """Of a process alone; ranks answer one call after the other."""
        self._changed = threading.Condition()
        self._ready = False

    def serve(self) -> NoReturn:
        """Greet, import torch, then answer calls until the input closes."""
        faulthandler.enable()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c is for the screen
        # Read before the greeting: whoever waits only for that may be gone right after it.
        parent = os.getppid() if self._parent is None else self._parent
        hello = Hello(PROTOCOL_VERSION, __version__, os.getpid(), platform.node())
        self._writer.send(0, hello)
        if self._parallel is not None:
            _when_told_to_end(self._say_who_is_gone)
        for work, about in ((self._read, ()), (_leave_with, (parent,))):
            threading.Thread(target=work, args=about, name=work.__name__, daemon=True).start()
        session = self._start_session()
        while True:
            self._answer(session, self._next())

    def _start_session(self) -> "Session | Together":
        work = "import PyTorch and transformers"
        try:
            from attntui.engine.redaction import redact_errors

            redact_errors()
            from attntui.engine.session import Session

            if self._parallel is not None:
                from attntui.engine.together import lead

                work = "meet its other ranks"
                together = lead(self._parallel)
        except Exception as error:
            traceback.print_exc()
            self._end(self._next(), f"The engine could not {work}: {reason(error)}")
        # What is imported is never garbage: to look through it makes each collection, and with it
        # the first picture of each run, 170 ms later (5 without, torch 2.13).
        gc.freeze()
        self._ready = True
        if self._parallel is not None:
            return together
        self._session = Session()
        return self._session

    def _next(self) -> Job:
        with self._changed:
            while not self._waiting:
                self._changed.wait()
            job = self._waiting.popleft()
            self._running.append(job)
            return job

    def _give_way(self, job: Job) -> None:
        """Answer what waits and takes far less than this job, in the middle of it.

        So the row at the cursor does not wait for the statistics of 32,768 tokens. Both only read;
        whatever runs the model is neither stopped for others nor let in. Quick work is not stopped
        either: the window in sight was asked for first, and is waited for first.
        """
        session = self._session
        while session and self._waiting and (other := self._lighter(session, job)) is not None:
            self._answer(session, other)

    def _lighter(self, session: "Session", job: Job) -> Job | None:
        weights = session.weights(job.call.request)
        if weights is None or weights <= QUICK:
            return None
        with self._changed:
            for other in self._waiting:
                its = session.weights(other.call.request)
                if its is not None and its * FAR_LESS <= weights:
                    self._waiting.remove(other)
                    self._running.append(other)
                    return other
        return None

    def _answer(self, session: "Session | Together", job: Job) -> None:
        from attntui.engine.failures import failed

        recover = False
        try:
            job.check_cancel()
            reply, arrays = session.answer(job.call.request, job)
        except BaseException as error:
            (reply, recover), arrays = failed(error, job.call.request), []
        if recover:
            # Not above: there the traceback's frames still hold the tensors.
            session.recover()
        with self._changed:
            self._running = [each for each in self._running if each is not job]
        if isinstance(reply, Failed) and reply.kind == "fatal":
            self._end(job, reply.message)
        self._writer.send(job.call.id, reply, *arrays)

    def _end(self, job: Job, message: str) -> NoReturn:
        self._writer.send(job.call.id, Failed("fatal", message))
        sys.stderr.flush()
        os._exit(1)

    def _say_who_is_gone(self) -> NoReturn:
        """torchrun ends all ranks when one of them has ended."""
        from attntui.engine.ranks import farewell

        self._writer.send(0, Failed("fatal", farewell()))
        os._exit(1)

    # The reader thread.

    def _read(self) -> None:
        status = 1
        try:
            while self._hears() and (call := read_call(self._requests)) is not None:
                self._take(call)
            status = self._alone
        except FrameError as error:
            print(f"attntui engine: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)

    def _hears(self) -> bool:
        """Wait for the client's next word; False where it has been silent for too long."""
        return bool(select.select([self._requests], [], [], self._silence)[0])

    def _take(self, call: Call) -> None:
        if isinstance(call.request, Ping):
            return
        if isinstance(call.request, Cancel):
            self._cancel(call.request.call)
            return
        if isinstance(call.request, Load) and not self._ready:
            self._writer.send(call.id, Progress("starting PyTorch"))
        with self._changed:
            self._waiting.append(Job(call, self._writer, self._give_way))
            self._changed.notify()

    def _cancel(self, number: int) -> None:
        with self._changed:
            for running in self._running:
                if running.call.id == number:
                    running.cancelled = True
                    return
            job = next((job for job in self._waiting if job.call.id == number), None)
            if job is None:
                return
            self._waiting.remove(job)
        self._writer.send(number, Failed("cancelled", "Cancelled."))


def serve_rank(parallel: "Parallel", parent: int | None = None) -> NoReturn:
    """Another rank than the first: it hears of requests from that one alone."""
    parent = os.getppid() if parent is None else parent
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    from attntui.engine.together import follow

    follow(parallel)


def reason(error: Exception) -> str:
    """Why an engine could not begin, and what to do where that is known."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    # What the loader says of a library that has no room ends with one of these.
    has_no_room = "annot allocate memory" in said or (
        "failed to map" in said and "permitted" not in said  # on a disk without execution
    )
    if isinstance(error, MemoryError) or has_no_room:
        return "there is too little memory for that; free some, or raise its limit (ulimit -v)."
    return sanitise(said)


def _when_told_to_end(then: Callable[[], object]) -> None:
    """On SIGTERM, from a thread: the main one may be waiting for a rank that is no more."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.signal(signal.SIGTERM, _nothing)  # else the process would just end
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)

    def wait() -> None:
        while os.read(told, 1) != bytes([signal.SIGTERM]):
            pass
        then()

    threading.Thread(target=wait, daemon=True).start()


def _nothing(number: int, frame: FrameType | None) -> None:
    """What is to be done is done elsewhere."""


def _leave_with(parent: int) -> None:
    """End the process once whoever started it is gone, should the pipe outlive them."""
    while os.getppid() == parent:
        time.sleep(PARENT_INTERVAL)
    os._exit(0)
