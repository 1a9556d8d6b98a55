"""Options that several commands share, each group said once, as a dataclass."""

import inspect
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, get_type_hints

from msgspec.structs import replace
from typer import Option

from attntui.cli.places import PlaceChoice
from attntui.cli.prompts import check_text, default_prompt, read_prompt
from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions, PromptInput, Stack
from attntui.core.selection import parse_selection


@dataclass(frozen=True)
class ModelChoice(PlaceChoice):
    """Which model, how it is loaded, and where."""

    model: Annotated[
        str,
        Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A hub id, a folder, or a bundled model: demo, demo-bert.",
        ),
    ] = "demo"
    revision: Annotated[
        str | None, Option(metavar="REVISION", help="Branch, tag or commit on the hub.")
    ] = None
    device: Annotated[str, Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")] = (
        "auto"
    )
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        Option(help="Number format of the weights; auto keeps the checkpoint's."),
    ] = "auto"
    trust_remote_code: Annotated[
        bool, Option("--trust-remote-code", help="Run the Python code that the model brings along.")
    ] = False
    offline: Annotated[bool, Option("--offline", help="Use no network.")] = False
    adapter: Annotated[
        str | None,
        Option(
            metavar="ADAPTER",
            help="A PEFT adapter, a folder or a hub id, merged into the model (with the extra"
            " attntui[peft]).",
            show_default=False,
        ),
    ] = None
    record: Annotated[
        str,
        Option(
            metavar="LAYERS",
            help="Whose attention is kept: all, a list such as 0,3-5, or fit, as many layers as"
            " memory has room for.",
        ),
    ] = "all"
    keep_on: Annotated[
        Literal["auto", "device", "cpu"],
        Option(help="Where it is kept; auto: on the CPU where the GPU has no room."),
    ] = "auto"
    device_map: Annotated[
        Literal["auto"] | None,
        Option(
            help="auto: spread the layers over all GPUs and the CPU (with the extra"
            " attntui[accelerate]).",
            show_default=False,
        ),
    ] = None
    max_memory: Annotated[
        str | None,
        Option(
            metavar="LIST",
            help="What each device may take of them: 0=20GB,cpu=40GB.",
            show_default=False,
        ),
    ] = None
    quantize: Annotated[
        Literal["8bit", "4bit"] | None,
        Option(
            help="Pack the weights as they are read (with the extra attntui[quantize]).",
            show_default=False,
        ),
    ] = None

    def options(self) -> ModelOptions:
        """As the engine takes them."""
        return ModelOptions(
            model=check_text(self.model, "--model"),
            revision=check_text(self.revision, "--revision") if self.revision else None,
            device=check_text(self.device, "--device"),
            dtype=self.dtype,
            trust_remote_code=self.trust_remote_code,
            offline=self.offline,
            adapter=check_text(self.adapter, "--adapter") if self.adapter else None,
            record=_checked_record(self.record),
            keep_on=self.keep_on,
            device_map=self.device_map,
            max_memory=self.max_memory and check_text(self.max_memory, "--max-memory"),
            quantize=self.quantize,
        )


def _checked_record(record: str) -> str:
    """
    Raises:
        UserError: it is neither `fit` nor a list of layers.
    """
    if record != "fit":
        parse_selection(record, "--record")
    return record


@dataclass(frozen=True)
class OtherChoice:
    """The model that is compared with the first."""

    # Not named as the command is: the config file's defaults for that are found by its name.
    compared: Annotated[
        str | None,
        Option(
            "--compare",
            metavar="MODEL",
            help="Another model, whose run of the same text is compared with that of --model.",
            show_default=False,
        ),
    ] = None
    compare_revision: Annotated[
        str | None,
        Option(
            metavar="REVISION",
            help="Its branch, tag or commit; alone, another revision of --model.",
            show_default=False,
        ),
    ] = None

    def options(self, model: ModelOptions) -> ModelOptions | None:
        """The other model, loaded as the first one is; None where none is asked for."""
        if self.compared is None and self.compare_revision is None:
            return None
        name = model.model if self.compared is None else check_text(self.compared, "--compare")
        revision = self.compare_revision
        if revision is not None:
            revision = check_text(revision, "--compare-revision")
        return replace(model, model=name, revision=revision, adapter=None)


