"""How a model is split over ranks by transformers, and which ones cannot be."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.distributed import DistributedConfig

from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions
from attntui.core.tokens import sanitise
from attntui.engine import families, ranks
from attntui.engine.ranks import Group

FAMILIES = "such as llama, mistral, qwen3 or gemma3"
STAGE = ("embed_tokens", "layers", "norm")
"""What transformers' pipelines look for in a model's body."""


@runtime_checkable
class Split(Protocol):
    """A tensor that ranks have parts of (torch's DTensor, whose module takes long to import)."""

    shape: torch.Size

    def to_local(self) -> Tensor:
        """This rank's part."""

    def full_tensor(self) -> Tensor:
        """All of it; ranks ask for it together."""


def check(
    config: PreTrainedConfig, model_class: type[PreTrainedModel], options: ModelOptions
) -> None:
    """Before its weights are read.

    Raises:
        UserError: the model cannot be split over this group's ranks.
    """
    group = ranks.group()
    if group is None:
        return
    if find_spec("accelerate") is None:
        raise UserError(
            "transformers places the parts of a model by accelerate, which is not here: pip install"
            " 'attntui[accelerate]', in a clone pip install '.[accelerate]'."
        )
    family, shown = families.family(model_class), sanitise(options.model)
    if (what := _not_split(config, options)) is not None:
        raise UserError(f"{what} over ranks: leave out --ranks.")
    if not families.can_capture(model_class):
        raise UserError(
            f"{shown} is of the family {family}, whose attention is read from its own eager code,"
            " which cannot be split over ranks: leave out --ranks."
        )
    if group.parallel == "tensor":
        _check_heads(group, config.get_text_config(), family, shown)
    else:
        _check_stages(group, config, model_class, family, shown)


def _not_split(config: PreTrainedConfig, options: ModelOptions) -> str | None:
    """What is asked for that a group of ranks does not do."""
    if options.adapter is not None:
        return "An adapter is not merged into a model that is split"
    if getattr(config, "quantization_config", None) is not None or options.quantize is not None:
        return "A quantised model is not split"
    if options.device_map is not None:
        return "A model is spread by --device-map or split"
    return None if options.record == "all" else "Every layer is recorded where a model is split"


def _check_heads(group: Group, config: PreTrainedConfig, family: str, name: str) -> None:
    plan = getattr(config, "base_model_tp_plan", None)
    if not plan:
        raise UserError(
            f"transformers has no plan to split the heads of {name} (family {family}): choose a"
            f" model {FAMILIES}, or leave out --ranks."
        )
    sharded = any("k_proj" in rule and style == "colwise" for rule, style in plan.items())
    heads = getattr(config, "num_attention_heads", None)
    shared = getattr(config, "num_key_value_heads", None) or heads
    for count, what in ((heads, "heads"), (shared, "key and value heads")):
        if sharded and isinstance(count, int) and count % group.size:
            fitting = [str(each) for each in range(2, count + 1) if count % each == 0]
            more = f"--ranks {' or '.join(fitting)}" if fitting else "--parallel pipeline"
            raise UserError(
                f"{name} has {count} {what}, which {group.size} ranks cannot share evenly: use"
                f" {more}."
            )


def _check_stages(
    group: Group,
    config: PreTrainedConfig,
    model_class: type[PreTrainedModel],
    family: str,
    name: str,
) -> None:
    with torch.device("meta"):
        model = model_class(config)
    body = getattr(model, model.base_model_prefix, None)
    if (
        body is None
        or not hasattr(model, "lm_head")
        or not all(hasattr(body, each) for each in STAGE)
    ):
        raise UserError(
            f"transformers cannot split the layers of {name} (family {family}) over ranks: choose a"
            f" model {FAMILIES}, or leave out --ranks."
        )
    count = len(body.layers)
    if count < group.size:
        raise UserError(f"{name} has {count} layers: use --ranks {count} at most.")


def split() -> dict[str, Any]:
    """What `from_pretrained` is told."""
    group = ranks.group()
    if group is None:
        return {}
    which = "tp_size" if group.parallel == "tensor" else "pp_size"
    return {"distributed_config": DistributedConfig(**{which: group.size})}


def note() -> str:
    """How it is split, in a sentence; empty where it is not."""
    group = ranks.group()
    if group is None:
        return ""
    what = "each layer's heads" if group.parallel == "tensor" else "whole layers"
    return f"Split over {group.size} ranks by transformers: {what} ({group.parallel} parallel)."


def watch(model: PreTrainedModel) -> None:
    """Once it is loaded; see `Group.watch`."""
    group = ranks.group()
    if group is not None:
        group.watch(model)


@contextmanager
def checked_stages(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Around forwards of a pipeline: whether its stages together are the model.

    transformers gives a stage's body what came from the stage before as if from the embedding; a
    body that does something to it on the way to its layers (granite scales it) does so twice.

    Raises:
        UserError: they are another model.
    """
    if not ranks.in_stages():
        yield
        return
    body = getattr(model, model.base_model_prefix)
    own = [layer for layer in body.layers if not isinstance(layer, nn.Identity)]
    seen: dict[str, Tensor] = {}

    def enters(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen["entered"] = args[0] if args else kwargs["hidden_states"]

    def given(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if kwargs.get("inputs_embeds") is not None:
            seen["given"] = kwargs["inputs_embeds"]

    def leaves(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        seen["left"] = output if isinstance(output, Tensor) else output[0]

    def gives(_: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        seen["gave"] = output.last_hidden_state

    handles = [
        own[0].register_forward_pre_hook(enters, with_kwargs=True),
        body.register_forward_pre_hook(given, with_kwargs=True),
        own[-1].register_forward_hook(leaves),
        body.register_forward_hook(gives),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    first, last = "given" not in seen, isinstance(model.lm_head, nn.Linear)
    whole = (first or torch.equal(seen["given"], seen["entered"])) and (
        last or torch.equal(seen["left"], seen["gave"])
    )
    if not all(ranks.pooled([whole])):
        raise UserError(
            f"{sanitise(name)} does more between its embedding, layers and norm than transformers'"
            " pipelines know of: use --parallel tensor."
        )


def parameters(model: PreTrainedModel) -> int:
    """How many a model has on all ranks; of tensors that are split, each knows its whole size."""
    own = [(name, each.numel()) for name, each in model.named_parameters()]
    return sum(dict(ranks.pooled(own)).values())
