"""From options to a model ready to run.

What can be refused is refused before any weight is read: unknown ids, types and devices, damaged
files, too little memory.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from transformers.utils import logging

from attntui.core.errors import UserError
from attntui.core.protocol import ModelInfo, ModelOptions, PromptInput
from attntui.core.tokens import sanitise
from attntui.engine import (
    adapter,
    architecture,
    capture,
    devices,
    encoding,
    families,
    hub,
    parallel,
    placement,
    positions,
    precision,
    quantising,
    ranks,
    refusals,
    trust,
    weights,
)
from attntui.engine.bars import Bar
from attntui.engine.finite import all_finite
from attntui.engine.model import Cancelled, LoadedModel, Work, has_decoder, title

CHECK_PROMPT = "The quick brown fox jumps over the lazy dog."


@dataclass(frozen=True)
class Plan:
    """Everything that is known of a model before its weights are read."""

    options: ModelOptions
    source: hub.Source
    config: PreTrainedConfig
    architecture: architecture.Architecture
    tokenizer: PreTrainedTokenizerBase
    weights: weights.Weights
    device: torch.device
    merged: adapter.Adapter | None = None

    @property
    def quantised(self) -> bool:
        """Whether the checkpoint itself is, or it is to be as it is read."""
        own = getattr(self.config, "quantization_config", None) is not None
        return own or self.options.quantize is not None

    @property
    def spread(self) -> bool:
        """Whether accelerate puts the weights where they go."""
        return self.options.device_map is not None


def prepare(options: ModelOptions, work: Work) -> Plan:
    """Find and check a model, and fetch it where it is not here.

    Raises:
        UserError: it cannot be loaded, and why.
        Cancelled: the call was given up.
    """
    precision.check(options.dtype)
    placement.check(options)
    quantising.check(options)
    device = devices.choose(options.device, options.part, options.parts)
    source = hub.locate(options, work)
    found = weights.inspect(source.folder, options.model)
    config, remote = _read_config(source, options)
    quantising.check_config(options, config)
    if remote:
        chosen = architecture.choose_remote(config, source, source.revision)
    else:
        chosen = architecture.choose(config, source)
    work.check_cancel()
    tokenizer = _read_tokenizer(source, options)
    merged = adapter.find(options, work)
    parallel.check(config, chosen.model_class, options)
    return Plan(options, source, config, chosen, tokenizer, found, device, merged)


def load(
    plan: Plan, work: Work, beside: tuple[LoadedModel, ...] = ()
) -> tuple[LoadedModel, ModelInfo]:
    """Read the weights, check the capture on a short prompt, and describe the model.

    `beside` are models that stay in memory.

    Raises:
        UserError: it does not fit, its weights do not fit its config, or it has no attention.
        Cancelled: the call was given up.
    """
    options, chosen = plan.options, plan.architecture
    dtype, note = ranks.of_first(
        precision.choose(options.dtype, plan.config, plan.weights, plan.device)
    )
    if not plan.spread:
        held = sum(each.model.get_memory_footprint() for each in beside)
        ranks.agreed(
            lambda: precision.check_room(
                plan.weights, dtype, plan.device, options, plan.config, held
            )
        )
    kind: Literal["interface", "eager"] = (
        "interface" if families.can_capture(chosen.model_class) else "eager"
    )
    model, told = ranks.agreed(
        lambda: _read_weights(plan, dtype, "attntui" if kind == "interface" else "eager", work)
    )
    parallel.watch(model)
    merged = ""
    if plan.merged is not None:
        work.progress("merging the adapter")
        model = adapter.merge(model, plan.merged, options.model)
        merged = plan.merged.note(options.model)
    model.eval().requires_grad_(False)
    notes = *plan.source.notes, chosen.note, note, merged, quantising.note(options), parallel.note()
    loaded = LoadedModel(
        model=model,
        tokenizer=plan.tokenizer,
        options=options,
        device=placement.device_of(model, plan.device) if plan.spread else plan.device,
        dtype=model.dtype if plan.quantised and options.quantize is None else dtype,
        capture=kind,
        predicts=chosen.predicts,
        notes=[each for each in notes if each],
    )
    if plan.weights.pickled:
        loaded.notes.append("The weights are a pickle (.bin), read with weights_only.")
    _note_missing(loaded, told)
    capture.attach(model)
    _note_not_finite(loaded, work)
    work.progress("checking attention")
    with parallel.checked_stages(model, options.model):
        _check_attention(loaded)
    _check_causal(loaded)
    loaded.notes += placement.notes(model, loaded.device)
    loaded.info = describe(loaded, plan.source)
    return loaded, loaded.info


def describe(loaded: LoadedModel, source: hub.Source) -> ModelInfo:
    """A loaded model in the words the screen shows; hostile text made safe."""
    model, tokenizer = loaded.model, loaded.tokenizer
    return ModelInfo(
        name=title(loaded),
        revision=source.revision,
        architecture=sanitise(type(model).__name__),
        model_type=sanitise(str(model.config.model_type)),
        parameters=parallel.parameters(model),
        device=_device_name(loaded),
        device_name=devices.title(loaded.device),
        dtype=str(loaded.dtype).removeprefix("torch."),
        capture=loaded.capture,
        predicts=loaded.predicts,
        mask_token=tokenizer.mask_token if loaded.predicts == "masked" else None,
        max_positions=positions.limit(model).count,
        stacks=loaded.stacks,
        self_check=loaded.self_check,
        has_segments=encoding.takes_pairs(loaded),
        notes=tuple(sanitise(note) for note in loaded.notes),
        placement=placement.described(model),
    )


def _device_name(loaded: LoadedModel) -> str:
    """`cuda:0`, or of a model that is spread `cuda:0+cuda:1`: where its layers run."""
    others = {str(device) for device in loaded.layer_devices.values()} - {str(loaded.device)}
    return "+".join([str(loaded.device), *sorted(others)])


def _from(source: hub.Source, options: ModelOptions) -> dict[str, Any]:
    """What every `from_pretrained` is told: which files, from here alone.

    `trust_remote_code` left to its default would ask a question on standard input.
    """
    return {
        "pretrained_model_name_or_path": source.reference,
        "revision": source.revision,
        "local_files_only": options.offline or not options.trust_remote_code,
        "trust_remote_code": options.trust_remote_code,
    }


def _read_config(source: hub.Source, options: ModelOptions) -> tuple[PreTrainedConfig, bool]:
    """The config, and whether the model's own code is to be used."""
    try:
        raw = json.loads((source.folder / "config.json").read_bytes())
        model_type, own_code = raw.get("model_type"), bool(raw.get("auto_map"))
    except (ValueError, AttributeError):
        raise UserError(
            f"The config.json of {sanitise(source.name)} is damaged: download it again."
        ) from None
    if own_code and not options.trust_remote_code and not architecture.is_known(model_type):
        raise refusals.remote_code(source.name)
    if not own_code and not architecture.is_known(model_type):
        raise refusals.unknown_architecture(str(model_type), source.name)
    try:
        config = AutoConfig.from_pretrained(**_from(source, options))
    except Exception as error:
        raise refusals.of_config(error, source.name) from error
    return config, own_code and options.trust_remote_code