SpecialTokens = Annotated[
    Literal["auto", "none", "bos"], Option(help="Which special tokens are added.")
]
Truncate = Annotated[
    Literal["left", "right"] | None,
    Option(help="Cut a prompt that is too long on this side.", show_default=False),
]


@dataclass(frozen=True)
class PromptChoice:
    """What the model reads."""

    prompt: Annotated[
        str | None, Option("--prompt", "-p", metavar="TEXT", help="The text to read.")
    ] = None
    prompt_file: Annotated[
        str | None,
        Option(
            metavar="FILE",
            help="Read the prompt from a file; - is standard input.",
            show_default=False,
        ),
    ] = None
    pair: Annotated[
        str | None, Option(metavar="TEXT", help="A second sentence, for models that read two.")
    ] = None
    decoder_prompt: Annotated[
        str | None,
        Option(
            metavar="TEXT",
            help="What an encoder-decoder's decoder reads, without start token; it writes up to 32 "
            "tokens itself otherwise.",
        ),
    ] = None
    chat: Annotated[
        bool,
        Option(
            "--chat",
            help="Put the prompt into the model's chat template; it may be a JSON list of messages "
            "with role and content.",
        ),
    ] = False
    special_tokens: SpecialTokens = "auto"
    truncate: Truncate = None

    @property
    def is_given(self) -> bool:
        """Whether the user said what to read."""
        texts = (self.prompt, self.prompt_file, self.pair, self.decoder_prompt)
        return any(text is not None for text in texts)

    def given(self, model: str) -> PromptInput | None:
        """What the user asked to read, or the bundled model's own prompt; None where neither is."""
        text = read_prompt(self.prompt, self.prompt_file)
        if text is None:
            text = default_prompt(model)
        if text is None and self == PromptChoice():
            return None
        return PromptInput(
            text=text or "",
            pair=self.pair and check_text(self.pair, "--pair"),
            decoder_text=self.decoder_prompt
            and check_text(self.decoder_prompt, "--decoder-prompt"),
            chat=self.chat,
            special_tokens=self.special_tokens,
            truncate=self.truncate,
        )

    def required(self, model: str) -> PromptInput:
        """As `given`.

        Raises:
            UserError: there is no text.
        """
        prompt = self.given(model)
        if prompt is None or not prompt.text:
            raise UserError(
                "There is no prompt: give one with --prompt TEXT or --prompt-file FILE."
            )
        return prompt


@dataclass(frozen=True)
class StackChoice:
    """Which of an encoder-decoder's three attentions."""

    attention: Annotated[
        Literal["encoder", "decoder", "cross"] | None,
        Option(help="Which attention of an encoder-decoder.", show_default=False),
    ] = None

    @property
    def stack(self) -> Stack | None:
        return self.attention


@dataclass(frozen=True)
class StartChoice:
    """How the screen opens."""

    layer: Annotated[
        int | None, Option(min=0, metavar="N", help="Start at this layer.", show_default=False)
    ] = None
    head: Annotated[
        int | None, Option(min=0, metavar="N", help="Start at this head.", show_default=False)
    ] = None
    no_mouse: Annotated[
        bool, Option("--no-mouse", help="Leave the mouse to the terminal; less traffic over SSH.")
    ] = False
    style: Annotated[
        Literal["auto", "shade"], Option(help="shade: grey levels as characters, no colours.")
    ] = "auto"
    theme: Annotated[Literal["auto", "dark", "light"], Option(help="Colours.")] = "auto"
    map: Annotated[
        list[str] | None,
        Option(
            metavar="FILE.csv",
            help="Let the head map show what scan or ablate wrote of this model's heads (o);"
            " repeatable.",
            show_default=False,
        ),
    ] = None


def spread(command: Callable[..., int]) -> Callable[..., int]:
    """`command` with each parameter that is a dataclass replaced by the dataclass's fields.

    It is called where its model is to run, with the way there open.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _field_parameters(groups[name])
        else:
            keyword_only = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(kind=keyword_only, annotation=hints[name]))

    def run(**values: Any) -> int:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        with ExitStack() as ways:
            for value in values.values():
                if isinstance(value, PlaceChoice):
                    ways.enter_context(value.opened())
            return command(**values)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


def _field_parameters(group: Any) -> list[inspect.Parameter]:
    """The fields as parameters, inherited ones last."""
    hints = get_type_hints(group, include_extras=True)
    own = group.__annotations__
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in sorted(fields(group), key=lambda field: field.name not in own)
    ]
