"""The commands and their options; the work is in modules imported when called."""

import sys
from typing import Annotated, Literal

import typer
from typer import Argument, Option

import attntui
from attntui.cli.options import ModelChoice, PromptChoice, StackChoice, StartChoice, spread
from attntui.core.errors import UserError

# Plain help and plain errors: Rich's markup must never read a model's name or a prompt.
app = typer.Typer(
    name="attntui",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"attntui {attntui.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
@spread
def screen(
    context: typer.Context,
    model: ModelChoice,
    prompt: PromptChoice,
    stack: StackChoice,
    start: StartChoice,
    resume: Annotated[
        bool,
        Option("--resume", help="Open where the last session left: model, prompt, head and view."),
    ] = False,
    version: Annotated[
        bool,
        Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> int:
    """Explore the attention of Hugging Face transformers in the terminal.

    Without a command, attntui opens its screen. Layers and heads count from 0.
    """
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return 0
    from attntui.cli.screen import open_screen, resume_screen

    if resume:
        _refuse_beside(context, "--resume", ("model", "prompt", "prompt_file", "layer", "head"))
        return resume_screen(start, stack.stack)
    return open_screen(model, prompt, start, stack.stack)


def _given(context: typer.Context) -> list[str]:
    """The options that stand on the command line."""
    return [
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]


def _refuse_beside(context: typer.Context, option: str, others: tuple[str, ...]) -> None:
    given = [name for name in _given(context) if name in others]
    if given:
        other = "--" + given[0].replace("_", "-")
        raise UserError(f"{option} opens the last session as it was: leave out {other}.")


def _refuse_options_before(context: typer.Context) -> None:
    given = _given(context)
    if given:
        option = "--" + given[0].replace("_", "-")
        command = context.invoked_subcommand
        raise UserError(f"Put {option} after the command: attntui {command} {option} ...")


@app.command()
@spread
def export(
    model: ModelChoice,
    prompt: PromptChoice,
    stack: StackChoice,
    output: Annotated[
        str,
        Option(
            "--output", "-o", metavar="FILE", help="Where to: .npz, .json or .csv; - is stdout."
        ),
    ],
    format_: Annotated[
        Literal["npz", "json", "csv"] | None,
        Option("--format", help="Instead of the file's suffix.", show_default=False),
    ] = None,
    layers: Annotated[str, Option(metavar="LIST", help="all, or a list: 0,3-5.")] = "all",
    heads: Annotated[str, Option(metavar="LIST", help="all, or a list: 0,3-5.")] = "all",
    mean: Annotated[
        bool, Option("--mean", help="Add the mean over all heads of each layer.")
    ] = False,
    rollout: Annotated[
        bool, Option("--rollout", help="Add attention rollout (Abnar & Zuidema 2020).")
    ] = False,
    residual: Annotated[
        float | None,
        Option(min=0, max=1, help="Rollout: weight of the residual (0.5).", show_default=False),
    ] = None,
    start_layer: Annotated[
        int | None, Option(min=0, help="Rollout: first layer (0).", show_default=False)
    ] = None,
    head_fusion: Annotated[
        Literal["mean", "max", "min"] | None,
        Option(help="Rollout: how heads become one (mean).", show_default=False),
    ] = None,
    discard_ratio: Annotated[
        float | None,
        Option(min=0, max=1, help="Rollout: drop this share of weights (0).", show_default=False),
    ] = None,
    logits: Annotated[
        bool, Option("--logits", help="Add the model's logits at every position.")
    ] = False,
    force: Annotated[bool, Option("--force", "-f", help="Replace an existing file.")] = False,
) -> int:
    """Write attention as numbers.

    .npz and .json hold tokens, token_ids, layers, heads, attention (layers, heads, query, key)
    and meta; where keys are other tokens than queries, key_tokens too. A head that a layer does
    not have is NaN in .npz and .csv, null in .json.

    .csv has the columns layer, head, query, key, weight; --mean adds rows whose head is "mean",
    --rollout rows whose layer is "all" and head is "rollout".
    """
    from attntui.cli.export import Plan, export_file, rollout_options

    return export_file(
        Plan(
            model=model.options(),
            prompt=prompt.required(model.model),
            stack=stack.stack,
            layers=layers,
            heads=heads,
            mean=mean,
            rollout=rollout_options(rollout, residual, start_layer, head_fusion, discard_ratio),
            logits=logits,
        ),
        output,
        format_,
        force,
    )


@app.command()
@spread
def view(
    file: Annotated[
        str,
        Argument(
            metavar="FILE",
            help=".npz or .safetensors with attention and tokens.",
            show_default=False,
        ),
    ],
    stack: StackChoice,
    start: StartChoice,
) -> int:
    """Open the screen on attention that was computed elsewhere.

    FILE is what attntui export wrote, or holds attention (layers, heads, query, key) and tokens,
    a text for each; encoder-decoders have encoder_attention, decoder_attention, cross_attention,
    encoder_tokens and decoder_tokens. In .safetensors, tokens are a JSON list in the metadata.
    """
    from attntui.cli.screen import view_file

    return view_file(file, start, stack.stack)


@app.command()
def models(
    json: Annotated[bool, Option("--json", help="As JSON, sizes in bytes.")] = False,
) -> int:
    """List the bundled models and those in the Hugging Face cache."""
    from attntui.cli.models import list_models

    return list_models(json)


@app.command()
def doctor(
    json: Annotated[bool, Option("--json", help="As JSON, for a bug report.")] = False,
) -> int:
    """Check what this terminal and this machine can do.

    The exit status is 2 where something must be mended.
    """
    from attntui.cli.doctor import examine

    return examine(sys.stdout, json)
