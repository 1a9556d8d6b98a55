"""The bare command, which opens the screen; other modules hold the other commands.

The first paint waits for its options alone: to read those of all commands takes as long again.
"""

from typing import Annotated, Any

import typer
from typer import Option

import attntui
from attntui.cli.options import (
    ModelChoice,
    OtherChoice,
    PromptChoice,
    StackChoice,
    StartChoice,
    spread,
)
from attntui.core.errors import UserError

# Plain help and plain errors: Rich's markup must never read a model's name or a prompt.
PLAIN: dict[str, Any] = {
    "name": "attntui",
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"], "max_content_width": 100},
}


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"attntui {attntui.__version__}")
        raise typer.Exit


@spread
def screen(
    context: typer.Context,
    model: ModelChoice,
    other: OtherChoice,
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
        _refuse_beside(
            context, "--resume", ("model", "prompt", "prompt_file", "layer", "head", "compared")
        )
        return resume_screen(start, stack.stack)
    return open_screen(model, prompt, start, stack.stack, other)


def _given(context: typer.Context) -> list[str]:
    """The options that stand on the command line."""
    return [
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]


def _written(context: typer.Context, name: str) -> str:
    """An option as it is written."""
    options = {each.name: max(each.opts, key=len) for each in context.command.params}
    return options[name]


def _refuse_beside(context: typer.Context, option: str, others: tuple[str, ...]) -> None:
    given = [name for name in _given(context) if name in others]
    if given:
        other = _written(context, given[0])
        raise UserError(f"{option} opens the last session as it was: leave out {other}.")


def _refuse_options_before(context: typer.Context) -> None:
    given = _given(context)
    if given:
        option = _written(context, given[0])
        command = context.invoked_subcommand
        raise UserError(f"Put {option} after the command: attntui {command} {option} ...")


def with_screen() -> typer.Typer:
    """An app whose bare command opens the screen."""
    app = typer.Typer(**PLAIN)
    app.callback(invoke_without_command=True)(screen)
    return app
