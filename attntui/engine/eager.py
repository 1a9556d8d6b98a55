"""Attention from the model itself, for families outside the interface: `output_attentions`.

The weights are the model's own, in its dtype, and all layers are in memory at once. Also the other
half of the self-check at load, which compares the two ways.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from attntui.core.errors import UserError
from attntui.core.protocol import Stack
from attntui.engine import ranks
from attntui.engine.capture import NAME
from attntui.engine.families import family
from attntui.engine.model import has_decoder

FIELDS: dict[Stack, str] = {
    "self": "attentions",
    "encoder": "encoder_attentions",
    "decoder": "decoder_attentions",
    "cross": "cross_attentions",
}

ROW_SUM_TOLERANCE = 0.05
"""bfloat16 rows are off by 3e-3; squeezebert returns scores before the softmax, off by 100."""


@contextmanager
def eager(model: PreTrainedModel) -> Iterator[bool]:
    """Run a model eagerly inside, and as before after. Gives whether it does run eagerly."""
    before = model.config._attn_implementation
    if before == NAME:
        model.set_attn_implementation("eager")
    try:
        yield model.config._attn_implementation == "eager"
    finally:
        if before == NAME:
            model.set_attn_implementation(NAME)


def outputs(model: PreTrainedModel, arguments: dict[str, Any]) -> Any:
    """What an eager model gives with `output_attentions`.

    A stage of a pipeline takes no such argument and hands on nothing but logits: its config is
    asked, and its body answers.
    """
    if not ranks.in_stages():
        return model(**arguments, output_attentions=True)
    found: list[Any] = []
    handle = model.base_model.register_forward_hook(lambda *given: found.append(given[-1]))
    model.config.output_attentions = True
    try:
        model(**arguments)
    finally:
        model.config.output_attentions = False
        handle.remove()
    return found[-1]


def weights(model: PreTrainedModel, outputs: Any) -> dict[Stack, list[Tensor | None]]:
    """Each stack's layers (1, heads, queries, keys) from a forward with `output_attentions`.

    Raises:
        UserError: the model returned none, or fewer than it has layers, or not whole matrices.
    """
    names: tuple[Stack, ...] = ("encoder", "decoder", "cross") if has_decoder(model) else ("self",)
    found: dict[Stack, list[Tensor | None]] = {}
    for name in names:
        layers = getattr(outputs, FIELDS[name], None) or ()
        if any(isinstance(layer, Tensor) for layer in layers):
            found[name] = list(layers)
    if not found:
        raise UserError(f"{family(type(model))}: this model returns no attention weights.")
    return found


def check_shapes(
    model: PreTrainedModel,
    found: dict[Stack, list[Tensor | None]],
    sizes: dict[Stack, tuple[int, int]],
) -> None:
    """Check that a family taken from `output_attentions` gave every layer, whole.

    Args:
        model: the model that ran.
        found: its weights.
        sizes: queries and keys of each stack.

    Raises:
        UserError: a layer is missing or is no queries x keys matrix.
    """
    name = family(type(model))
    for stack, layers in found.items():
        expected = _layer_count(model, stack)
        if expected is not None and len(layers) != expected:
            raise UserError(
                f"{name}: the model returned {len(layers)} attention layers of its {expected};"
                " it cannot be shown."
            )
        for layer in layers:
            if layer is None:
                continue
            if layer.ndim != 4 or layer.shape[-2:] != sizes[stack]:
                raise UserError(f"{name}: its attention is no matrix of tokens; not supported.")
            if bool((layer[:, :, 0].float().sum(-1) - 1).abs().max() > ROW_SUM_TOLERANCE):
                raise UserError(f"{name}: what it returns as attention are no weights.")


def _layer_count(model: PreTrainedModel, stack: Stack) -> int | None:
    """How many attention layers the config promises, None where it does not say."""
    config = model.config.get_text_config() if stack == "self" else model.config
    names = {
        "self": ("num_hidden_layers",),
        "encoder": ("encoder_layers", "num_layers", "num_hidden_layers"),
    }.get(stack, ("decoder_layers", "num_decoder_layers", "num_hidden_layers"))
    counts = (getattr(config, name, None) for name in names)
    return next((count for count in counts if isinstance(count, int)), None)
