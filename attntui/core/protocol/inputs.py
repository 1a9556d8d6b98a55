"""What a user gives: a model to load, a text for it to read."""

from typing import Literal

from msgspec import Struct


class ModelOptions(Struct, frozen=True, kw_only=True):
    """Which model to load, and how. `model` is a hub id, a folder, `demo` or `demo-bert`.

    `adapter`, a folder or a hub id, is a PEFT adapter that is merged into the weights.

    `record` is whose attention a run keeps: `all`, or a list of layers such as `0,3-5`, or `fit`,
    as many layers as there is memory for. `keep_on` is where: the `device` that computes it, the
    `cpu`, or `auto`, the CPU where the device has no room.

    `device_map` is None, or `auto`: the weights are spread over all devices (accelerate), of which
    `max_memory`, such as `0=20GB,cpu=40GB`, is what each may take. `quantize` packs them as they
    are read (bitsandbytes).

    `part` is that of `parts` engines that share a machine's GPUs or processors, each with the whole
    model.
    """

    model: str
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    trust_remote_code: bool = False
    offline: bool = False
    adapter: str | None = None
    record: str = "all"
    keep_on: Literal["auto", "device", "cpu"] = "auto"
    device_map: str | None = None
    max_memory: str | None = None
    quantize: Literal["8bit", "4bit"] | None = None
    part: int = 0
    parts: int = 1


class PromptInput(Struct, frozen=True, kw_only=True):
    """What the user gave the model to read, before tokenising.

    With `chat`, `text` is one user message, or a JSON list of messages with role and content. An
    encoder-decoder without `decoder_text` writes up to `generate` tokens of its own, greedily.

    `ids` are the tokens as they are, in place of tokenising `text`, which is what they say;
    `decoder_ids` likewise those of `decoder_text`, without the start token.
    """

    text: str
    pair: str | None = None
    decoder_text: str | None = None
    chat: bool = False
    special_tokens: Literal["auto", "none", "bos"] = "auto"
    truncate: Literal["left", "right"] | None = None
    generate: int = 32
    ids: tuple[int, ...] | None = None
    decoder_ids: tuple[int, ...] | None = None


class Question(Struct, frozen=True, kw_only=True):
    """A prompt and what the model should put after it, or in its masked places.

    Of a model that classifies, `answer` and `foil` are labels, by name or number.
    """

    prompt: PromptInput
    answer: str
    foil: str | None = None
