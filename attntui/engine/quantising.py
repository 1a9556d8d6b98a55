"""Weights packed into fewer bits as they are read, by bitsandbytes."""

from importlib.util import find_spec
from typing import Any

import torch
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedConfig

from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions
from attntui.core.tokens import sanitise

QUANTIZE = "'attntui[quantize]', in a clone pip install '.[quantize]'"
BITS = {"8bit": 8, "4bit": 4}
SCALES = 1.1
"""A scale for each block of weights, and the layers' norms, which stay as they are."""


def check(options: ModelOptions) -> None:
    """
    Raises:
        UserError: a package is not here, or an adapter is to be merged into packed weights.
    """
    if options.quantize is None:
        return
    if options.adapter is not None:
        raise UserError("An adapter cannot be merged into packed weights: leave out --quantize.")
    if find_spec("bitsandbytes") is None or find_spec("accelerate") is None:
        raise UserError(f"--quantize needs packages that are not here: pip install {QUANTIZE}")


def check_config(options: ModelOptions, config: PreTrainedConfig) -> None:
    """
    Raises:
        UserError: the checkpoint is packed already.
    """
    if options.quantize is not None and getattr(config, "quantization_config", None) is not None:
        name = sanitise(options.model)
        raise UserError(f"{name} is quantised already: leave out --quantize.")


def arguments(options: ModelOptions, dtype: torch.dtype) -> dict[str, Any]:
    """What `from_pretrained` is told; products are computed in `dtype`."""
    if options.quantize is None:
        return {}
    if options.quantize == "8bit":
        return {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)}
    four = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
    )
    return {"quantization_config": four}


def packed_bytes(quantize: str, numbers: int, dtype: torch.dtype, config: PreTrainedConfig) -> int:
    """What weights take once packed; embeddings and the output head are not."""
    text = config.get_text_config()
    wide = 2 * getattr(text, "vocab_size", 0) * getattr(text, "hidden_size", 0)
    wide = min(wide, numbers)
    return int(SCALES * (numbers - wide) * BITS[quantize] / 8) + wide * dtype.itemsize


def check_gradients(model: nn.Module) -> None:
    """
    Raises:
        UserError: they would be wrong without a word: in evaluation on a CPU, bitsandbytes 0.50
            packs 4 bits for a kernel of which nothing passes back.
    """
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            if module.get_parameter("weight").device.type == "cpu":
                raise UserError(
                    "Gradients through weights in 4 bits are wrong on a CPU (bitsandbytes): load"
                    " the model with --quantize 8bit, or whole."
                )


def note(options: ModelOptions) -> str:
    """What should be known of it."""
    if options.quantize is None:
        return ""
    how = "8 bits (LLM.int8)" if options.quantize == "8bit" else "4 bits (nf4)"
    return f"The weights are packed into {how}: what is shown is of those, not of the whole ones."
