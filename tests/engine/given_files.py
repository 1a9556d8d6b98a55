"""Files of attention, and a session on one."""

from pathlib import Path

import numpy as np

from attntui.core.protocol import (
    Arrays,
    GetWindow,
    Loaded,
    ModelInfo,
    Open,
    PromptInput,
    RunInfo,
    Trace,
    Traced,
    View,
)
from attntui.engine.session import Session
from tests.engine.conftest import Quiet

RANDOM = np.random.default_rng(1)
TOKENS = ["[CLS]", "the", "cat", "the", "[SEP]"]


def weights(*shape: int, causal: bool = False) -> np.ndarray:
    found = RANDOM.random(shape) ** 4 * (np.tri(shape[-2], shape[-1]) if causal else 1)
    return (found / found.sum(-1, keepdims=True)).astype(np.float32)


A = weights(3, 2, 5, 5)


class Opened:
    """A session on a file, after its one run."""

    def __init__(self, path: Path) -> None:
        self.session = Session()
        loaded, _ = self.session.answer(Open(str(path)), Quiet())
        assert isinstance(loaded, Loaded)
        self.model: ModelInfo = loaded.model
        traced, _ = self.session.answer(Trace(1, PromptInput(text="not read")), Quiet())
        assert isinstance(traced, Traced)
        self.run: RunInfo = traced.info

    def matrix(self, view: View) -> np.ndarray:
        info = next(stack for stack in self.run.stacks if stack.name == view.stack)
        lengths = {side.name: len(side.tokens) for side in self.run.sides}
        shape = lengths[info.queries], lengths[info.keys]
        asked = GetWindow(1, view, (0, shape[0]), (0, shape[1]))
        reply, arrays = self.session.answer(asked, Quiet())
        assert isinstance(reply, Arrays)
        return arrays[0]
