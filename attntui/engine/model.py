"""A loaded model and an encoded prompt: what loading gives to tracing."""

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from attntui.core.protocol import (
    ModelInfo,
    ModelOptions,
    PromptInput,
    SideInfo,
    Stack,
    StackInfo,
)
from attntui.core.tokens import sanitise

if TYPE_CHECKING:
    from attntui.engine.footprint import Footprint
    from attntui.engine.late_logits import Head
    from attntui.engine.patterns import Measured


class Cancelled(Exception):
    """The call was given up; raised by `check_cancel` inside running work."""


class Work(Protocol):
    """What slow work reports to, and asks whether to go on (`server.Job`)."""

    def check_cancel(self) -> None:
        """
        Raises:
            Cancelled: the call was given up.
        """

    def progress(
        self,
        stage: str,
        done: int = 0,
        total: int = 0,
        unit: str = "",
        rate: float = 0.0,
        note: str = "",
    ) -> None:
        """Tell how far the work is, see `Progress`."""


@dataclass
class LoadedModel:
    """A model ready to run: evaluated, without gradients, on its device."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    options: ModelOptions
    device: torch.device
    dtype: torch.dtype
    capture: Literal["interface", "eager"]
    predicts: Literal["next", "masked", "classes"] | None
    stacks: tuple[StackInfo, ...] = ()
    self_check: float | None = None
    notes: list[str] = field(default_factory=list)
    calibrated: "dict[Stack, Measured]" = field(default_factory=dict)
    """What `calibration` measured, once asked."""
    late_head: "Head | None" = None
    """What computes logits row by row, where that was tried and can be, see `late_logits`."""
    heads_tried: bool = False
    footprint: "Footprint | None" = None
    """What its runs take of memory, once the check prompt has run."""
    layer_devices: dict[int, torch.device] = field(default_factory=dict)
    """Where layers are that are not on `device`, by their numbers."""
    has_chunks: bool | None = None
    """Whether a long prompt may run in parts, see `chunks`; None: not tried yet."""
    projections: dict[int, nn.Module] | None = None
    """The output projection after each call of the attention function, once asked."""
    outputs: dict[str, int] | None = None
    """What the model can say, by its number, once asked."""
    info: ModelInfo | None = None
    """The model in the words the screen shows, once loaded."""

    def device_of(self, layer: int) -> torch.device:
        """Where a layer is computed."""
        return self.layer_devices.get(layer, self.device)


def title(loaded: LoadedModel) -> str:
    """A model's name, and its adapter's, made safe."""
    named = (loaded.options.model, loaded.options.adapter)
    return " + ".join(sanitise(name) for name in named if name)


def vocabulary(model: PreTrainedModel) -> int:
    """How many tokens a model knows."""
    weight = getattr(model.get_input_embeddings(), "weight", None)
    # Only the first stage of a pipeline has the embedding.
    return int(model.config.get_text_config().vocab_size if weight is None else weight.shape[0])


def has_decoder(model: PreTrainedModel) -> bool:
    """Whether a model reads two texts, one in its encoder and one in its decoder.

    The config cannot tell: that of UMT5's encoder alone says encoder-decoder.
    """
    return "decoder_input_ids" in inspect.signature(model.forward).parameters


@dataclass
class Encoded:
    """A prompt as the keyword arguments of `model(**inputs)`: batch 1, no padding."""

    inputs: dict[str, torch.Tensor]
    sides: tuple[SideInfo, ...]
    truncated: int = 0
    notes: tuple[str, ...] = ()
    prompt: PromptInput | None = None
    """What it was made from; None where it was made from tokens."""
