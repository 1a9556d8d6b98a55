"""The peers, each in a virtual environment of its own, with this project's versions underneath.

torch, transformers and numpy are those of constraints.txt wherever a peer allows it, so that ways
and not versions are compared.
"""

import hashlib
import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
FOLDER = user_cache_path("attntui-bench", appauthor=False)
LIBRARIES = ("torch", "transformers")
"""What every peer computes with. The other pins are left out: a peer's own libraries may exclude
one of them, and pip tries every older release before it says so (botocore and python-dateutil 4:
over fifteen minutes)."""
VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


@dataclass(frozen=True)
class Peer:
    """A tool that users would otherwise pick: its name in prose, and what is installed for it."""

    name: str
    packages: tuple[str, ...]


PEERS = {
    "eager": Peer("transformers eager + matplotlib", ("matplotlib",)),
    "bertviz": Peer("bertviz", ("bertviz==1.4.1",)),
    "transformer_lens": Peer("TransformerLens", ("transformer-lens==4.3.0", "matplotlib")),
    "circuitsvis": Peer("CircuitsVis", ("circuitsvis==1.43.3",)),
    "inspectus": Peer("Inspectus", ("inspectus==0.2.0", "ipython")),
}


class CannotInstall(Exception):
    """A peer's packages do not install here."""


def python(way: str, folder: Path) -> str:
    """The interpreter of a peer's environment, made if it is not there.

    Raises:
        CannotInstall: says what pip said last.
    """
    packages = [*LIBRARIES, *PEERS[way].packages]
    told = json.dumps([packages, _pins(*LIBRARIES, "numpy"), sys.version])
    place = folder / f"{way}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"
    interpreter, done = place / "bin" / "python", place / "installed"
    if done.exists():
        return str(interpreter)
    try:
        venv.create(place, with_pip=True, clear=True, upgrade_deps=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotInstall(str(error)) from None
    constraints = place / "constraints.txt"
    for names in ((*LIBRARIES, "numpy"), ("torch",)):  # a peer may need other versions
        constraints.write_text("\n".join(_pins(*names)))
        command = [str(interpreter), "-m", "pip", "install", "-q", "-c", str(constraints)]
        pip = subprocess.run([*command, *packages], capture_output=True, text=True)
        if pip.returncode == 0:
            done.touch()
            return str(interpreter)
    raise CannotInstall((pip.stderr.strip().splitlines() or ["pip failed"])[-1])


def _pins(*names: str) -> list[str]:
    """The lines of constraints.txt about these packages."""
    lines = CONSTRAINTS.read_text().splitlines()
    return [line for line in lines if line.partition("==")[0] in names]


def version(way: str, interpreter: str) -> str:
    """A peer's version; and that of torch or transformers where it is not the project's."""
    own = PEERS[way].packages[0].partition("==")[0]
    command = [interpreter, "-P", "-c", VERSIONS, own, *LIBRARIES]
    found = json.loads(subprocess.check_output(command, text=True))
    others = [
        f"{name} {found[name]}"
        for name in LIBRARIES
        if f"{name}=={found[name].partition('+')[0]}" not in CONSTRAINTS.read_text().splitlines()
    ]
    return f"{found[own]} ({', '.join(others)})" if others else str(found[own])
