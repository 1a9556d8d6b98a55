"""The engine, forked from a process that has imported PyTorch already.

Tests of the command line start an engine each; importing is most of what that takes. What runs is
`attntui/engine/__main__.py` itself, in a process of its own: only its imports came before.

`warm_engine.py serve SOCKET` forks; `warm_engine.py SOCKET` stands in for one engine: it hands its
three standard descriptors over, and ends with the engine's status.
"""

import array
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = str(Path(__file__).parents[1])


def argv(path: Path) -> tuple[str, ...]:
    """The program to start in place of the engine; -I -S: it needs nothing of what Python loads."""
    return sys.executable, "-I", "-S", __file__, str(path)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, ...]]:
    """The program that stands in for an engine, while what forks it runs."""
    path = folder / "engine"
    environment = os.environ | {"PYTHONPATH": HERE, "HF_HUB_OFFLINE": "1", "HOME": str(folder)}
    serving = subprocess.Popen([sys.executable, "-P", __file__, "serve", path], env=environment)
    try:
        while not path.exists():
            assert serving.poll() is None, "what forks engines could not start"
            time.sleep(0.02)
        yield argv(path)
    finally:
        serving.kill()
        serving.wait()


def serve(path: str) -> None:
    """Fork an engine for whoever asks, one process for each that watches over it."""
    import attntui.engine.session  # noqa: F401  # all that an engine imports later

    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path + ".new")
        door.listen()
        Path(path + ".new").rename(path)
        while True:
            caller, _ = door.accept()
            if os.fork() == 0:
                if os.fork() == 0:
                    door.close()
                    _watch(caller)
                os._exit(0)
            caller.close()
            os.wait()


def _watch(caller: socket.socket) -> None:
    data, descriptors, *_ = socket.recv_fds(caller, 2**18, 3)
    asked = json.loads(data)
    engine = os.fork()
    if engine == 0:
        caller.close()
        _become_engine(asked["environment"], asked["folder"], descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    _, status = os.waitpid(engine, 0)
    with suppress(BrokenPipeError):  # whoever asked may be gone before
        caller.send(bytes([os.waitstatus_to_exitcode(status) & 255]))
    os._exit(0)


def _become_engine(environment: dict[str, str], folder: str, descriptors: list[int]) -> None:
    import runpy

    import torch

    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    runpy.run_module("attntui.engine", run_name="__main__")


def ask(path: str) -> None:
    """Have an engine forked on these descriptors; they are its own from here on."""
    caller = socket.socket(socket.AF_UNIX)
    caller.connect(path)
    asked = json.dumps({"environment": dict(os.environ), "folder": str(Path.cwd())}).encode()
    caller.sendmsg([asked], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", (0, 1, 2)))])
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    status = caller.recv(1)
    os._exit(status[0] if status else 1)


if __name__ == "__main__":
    serve(sys.argv[2]) if sys.argv[1] == "serve" else ask(sys.argv[1])
