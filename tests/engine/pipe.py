"""The real engine process, held by its pipe as a client holds it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from attntui.core.frames import PREFIX, decode_answer, decode_prefix, encode_call
from attntui.core.protocol import Answer, Hello, Progress, Reply, Request


class Pipe:
    """One engine process and the two ends that a client holds."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            (sys.executable, *(arguments or ("-m", "attntui.engine"))),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._last = 0
        self.progress: list[Progress] = []

    def send(self, request: Request) -> int:
        self._last += 1
        assert self.process.stdin is not None
        self.process.stdin.write(encode_call(self._last, request))
        self.process.stdin.flush()
        return self._last

    def read(self) -> tuple[Answer, list[np.ndarray]]:
        stream = self.process.stdout
        assert stream is not None
        header, body = decode_prefix(stream.read(PREFIX.size))
        return decode_answer(stream.read(header), stream.read(body))

    def reply_to(self, call: int) -> tuple[Reply, list[np.ndarray]]:
        """The one reply that ends a call; progress on the way is kept."""
        while True:
            answer, arrays = self.read()
            assert answer.id == call
            if not isinstance(answer.reply, Progress):
                return answer.reply, arrays
            self.progress.append(answer.reply)

    def ask(self, request: Request) -> tuple[Reply, list[np.ndarray]]:
        return self.reply_to(self.send(request))

    def await_stage(self, stage: str) -> None:
        while True:
            answer, _ = self.read()
            assert isinstance(answer.reply, Progress), answer.reply
            if answer.reply.stage == stage:
                return

    def close(self) -> str:
        """End it as a client does, and return what it wrote to its log."""
        assert self.process.stdin is not None and self.process.stderr is not None
        self.process.stdin.close()
        log = self.process.stderr.read().decode()
        self.process.wait(10)
        return log


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[Pipe]:
    """An engine that has greeted; `environment` is added to this process's own."""
    pipe = Pipe(*arguments, **environment)
    answer, _ = pipe.read()
    assert answer.id == 0
    assert isinstance(answer.reply, Hello)
    try:
        yield pipe
    finally:
        pipe.process.kill()
        pipe.process.wait()
