"""Why a model cannot be loaded: every failure as one sentence that says what to do about it.

The libraries' own texts run to pages and name their own options; here they are only searched.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import transformers

from attntui.core.errors import UserError
from attntui.core.tokens import sanitise
from attntui.engine.hub_refusals import chain, disk_full

JAPANESE = "'attntui[ja]', in a clone pip install '.[ja]'"
PACKAGES = {
    "sentencepiece": "sentencepiece protobuf",
    "tiktoken": "tiktoken",
    "google.protobuf": "protobuf",
    "protobuf": "protobuf",
    "fugashi": JAPANESE,
    "unidic_lite": JAPANESE,
    "unidic-lite": JAPANESE,
    "unidic": "unidic",
    "ipadic": "ipadic",
    "sudachipy": "sudachipy sudachidict_core",
    "rhoknp": "rhoknp",
    "jieba": "jieba",
    "rjieba": "rjieba",
    "sacremoses": "sacremoses",
    "mistral_common": "mistral-common",
    "mistral-common": "mistral-common",
    "accelerate": "accelerate",
    "bitsandbytes": "bitsandbytes",
    "compressed_tensors": "compressed-tensors",
    "compressed-tensors": "compressed-tensors",
    "auto_gptq": "gptqmodel",
    "gptqmodel": "gptqmodel",
    "autoawq": "gptqmodel",
    "optimum": "optimum",
    "torchao": "torchao",
    "einops": "einops",
    "timm": "timm",
    "pillow": "pillow",
    "PIL": "pillow",
    "torchvision": "torchvision",
    "mamba_ssm": "mamba-ssm",
    "flash_attn": "flash-attn",
    "phonemizer": "phonemizer",
}
"""What the libraries call a package they miss, and what pip calls it."""


def size(count: int) -> str:
    """Bytes for people: `15.2 GB`, `31 MB`."""
    if count >= 10**9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 10**6 else f"{count / 1e3:.0f} kB"


def single_file(path: Path) -> UserError:
    """A file was named where a folder is wanted."""
    shown = sanitise(str(path))
    if path.suffix.lower() in {".gguf", ".ggml"}:
        return UserError(
            f"{shown} is a GGUF file, the format of llama.cpp: name the transformers model it was "
            "made from instead."
        )
    if path.suffix.lower() in {".safetensors", ".bin", ".json"}:
        return UserError(
            f"{shown} is a file: name the model's folder, {sanitise(str(path.parent))}."
        )
    return UserError(f"{shown} is a file, not the folder of a transformers model.")


def of_load(error: Exception, name: str) -> Exception:
    """The sentence for an exception while loading, or the exception itself: a fault."""
    model = sanitise(name)
    causes = tuple(chain(error))
    text = " ".join(str(cause) for cause in causes)
    package = _package(causes, text)
    if package is not None:
        return UserError(f"{model} needs a package that is not here: pip install {package}")
    if "trust_remote_code" in text:
        return remote_code(name)
    full = disk_full(causes)
    if full is not None:
        return full
    if any(type(cause).__name__ == "SafetensorError" for cause in causes):
        return UserError(f"The weights of {model} are damaged: download them again.")
    if "UnpicklingError" in {type(cause).__name__ for cause in causes}:
        return UserError(
            f"The weights of {model} are damaged, or no plain weights: convert them to safetensors."
        )
    if "size mismatch" in text or "ignore_mismatched_sizes" in text:
        return UserError(f"The weights of {model} do not fit its config.json: download both again.")
    if "quantization" in text.lower() or "quantized" in text.lower():
        return UserError(f"{model} is quantised and cannot be loaded here: {first_sentence(error)}")
    if any(isinstance(cause, PermissionError) for cause in causes):
        return UserError(f"The files of {model} may not be read: check their permissions.")
    return error


def of_config(error: Exception, name: str) -> Exception:
    """The sentence for a config.json that transformers does not take."""
    known = of_load(error, name)
    if isinstance(known, UserError):
        return known
    return UserError(f"The config.json of {sanitise(name)} is refused: {first_sentence(error)}")


def of_tokenizer(error: Exception, name: str, folder: Path) -> Exception:
    """The sentence for a tokenizer that cannot be made."""
    if _is_sentence_piece(folder) and find_spec("sentencepiece") is None:
        # transformers tries tiktoken last, and would name that.
        error = ModuleNotFoundError(name="sentencepiece")
    known = of_load(error, name)
    if isinstance(known, UserError):
        return known
    return UserError(f"The tokenizer of {sanitise(name)} cannot be loaded: {first_sentence(error)}")


def _is_sentence_piece(folder: Path) -> bool:
    """Whether the tokenizer is a SentencePiece model alone (a protobuf message, field 1 first)."""
    if (folder / "tokenizer.json").exists():
        return False
    models = [*folder.glob("*.model"), *folder.glob("*.spm")]
    return any(path.read_bytes()[:1] == b"\n" for path in models)


def unknown_architecture(model_type: str, name: str) -> UserError:
    return UserError(
        f"{sanitise(name)} is of type '{sanitise(model_type)}', which transformers "
        f"{transformers.__version__} does not know: upgrade transformers."
    )


def remote_code(name: str) -> UserError:
    return UserError(
        f"{sanitise(name)} brings its own Python code. Read that code first; if you trust it, load "
        "the model with --trust-remote-code."
    )


def not_text(name: str, reads: str) -> UserError:
    return UserError(f"{sanitise(name)} reads {reads}; attntui explores models that read text.")


def not_text_alone(name: str, reads: str) -> UserError:
    return UserError(
        f"{sanitise(name)} does not run without {reads}; attntui explores models that read text."
    )


def first_sentence(error: BaseException) -> str:
    """An exception's first line, safe to show."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return sanitise(lines[0][:300]) if lines else type(error).__name__


def _package(causes: tuple[BaseException, ...], text: str) -> str | None:
    """The pip name of a missing package."""
    for cause in causes:
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            return PACKAGES.get(cause.name, PACKAGES.get(cause.name.split(".")[0], cause.name))
    if not any(isinstance(cause, (ImportError, ValueError, OSError)) for cause in causes):
        return None
    wanted = re.search(r"pip install (?:-\w+ )*`?([A-Za-z0-9_.\-\[\]]+)", text)
    if wanted and wanted[1] not in {"transformers", "git"}:
        return PACKAGES.get(wanted[1], wanted[1].rstrip("."))
    missing = re.search(
        r"(?:requires?|need to have|need to install) (?:the )?[`']?(\w[\w\-]*)", text
    )
    return PACKAGES.get(missing[1].lower()) if missing else None
