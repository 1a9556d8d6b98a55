"""Loading a model and running prompts through it."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Self

from attntui.api.checked import checked
from attntui.api.host import Host, Recipe
from attntui.api.trace import Trace
from attntui.client import questions
from attntui.client.engine import Engine
from attntui.core.protocol import ModelInfo, ModelOptions, Progress, PromptInput
from attntui.core.tokens import sanitise


class Model:
    """A loaded model, in a process of its own; made by `load`.

    The process ends with `close`, at the end of a `with` block, when the model and its traces are
    forgotten, and with this process.
    """

    info: ModelInfo
    """Name, device, dtype, layers and heads of each stack, and what should be known."""

    def __init__(self, host: Host, info: ModelInfo) -> None:
        self._host = host
        self.info = info

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<attntui.Model {sanitise(self.info.name)!r} on {sanitise(self.info.device)}>"

    def close(self) -> None:
        """End the model's process. Its traces can be asked no more."""
        self._host.close()

    def trace(
        self,
        prompt: str | Sequence[Mapping[str, str]],
        pair: str | None = None,
        decoder_prompt: str | None = None,
        chat: bool = False,
        special_tokens: Literal["auto", "none", "bos"] = "auto",
        truncate: Literal["left", "right"] | None = None,
    ) -> Trace:
        """Run the model on a prompt once and keep its attention.

        Args:
            prompt: the text; with `chat` also a list of messages with `role` and `content`.
            pair: a second sentence, for models that read two.
            decoder_prompt: what an encoder-decoder's decoder reads, without its start token;
                without it the model writes its own.
            chat: put the prompt into the model's chat template.
            special_tokens: which special tokens are added.
            truncate: the side on which a prompt is cut that is too long for the model.

        Raises:
            UserError: the prompt is empty, too long, or asks for what the model has not.
            EngineFault, EngineGone: the model's process failed.
        """
        text = json.dumps(prompt) if chat and not isinstance(prompt, str) else prompt
        given = checked(
            PromptInput(
                text=text,  # type: ignore[arg-type]  # checked here
                pair=pair,
                decoder_text=decoder_prompt,
                chat=chat,
                special_tokens=special_tokens,
                truncate=truncate,
            )
        )
        recipe = Recipe(given)
        return Trace(self._host, recipe, self._host.trace(recipe))


def load(
    model: str | os.PathLike[str] = "demo",
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    trust_remote_code: bool = False,
    offline: bool = False,
    adapter: str | os.PathLike[str] | None = None,
    record: str = "all",
    keep_on: Literal["auto", "device", "cpu"] = "auto",
    device_map: Literal["auto"] | None = None,
    max_memory: str | None = None,
    quantize: Literal["8bit", "4bit"] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Model:
    """Load a model in a process of its own.

    Args:
        model: a hub id, a folder, or a bundled model: demo, demo-bert.
        revision: branch, tag or commit on the hub.
        device: auto, cpu, cuda, cuda:1 or mps.
        dtype: number format of the weights; auto keeps the checkpoint's.
        trust_remote_code: run the Python code that the model brings along.
        offline: use no network.
        adapter: a PEFT adapter, a folder or a hub id, merged into the model (extra attntui[peft]).
        record: whose attention a trace keeps: all, a list of layers such as 0,3-5, or fit, as many
            layers as memory has room for.
        keep_on: where it is kept; auto: on the CPU where the device has no room.
        device_map: auto: spread the layers over all devices (extra attntui[accelerate]).
        max_memory: what each may take of them, such as 0=20GB,cpu=40GB.
        quantize: pack the weights as they are read (extra attntui[quantize]).
        progress: called, in another thread, with how far the loading is.

    Raises:
        UserError: there is no such model or device, or it cannot be shown.
        EngineFault, EngineGone: the process could not be started, or failed.
    """
    options = checked(
        ModelOptions(
            model=os.fspath(model),
            revision=revision,
            device=device,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            offline=offline,
            adapter=None if adapter is None else os.fspath(adapter),
            record=record,
            keep_on=keep_on,
            device_map=device_map,
            max_memory=max_memory,
            quantize=quantize,
        )
    )

    async def start(engine: Engine) -> ModelInfo:
        await engine.start()
        return await questions.load(engine, options, progress)

    host = Host()
    try:
        return Model(host, host.do(start))
    except BaseException:
        host.close()
        raise
