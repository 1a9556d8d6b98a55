"""Becoming an engine, or the torchrun that starts its ranks."""

import os
import sys
from typing import NoReturn

MODULE = (sys.executable, "-P", "-m")
"""-P: a file in the present folder must not stand in for a library's module."""


def become_engine(silence: float | None, ranks: int | None, parallel: str | None) -> NoReturn:
    """Go on as an engine in this process's place."""
    options = [] if silence is None else ["--silence", str(silence)]
    options += [] if parallel is None else ["--parallel", parallel]
    engine = [*MODULE, "attntui.engine", *options]
    if ranks is None:
        os.execv(sys.executable, engine)
    # torchrun would give each rank one thread.
    threads = max(1, (os.cpu_count() or 1) // ranks)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    run = [*MODULE, "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    # This process becomes torchrun: a rank that starts after it has ended must not live on.
    parent = ["--parent", str(os.getpid())]
    os.execv(sys.executable, [*run, "--no-python", *engine, *parent])
