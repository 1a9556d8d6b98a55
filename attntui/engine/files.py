"""Which files of a model are needed, and what is wrong where one is not there.

Only files at the top of a folder or repository count, as for transformers itself.
"""

from collections.abc import Collection
from fnmatch import fnmatch

from attntui.core.errors import UserError
from attntui.core.tokens import sanitise

SMALL_FILES = ("*.json", "*.model", "*.spm", "*.txt", "*.jinja", "*.tiktoken", "*.codes", "*.vocab")
"""Configuration, tokenizers and chat templates."""

TOKENIZER_FILES = (
    "tokenizer*.json",
    "*vocab*",
    "*.model",
    "*.spm",
    "*.tiktoken",
    "merges.txt",
    "tekken.json",
    "tokenization_*.py",
)

OTHER_FORMATS = {
    "*.gguf": "GGUF, the format of llama.cpp",
    "*.ggml": "GGML, the format of llama.cpp",
    "*.onnx": "ONNX",
    "tf_model.h5": "TensorFlow's format",
    "*.msgpack": "Flax's format",
    "consolidated*": "the format of Meta's or Mistral's own code",
    "*.nemo": "NeMo's format",
    "*.ckpt": "a training checkpoint",
    "*.pt": "a pickle of PyTorch's",
    "*.pth": "a pickle of PyTorch's",
}


def needed(names: Collection[str], model: str, remote_code: bool) -> list[str]:
    """The files to fetch of a repository that holds `names`.

    Raises:
        UserError: what it holds is not a transformers model, or has no weights that can be read.
    """
    check(names, model)
    small = [name for name in _top(names) if any(fnmatch(name, form) for form in SMALL_FILES)]
    code = [name for name in names if remote_code and name.endswith(".py")]
    return sorted({*small, *code, *weights(names)})


def check(names: Collection[str], model: str) -> None:
    """
    Raises:
        UserError: these are not the files of a transformers model with weights and a tokenizer.
    """
    top, shown = _top(names), sanitise(model)
    if "config.json" not in top:
        raise UserError(_without_config(top, shown))
    if not weights(names):
        formats = _other_formats(top)
        held = f"holds its weights only in {formats}" if formats else "holds no weights"
        raise UserError(f"{shown} {held}; attntui reads safetensors, as transformers saves them.")
    if not any(fnmatch(name, form) for name in top for form in TOKENIZER_FILES):
        raise UserError(
            f"{shown} holds no tokenizer: save the model's tokenizer beside it with "
            "tokenizer.save_pretrained."
        )


def weights(names: Collection[str]) -> list[str]:
    """The weight files: safetensors, or pickles where there are none; empty where neither is.

    Sharded weights are the index and its shards, the index first.
    """
    top = _top(names)
    for single, kind in (("model.safetensors", "*.safetensors"), ("pytorch_model.bin", "*.bin")):
        index = f"{single}.index.json"
        if single in top:
            return [single]
        if index in top:
            shards = [name for name in top if fnmatch(name, kind)]
            return [index, *(name for name in shards if not fnmatch(name, "consolidated*"))]
    return []


def _top(names: Collection[str]) -> list[str]:
    return sorted(name for name in names if "/" not in name)


def _other_formats(top: list[str]) -> str:
    found = [text for form, text in OTHER_FORMATS.items() if any(fnmatch(n, form) for n in top)]
    return " and ".join(dict.fromkeys(found))


def _without_config(top: list[str], shown: str) -> str:
    if "adapter_config.json" in top:
        return (
            f"{shown} is an adapter (PEFT), not a whole model: merge it into its base model with "
            "merge_and_unload, save that, and open the result."
        )
    if "model_index.json" in top:
        return f"{shown} is a diffusers pipeline, not a transformers model: it has no config.json."
    formats = _other_formats(top)
    if formats:
        return f"{shown} holds {formats}; attntui reads config.json and safetensors."
    return f"{shown} has no config.json, so it is no transformers model."
