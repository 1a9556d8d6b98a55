"""A PEFT adapter on a model: found, read and merged into the weights, so that all else works."""

import json
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions
from attntui.core.tokens import sanitise
from attntui.engine import refusals
from attntui.engine.fetch_words import Wanted
from attntui.engine.hub import cached, newest
from attntui.engine.hub_refusals import OFFLINE
from attntui.engine.model import Work

CONFIG, WEIGHTS, PICKLE = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
PEFT = "'attntui[peft]', in a clone pip install '.[peft]'"


@dataclass(frozen=True)
class Adapter:
    """The files of an adapter; `base` is the model that it says it was made for."""

    name: str
    folder: Path
    base: str

    def note(self, model: str) -> str:
        """What should be known where another model was named; empty where nothing."""
        if not self.base or Path(self.base).name == Path(model).name:
            return ""
        return f"The adapter was made for {self.base}."


def find(options: ModelOptions, work: Work) -> Adapter | None:
    """The adapter that is asked for, fetched where it is not here; None where none is.

    Raises:
        UserError: there is none of that name, or it cannot be read.
        Cancelled: the call was given up.
    """
    name = options.adapter
    if name is None:
        return None
    if find_spec("peft") is None:
        raise UserError(f"An adapter needs a package that is not here: pip install {PEFT}")
    shown, path = sanitise(name), Path(name).expanduser()
    folder = path if path.is_dir() else _fetched(name, options, work)
    if not (folder / CONFIG).is_file():
        raise UserError(f"{shown} is no PEFT adapter: it holds no {CONFIG}.")
    if not (folder / WEIGHTS).is_file():
        if not (folder / PICKLE).is_file():
            raise UserError(f"The adapter {shown} holds no weights: there is no {WEIGHTS}.")
        if not options.trust_remote_code:
            raise UserError(
                f"The weights of {shown} are a pickle, {PICKLE}: save them as safetensors, or read"
                " them with --trust-remote-code if you trust their maker."
            )
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        base = str(config.get("base_model_name_or_path") or "")
    except (ValueError, AttributeError, OSError):
        raise UserError(f"The {CONFIG} of {shown} is damaged: save the adapter again.") from None
    return Adapter(shown, folder, sanitise(base))


def _fetched(name: str, options: ModelOptions, work: Work) -> Path:
    if name.startswith(("/", ".", "~")) or name.count("/") != 1:
        raise UserError(f"There is no folder '{sanitise(name)}' on this machine.")
    names = (CONFIG, WEIGHTS, *((PICKLE,) if options.trust_remote_code else ()))
    wanted = Wanted(name, names=names)
    work.progress("fetching the adapter")
    return cached(wanted) if options.offline or OFFLINE else newest(wanted, work)[0]


def merge(model: Any, adapter: Adapter, name: str) -> Any:
    """The model with the adapter in its weights; `name` is the model's, for sentences.

    Raises:
        UserError: it was made for another model, or is of a kind that is no part of the weights.
    """
    from peft import PeftModel, get_peft_model_state_dict
    from peft.utils import load_peft_weights

    shown = sanitise(name)
    made = f"; it was made for {adapter.base}" if adapter.base else ""
    other = UserError(f"The adapter {adapter.name} does not fit {shown}{made}.")
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            wrapped = PeftModel.from_pretrained(model, adapter.folder, torch_device="cpu")
        given = load_peft_weights(str(adapter.folder), device="cpu")
    except Exception as error:
        raise _refusal(error, adapter, other) from error
    tuner = wrapped.base_model
    if not hasattr(tuner, "merge_and_unload"):
        raise UserError(
            f"The adapter {adapter.name} is of the kind {wrapped.peft_config['default'].peft_type},"
            " which cannot be merged into the weights: only LoRA and its kin can be looked at."
        )
    wanted = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    counts = [sum(tuner.prefix in key for key in keys) for keys in (given, wanted)]
    if counts[0] != counts[1] or any("missing adapter keys" in str(each.message) for each in told):
        raise other
    return wrapped.merge_and_unload(safe_merge=True)


def _refusal(error: Exception, adapter: Adapter, other: UserError) -> Exception:
    text = str(error)
    if "size mismatch" in text or "arget modules" in text or "not found in the base" in text:
        return other
    known = refusals.of_load(error, adapter.name)
    if isinstance(known, UserError):
        return known
    why = refusals.first_sentence(error)
    return UserError(f"The adapter {adapter.name} cannot be read: {why}")
