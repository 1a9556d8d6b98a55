"""How many tokens a model can read, and how it tells their places."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from attntui.core.protocol import Side

OTHER_SENSES = ("vision", "visual", "image", "audio", "video")
"""Towers of image-text models whose position embeddings are not for text."""
LENGTH_DEPENDENT = ("dynamic", "longrope")
"""Rotary embeddings that turn the keys of a longer text otherwise."""


@dataclass(frozen=True)
class Limit:
    """At most `count` tokens; None is no limit known.

    `hard` limits are learned or tabulated embeddings: beyond them a forward fails. Others are the
    longest the model was trained on (rotary embeddings), beyond which it runs, perhaps worse.
    """

    count: int | None
    hard: bool


def limit(model: PreTrainedModel, side: Side = "text") -> Limit:
    """The limit of one side of a model."""
    other = {"encoder": "decoder.", "decoder": "encoder."}.get(side)
    counts = [
        _rows(module)
        for name, module in model.named_modules()
        if _is_position_table(name, module) and (other is None or other not in name)
    ]
    if counts:
        return Limit(min(counts), hard=True)
    trained = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return Limit(trained if isinstance(trained, int) and trained > 0 else None, hard=False)


def _is_position_table(name: str, module: torch.nn.Module) -> bool:
    if not isinstance(module, torch.nn.Embedding) or any(sense in name for sense in OTHER_SENSES):
        return False
    last = name.rsplit(".", 1)[-1]
    return last == "wpe" or ("position" in last and "relative" not in last)


def _rows(module: torch.nn.Embedding) -> int:
    """Positions a table has: RoBERTa's start after its padding, OPT's and BART's at an offset."""
    offset = getattr(module, "offset", None)
    if offset is None:
        offset = 0 if module.padding_idx is None else module.padding_idx + 1
    return module.num_embeddings - int(offset)


def fixed_rotation(config: Any) -> bool:
    """Whether a key stays as it is, however long the text gets."""
    given = getattr(config.get_text_config(), "rope_parameters", None) or {}
    parts = [given, *(part for part in given.values() if isinstance(part, dict))]
    kinds = [str(part.get("rope_type", "")) for part in parts]
    return not any(kind in name for name in kinds for kind in LENGTH_DEPENDENT)