def _read_tokenizer(source: hub.Source, options: ModelOptions) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(**_from(source, options))
    except Exception as error:
        raise refusals.of_tokenizer(error, source.name, source.folder) from error


def _read_weights(
    plan: Plan, dtype: torch.dtype, attention: str, work: Work
) -> tuple[Any, dict[str, Any]]:
    """The model on its device, and what transformers tells of the loading."""
    where: dict[str, Any] = {"device_map": {"": plan.device}} if plan.quantised else {}
    where |= placement.arguments(plan.options)
    previous = logging.set_tqdm_hook(_bars(work))
    try:
        model, told = plan.architecture.loader.from_pretrained(
            **_from(plan.source, plan.options),
            **where,
            **quantising.arguments(plan.options, dtype),
            **parallel.split(),
            config=plan.config,
            dtype="auto" if plan.quantised and plan.options.quantize is None else dtype,
            attn_implementation=attention,
            use_safetensors=not plan.weights.pickled,
            weights_only=True,
            output_loading_info=True,
        )
    except (Cancelled, UserError, MemoryError):
        raise
    except Exception as error:
        raise refusals.of_load(error, plan.source.name) from error
    finally:
        logging.set_tqdm_hook(previous)
    work.check_cancel()
    is_placed = plan.quantised or plan.spread or ranks.count() > 1
    if not is_placed and plan.device.type != "cpu":
        work.progress(f"moving to {plan.device}")
        model = model.to(plan.device)
    return model, told


