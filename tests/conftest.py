"""One environment for all tests, whatever the developer's is. Textual reads it when imported."""

import os
import tempfile
from collections.abc import Iterator

import pytest

from tests.warm_engine import served

for name in [name for name in os.environ if name.startswith("TEXTUAL_")]:
    del os.environ[name]
for name in ("NO_COLOR", "COLORFGBG", "COLUMNS", "LINES"):
    os.environ.pop(name, None)
os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
os.environ["TEXTUAL_ANIMATIONS"] = "none"
# Nothing of the developer's own, and nothing left behind.
_home = tempfile.TemporaryDirectory(prefix="attntui-tests-")
os.environ["XDG_STATE_HOME"] = f"{_home.name}/state"
os.environ["XDG_CONFIG_HOME"] = f"{_home.name}/config"
os.environ["HF_HUB_OFFLINE"] = "1"
# Read when torch is imported: threads of several tests on few cores wait for each other, spinning.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


@pytest.fixture(scope="session")
def warm_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """A program to start in place of the engine, which is the engine with its imports done."""
    with served(tmp_path_factory.mktemp("warm")) as program:
        yield program
