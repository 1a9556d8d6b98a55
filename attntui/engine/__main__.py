"""`python -m attntui.engine`: requests on descriptor 0, answers on 1.

Under torchrun each rank is such a process, all with the same descriptors: rank 0 alone uses them.

The two descriptors are taken first, before any other import: whatever a library then prints goes
to descriptor 2, and whatever one reads finds nothing. `os.dup` gives close-on-exec descriptors.
"""

import os

_requests, _answers = os.dup(0), os.dup(1)
_null = os.open(os.devnull, os.O_RDONLY)
os.dup2(_null, 0)
os.close(_null)
os.dup2(2, 1)

import sys  # noqa: E402

# These are read when the libraries are imported.
os.environ.update(
    TOKENIZERS_PARALLELISM="false",  # a fork after its threads started would warn
    DISABLE_SAFETENSORS_CONVERSION="1",  # else a .bin is sent to a conversion bot
    HF_HUB_DISABLE_TELEMETRY="1",
)
if "OMP_WAIT_POLICY" not in os.environ:
    # Else torch's idle threads spin 300,000 times before they sleep, some 5 ms in which the screen,
    # on two cores, does not get one: another head takes 71 ms in place of 50. A forward takes as
    # long either way.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")

from argparse import ArgumentParser  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

from attntui.engine.server import Server, serve_rank  # noqa: E402

if TYPE_CHECKING:
    from attntui.engine.ranks import Parallel


def main() -> None:
    options = ArgumentParser()
    options.add_argument("--silence", type=float)
    options.add_argument("--parallel", choices=("tensor", "pipeline"))
    options.add_argument("--parent", type=int)
    given, _ = options.parse_known_args()
    size, rank = (int(os.environ.get(name, "0")) for name in ("WORLD_SIZE", "RANK"))
    parallel: Parallel | None = (given.parallel or "tensor") if size > 1 else None
    if parallel is not None and rank > 0:
        os.close(_requests)
        os.close(_answers)
        serve_rank(parallel, given.parent)
    if os.isatty(_requests):
        sys.exit("This is attntui's engine and speaks to a program; run attntui instead.")
    Server(_requests, _answers, given.silence, parallel, given.parent).serve()


main()
