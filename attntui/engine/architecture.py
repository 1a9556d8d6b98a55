"""Which class a model is loaded as, told from its config.json alone."""

from dataclasses import dataclass
from typing import Any, Literal

import transformers
from transformers import (
    CONFIG_MAPPING,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTextEncoding,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.dynamic_module_utils import get_class_from_dynamic_module

from attntui.engine import refusals
from attntui.engine.hub import Source

Predicts = Literal["next", "masked", "classes"]

HEADS: tuple[tuple[Any, Predicts | None], ...] = (
    (AutoModelForSeq2SeqLM, "next"),  # before masked: BART is in both maps
    (AutoModelForMaskedLM, "masked"),
    (AutoModelForCausalLM, "next"),
    (AutoModelForImageTextToText, "next"),
    (AutoModelForSequenceClassification, "classes"),
    (AutoModelForTokenClassification, "classes"),
    (AutoModelForTextEncoding, None),
    (AutoModel, None),
)
"""What each auto class's models predict. A config's architecture is looked for in this order."""

SUFFIXES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("ForPreTraining", (AutoModelForMaskedLM, AutoModelForCausalLM)),
    ("LMHeadModel", (AutoModelForSeq2SeqLM, AutoModelForCausalLM)),
    ("ForCausalLM", (AutoModelForCausalLM,)),
    ("DoubleHeadsModel", (AutoModelForCausalLM,)),
    ("ForConditionalGeneration", (AutoModelForSeq2SeqLM, AutoModelForImageTextToText)),
)
"""For names that stand in no map: where to look for a class that uses the same weights."""


MAIN_INPUTS = {
    "pixel_values": "images",
    "pixel_values_videos": "videos",
    "input_values": "sound",
    "input_features": "sound",
    "inputs": "sound",
}
"""What is read by classes that do not name their modalities."""


@dataclass(frozen=True)
class Architecture:
    """The class to load, through `loader.from_pretrained`, and what its output means."""

    loader: Any
    model_class: type[PreTrainedModel]
    predicts: Predicts | None
    note: str = ""


def choose(config: PreTrainedConfig, source: Source) -> Architecture:
    """The class for a config of one of transformers' own types.

    `AutoModelForCausalLM` is never a default: it would load BERT as a causal model.

    Raises:
        UserError: the model reads no text.
    """
    names = getattr(config, "architectures", None) or [""]
    found = _named(names[0], config) or _like(names[0], config)
    if not names[0]:
        found = _by_type(config)
    if found is None or not _reads_text(found):
        raise refusals.not_text(source.name, _reads(config, found))
    return found


def choose_remote(config: PreTrainedConfig, source: Source, revision: str | None) -> Architecture:
    """The class for a model that brings its own code, which the user trusts.

    Raises:
        UserError: its config.json names no class for text.
    """
    names: dict[str, str] = config.auto_map
    for loader, predicts in HEADS:
        if loader.__name__ in names:
            model_class = get_class_from_dynamic_module(
                names[loader.__name__], source.reference, revision=revision
            )
            return Architecture(loader, model_class, predicts)
    raise refusals.not_text(source.name, "something that its config.json does not say")


def is_known(model_type: str | None) -> bool:
    """Whether transformers has this type itself."""
    return model_type in CONFIG_MAPPING


def _class_for(loader: Any, config: PreTrainedConfig) -> tuple[type[PreTrainedModel], ...]:
    """The classes a loader has for a config; empty where none."""
    if type(config) not in loader._model_mapping:
        return ()
    found = loader._model_mapping[type(config)]
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)


def _named(name: str, config: PreTrainedConfig) -> Architecture | None:
    """The class of exactly this name."""
    for loader, predicts in HEADS:
        for model_class in _class_for(loader, config):
            if model_class.__name__ == name:
                return Architecture(model_class, model_class, predicts)
    return None


def _like(name: str, config: PreTrainedConfig) -> Architecture | None:
    """A class that uses the same weights as one that is in no map of ours."""
    predicts = dict(HEADS)
    for suffix, loaders in SUFFIXES:
        for loader in loaders if name.endswith(suffix) else ():
            for model_class in _class_for(loader, config)[:1]:
                return Architecture(model_class, model_class, predicts[loader])
    for model_class in _class_for(AutoModel, config)[:1]:
        note = f"Loaded as {model_class.__name__}: what the head of {name} says is not shown."
        return Architecture(model_class, model_class, None, note if name else "")
    return None


def _by_type(config: PreTrainedConfig) -> Architecture | None:
    """A class for a config that names none: the task its type is usually for."""
    loaders = [AutoModelForMaskedLM, AutoModelForCausalLM, AutoModelForImageTextToText]
    if getattr(config, "is_encoder_decoder", False):
        loaders = [AutoModelForSeq2SeqLM]
    elif getattr(config, "is_decoder", False):
        loaders = [AutoModelForCausalLM]
    for loader in loaders:
        for model_class in _class_for(loader, config)[:1]:
            return Architecture(model_class, model_class, dict(HEADS)[loader])
    return _like("", config)


def _modalities(model_class: type[PreTrainedModel]) -> tuple[str, ...]:
    modalities = getattr(model_class, "input_modalities", "text")
    return (modalities,) if isinstance(modalities, str) else tuple(modalities)


def _reads_text(found: Architecture) -> bool:
    """Whether text alone is enough, as it is for an image-text model with a language head."""
    modalities = set(_modalities(found.model_class))
    if found.predicts is None and modalities != {"text"}:
        return False
    return "text" in modalities and found.model_class.main_input_name == "input_ids"


def other_senses(model_class: Any) -> str:
    """What a class reads that is no text, in words; empty where there is nothing."""
    plural = {"image": "images", "video": "videos", "audio": "sound", "time": "time series"}
    senses = [plural.get(each, each) for each in _modalities(model_class) if each != "text"]
    return " and ".join(senses) or MAIN_INPUTS.get(model_class.main_input_name, "")


def _reads(config: PreTrainedConfig, found: Architecture | None) -> str:
    """What a refused model reads, in words."""
    name = (getattr(config, "architectures", None) or [""])[0]
    try:
        model_class = found.model_class if found else getattr(transformers, name, None)
    except ImportError:  # of a class that needs a package of its own
        model_class = None
    if isinstance(model_class, type) and issubclass(model_class, PreTrainedModel):
        return other_senses(model_class) or "no plain text"
    return f"no text ({config.model_type})"