def _bars(work: Work) -> Any:
    """A hook that turns transformers' "Loading weights" bar into progress."""

    def tell(bar: Bar) -> None:
        work.check_cancel()
        work.progress("loading weights", int(bar.n), int(bar.total))

    return lambda factory, args, options: Bar(*args, tell=tell, **options)


def _note_missing(loaded: LoadedModel, told: dict[str, Any]) -> None:
    """Weights that the checkpoint lacks are random: say so, and show nothing they speak for."""
    found = ranks.pooled(sorted(told.get("missing_keys", ())))
    missing = sorted({name for name in found if "pooler" not in name})
    prefix = f"{loaded.model.base_model_prefix}."
    whole = loaded.model.base_model is loaded.model
    body = [name for name in missing if whole or name.startswith(prefix)]
    if body:
        loaded.notes.append(
            f"Not in the checkpoint and so random: {_some(body)}. This is not the trained model."
        )
    if len(missing) > len(body) and loaded.predicts is not None:
        loaded.predicts = None
        loaded.notes.append("The checkpoint has no trained output head: no predictions are shown.")


def _check_attention(loaded: LoadedModel) -> None:
    """Run the check prompt, through the decoder too where there is one.

    Raises:
        UserError: the model has no attention that can be shown, or does not run on text alone.
    """
    decoder_text = CHECK_PROMPT if has_decoder(loaded.model) else None
    prompt = PromptInput(text=CHECK_PROMPT, decoder_text=decoder_text, truncate="right")
    encoded = encoding.encode(loaded, prompt)
    try:
        loaded.self_check, loaded.stacks = trust.self_check(loaded, encoded)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        reads = architecture.other_senses(type(loaded.model))
        if not reads:
            raise
        raise refusals.not_text_alone(loaded.options.model, reads) from error


def _check_causal(loaded: LoadedModel) -> None:
    """A model that sees the next token predicts nothing by naming it (XLNet, BERT as a decoder)."""
    if loaded.predicts == "next" and not any(stack.causal for stack in loaded.stacks):
        loaded.predicts = None
        loaded.notes.append("It reads the text both ways, so it predicts no next token.")


def _note_not_finite(loaded: LoadedModel, work: Work) -> None:
    found = ranks.pooled(ranks.agreed(lambda: list(_not_finite(loaded.model, work))))
    bad = list(dict.fromkeys(found))
    if bad:
        loaded.notes.append(f"These weights hold NaN or infinity: {_some(bad)}.")


def _not_finite(model: nn.Module, work: Work) -> Iterator[str]:
    for name, parameter in model.named_parameters():
        work.check_cancel()
        own = parameter.to_local() if isinstance(parameter, parallel.Split) else parameter
        if not own.is_floating_point() or own.itemsize < 2 or own.is_meta:
            continue
        if not all_finite(own):
            yield name


def _some(names: list[str]) -> str:
    """The first of some names, and how many more."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
