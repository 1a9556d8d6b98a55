"""The forms in which other programs hold attention, as layers of numpy arrays by name.

transformers: a tuple over layers of (1, heads, query, key), or the whole output of a model.
bertviz: the same tuples, called attention, encoder_attention, decoder_attention, cross_attention.
TransformerLens: (layers, heads, query, key), (heads, query, key), or a cache with hook_pattern.
PyTorch's tensors are known by what they can do, so that torch is never imported for them.
"""

import re
from collections.abc import Iterable
from typing import Any, TypeGuard

import numpy as np

from attntui.core.axes import Layers, numbers, one_layer, split
from attntui.core.errors import UserError
from attntui.core.tokens import sanitise, whole_text

OUTPUTS = {
    "attentions": "attention",
    "encoder_attentions": "encoder_attention",
    "decoder_attentions": "decoder_attention",
    "cross_attentions": "cross_attention",
}
"""What transformers calls them, and what we and bertviz do."""

_PATTERN = re.compile(
    r"(blocks|encoder|decoder)(?:_blocks)?\.(\d{1,4})\.(self_|cross_)?attn\.hook_pattern"
)
"""TransformerLens's names of a layer's attention after the softmax, by its two kinds of model."""
_TOWERS = {
    "blocks": "attention",
    "encoder": "encoder_attention",
    "decoder": "decoder_attention",
}

EMPTY = (
    "{name} holds no layer: transformers returns attention only from a model loaded with"
    ' attn_implementation="eager" and run with output_attentions=True.'
)


def by_name(attention: object) -> dict[str, object]:
    """Each stack's attention in a model's whole output or in a cache; of all else, itself.

    Raises:
        UserError: it holds things by name, but no attention.
    """
    if not _has_names(attention):
        return {"attention": attention}
    names = [str(name) for name in attention.keys()]
    found: dict[str, object] = {
        OUTPUTS[name]: attention[name]
        for name in names
        if name in OUTPUTS and attention[name] is not None
    }
    found = found or dict(_cached(attention, names))
    if not found:
        held = ", ".join(sanitise(name) for name in names[:5]) or "nothing"
        raise UserError(
            "attention must hold attentions, as transformers' outputs do with"
            " output_attentions=True, or blocks.0.attn.hook_pattern, as TransformerLens's caches"
            f" do; this holds {held}."
        )
    own = found.get("attention")  # a decoder may have cross attention beside its own
    return found if own is None else {"attention": own}


def _has_names(attention: object) -> TypeGuard[Any]:
    return hasattr(attention, "keys") and hasattr(attention, "__getitem__")


def _cached(cache: Any, names: Iterable[str]) -> dict[str, list[object]]:
    """A cache's patterns, each at its layer's number; None where a layer is not in it."""
    found: dict[str, list[object]] = {}
    for name in names:
        match = _PATTERN.fullmatch(name)
        if match:
            tower = "cross_attention" if match[3] == "cross_" else _TOWERS[match[1]]
            layers = found.setdefault(tower, [])
            layers += [None] * (int(match[2]) + 1 - len(layers))
            layers[int(match[2])] = cache[name]
    return found


def layers(attention: object, name: str) -> Layers:
    """Layers of (heads, query, key) float32; `name` is what the user calls the attention.

    Raises:
        UserError: it is in no form known here.
    """
    if not isinstance(attention, (list, tuple)):
        return split(_array(attention, name), name)
    held = [layer for layer in attention if layer is not None]
    if not held:
        raise UserError(EMPTY.format(name=name))
    if not isinstance(held[0], (list, tuple)):
        return [
            None if layer is None else one_layer(_array(layer, at), at)
            for at, layer in ((f"layer {at} of {name}", each) for at, each in enumerate(attention))
        ]
    if any(hasattr(each, "shape") for each in held[0]):
        raise UserError(
            f"{name} holds a list of layers for each step, as generate returns it: run the model"
            " once on the whole text, and give the attentions of that."
        )
    return split(_array(attention, name), name)


def _array(values: Any, name: str) -> np.ndarray:
    """Numbers as numpy's: it has no bfloat16, and takes no tensor that needs a gradient."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    return numbers(values, name)


def texts(tokens: object, name: str) -> list[str]:
    """A list of texts.

    Raises:
        UserError: it is one text, or holds something else.
    """
    if isinstance(tokens, str) or not isinstance(tokens, Iterable):
        raise UserError(_no_texts(name, tokens))
    held = list(tokens)
    for each in held:
        if not isinstance(each, str):
            raise UserError(_no_texts(name, each))
    return [whole_text(str(each)) for each in held]


def _no_texts(name: str, found: object) -> str:
    return (
        f"{name} must be a list of texts, one for each token, as tokenizer.convert_ids_to_tokens"
        f" gives them, and not {type(found).__name__}."
    )
