"""`python -m attntui.engine [--silence SECONDS]`: requests on descriptor 0, answers on 1.

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

from attntui.engine.server import Server  # noqa: E402


def main() -> None:
    if os.isatty(_requests):
        sys.exit("This is attntui's engine and speaks to a program; run attntui instead.")
    silence = float(sys.argv[2]) if sys.argv[1:2] == ["--silence"] else None
    Server(_requests, _answers, silence).serve()


main()
