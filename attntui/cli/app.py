"""The commands and their options; the work is in modules imported when called."""

import os
import sys
from typing import Annotated, Literal

import typer
from typer import Argument, Option

import attntui
from attntui.cli.lens import LensChoice
from attntui.cli.looking import EditChoice, PictureChoice, ReadingChoice, ViewChoice
from attntui.cli.options import (
    ModelChoice,
    PromptChoice,
    SpecialTokens,
    StackChoice,
    StartChoice,
    Truncate,
    spread,
)
from attntui.cli.places import PlaceChoice
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
    place: PlaceChoice,
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
        return resume_screen(start, stack.stack, place)
    return open_screen(model, prompt, start, stack.stack, place)


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
def show(
    model: ModelChoice,
    prompt: PromptChoice,
    stack: StackChoice,
    view: ViewChoice,
    lens: LensChoice,
    reading: ReadingChoice,
    edits: EditChoice,
    layer: Annotated[
        int | None, Option(min=0, metavar="N", help="The layer.", show_default=False)
    ] = None,
    head: Annotated[
        int | None, Option(min=0, metavar="N", help="The head.", show_default=False)
    ] = None,
    query: Annotated[
        int | None,
        Option(
            min=0,
            metavar="N",
            help="The token (with --words, the word) whose row is listed: by number, the masked"
            " place or the last one without it.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, Option(min=0, help="How many keys are listed.")] = 10,
    text: Annotated[
        bool, Option("--text", help="The prompt, shaded by what the query gives each token.")
    ] = False,
    scale: Annotated[Literal["linear", "sqrt", "log", "row"], Option(help="How shade grows.")] = (
        "linear"
    ),
    width: Annotated[
        int | None,
        Option(
            min=30,
            max=10_000,
            metavar="COLUMNS",
            help="The terminal's, or 80 in a pipe.",
            show_default=False,
        ),
    ] = None,
    style: Annotated[
        Literal["auto", "colour", "shade"],
        Option(help="auto: colours on a terminal that has them, else characters."),
    ] = "auto",
    theme: Annotated[Literal["auto", "dark", "light"], Option(help="Colours.")] = "auto",
) -> int:
    """Print attention as plain text: a heatmap, and what one token attends to.

    It shows one head, or the mean over the heads of --layer (of all layers without it) with
    --mean, or --mean-of, or --rollout, or --lens: norm and gradient of one --head, or of all heads
    of a layer together. A prompt too long for the width is shown with several tokens to a cell.
    """
    from attntui.cli.show import Manner, Order
    from attntui.cli.show import show as print_view

    return print_view(
        Order(
            model=model.options(),
            prompt=prompt.required(model.model),
            stack=stack.stack,
            layer=layer,
            head=head,
            wanted=view.wanted(),
            reading=reading.reading,
            edits=edits.edits,
            lens=lens.order(),
            query=query,
            top=top,
            as_text=text,
            scale=scale,
        ),
        Manner(width, style, theme),
    )


@app.command()
@spread
def export(
    model: ModelChoice,
    prompt: PromptChoice,
    stack: StackChoice,
    output: Annotated[
        str,
        Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to: .npz, .safetensors, .json, .csv, .svg, .png or .html; - is stdout.",
        ),
    ],
    view: ViewChoice,
    lens: LensChoice,
    reading: ReadingChoice,
    edits: EditChoice,
    picture: PictureChoice,
    format_: Annotated[
        Literal["npz", "safetensors", "json", "csv", "svg", "png", "html"] | None,
        Option("--format", help="Instead of the file's suffix.", show_default=False),
    ] = None,
    layers: Annotated[str, Option(metavar="LIST", help="all, or a list: 0,3-5.")] = "all",
    heads: Annotated[str, Option(metavar="LIST", help="all, or a list: 0,3-5.")] = "all",
    statistics: Annotated[
        bool, Option("--statistics", help="Add every statistic of every head.")
    ] = False,
    statistics_on: Annotated[
        Literal["prompt", "calibration"] | None,
        Option(
            help="Measure them on the prompt, or on repeated random tokens (prompt).",
            show_default=False,
        ),
    ] = None,
    logits: Annotated[
        bool, Option("--logits", help="Add the model's logits at every position.")
    ] = False,
    force: Annotated[bool, Option("--force", "-f", help="Replace an existing file.")] = False,
) -> int:
    """Write attention as numbers or as a picture.

    .npz, .safetensors and .json hold tokens, token_ids, layers, heads, attention (layers, heads,
    query, key) and meta; where keys are other tokens than queries, key_tokens too; of a pair
    sentence_b_start. On request they hold mean (layers, query, key), mean_of and rollout (query,
    key), a lens by its name (norm and gradient as attention, relevance and flow as rollout), logits
    (query, vocabulary) and each statistic by its name (layers, heads). What is not there is NaN,
    null in .json. With --words, tokens are words and there are no token_ids. Where --sinks hides
    weights they are NaN, and attention_hidden (layers, heads, query) is how much of each row is
    hidden; NaN are also those that --between leaves out.

    .csv has the columns layer, head, query, key, weight; --mean adds rows whose head is "mean",
    --mean-of and --rollout rows whose layer is "all", --lens rows whose head begins with its name.

    .svg and .png (with the extra attntui[plot]) and .html show the chosen heads, or with --mean,
    --mean-of and --rollout those in their place.
    """
    from attntui.cli.export import Order, export_file, statistics_basis

    return export_file(
        Order(
            model=model.options(),
            prompt=prompt.required(model.model),
            stack=stack.stack,
            layers=layers,
            heads=heads,
            wanted=view.wanted(),
            reading=reading.reading,
            edits=edits.edits,
            lens=lens.order(),
            statistics=statistics_basis(statistics, statistics_on),
            logits=logits,
            looks=picture.looks(),
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
@spread
def ablate(
    model: ModelChoice,
    task: Annotated[
        str,
        Option(
            metavar="FILE",
            help='Questions, one a line: {"prompt": …, "answer": …}, with a "foil" if you like, or'
            ' {"text": …, "label": …} for a model that classifies.',
            show_default=False,
        ),
    ],
    heads: Annotated[
        list[str] | None,
        Option(
            "--ablate",
            metavar="LIST",
            help="Switch these heads off together, 5.1,6.2; repeatable. Each head alone without"
            " it.",
            show_default=False,
        ),
    ] = None,
    ablate_with: Annotated[
        Literal["zero", "mean"],
        Option(help="What they give instead: zero, or their mean over the positions."),
    ] = "zero",
    output: Annotated[
        str | None,
        Option(
            "--output",
            "-o",
            metavar="FILE",
            help="A .csv of every head; an interrupted task goes on from FILE.part.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, Option(min=0, help="How many heads the table lists.")] = 10,
    force: Annotated[
        bool, Option("--force", "-f", help="Replace an existing file, and begin anew.")
    ] = False,
) -> int:
    """Find which heads a task needs: run it whole and with each head switched off.

    An answer is right where its logit is above the foil's, at the first token in which they differ,
    or above all others without a foil. logprob is the sum over the answer's tokens; a masked model
    answers in the prompt's masked places.

    .csv has the columns layer, head, accuracy, logprob, logit_difference, n; the whole model comes
    first, with layer and head empty.
    """
    from attntui.cli.ablate import Order
    from attntui.cli.ablate import ablate as run_task

    sets = tuple(heads or ())
    return run_task(Order(model.options(), task, sets, ablate_with, output, force, top))


@app.command()
@spread
def scan(
    model: ModelChoice,
    file: Annotated[
        str,
        Argument(
            metavar="FILE",
            help="Prompts, one a line, or a treebank; - is standard input.",
            show_default=False,
        ),
    ],
    stack: StackChoice,
    conllu: Annotated[
        bool, Option("--conllu", help="FILE is a treebank in the CoNLL-U format.")
    ] = False,
    subtypes: Annotated[
        bool,
        Option("--subtypes", help="Treebank: nmod:poss and its like apart, not as nmod."),
    ] = False,
    special_tokens: SpecialTokens = "auto",
    truncate: Truncate = None,
    output: Annotated[
        str | None,
        Option(
            "--csv",
            "--output",
            "-o",
            metavar="FILE",
            help="A .csv of every head; an interrupted scan goes on from FILE.part.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[
        int | None,
        Option(
            min=0,
            help="How many the table lists: heads of each statistic (3), or relations (20).",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, Option("--force", "-f", help="Replace an existing file, and begin anew.")
    ] = False,
) -> int:
    """Measure every head over many texts.

    Of prompts: every statistic of every head, as mean and standard deviation over the prompts in
    which it is defined; n says how many. .csv has the columns layer, head, statistic, mean, std, n.

    Of a treebank: for each relation between two words, how often the word that a head gives most
    weight, other than the word itself, is the right one; from the dependent to its head and from
    the head to its dependent (Clark et al. 2019). Beside it, as baseline, the word at the best
    fixed distance, up to 10 words away. In a causal model only words before count. Punctuation is
    in the .csv only, which has the columns relation, direction, layer, head, accuracy,
    baseline_offset, baseline_accuracy, n.

    A text that the model cannot read, such as one too long for it, is left out and counted.
    """
    from attntui.cli.scan import Order, Survey
    from attntui.cli.scan import scan as read_all
    from attntui.core.protocol import PromptInput

    survey: Survey
    if conllu:
        from attntui.cli.agreement import Agreement
        from attntui.cli.treebank import read_treebank

        survey = Agreement(read_treebank(file, subtypes))
    elif subtypes:
        raise UserError("--subtypes is of a treebank: it needs --conllu.")
    else:
        from attntui.cli.spreads import Spreads, read_prompts

        survey = Spreads(read_prompts(file))
    prompt = PromptInput(text="", special_tokens=special_tokens, truncate=truncate)
    return read_all(Order(model.options(), prompt, stack.stack, output, force, top), survey)


@app.command()
def models(
    json: Annotated[bool, Option("--json", help="As JSON, sizes in bytes.")] = False,
) -> int:
    """List the bundled models and those in the Hugging Face cache."""
    from attntui.cli.models import list_models

    return list_models(json)


@app.command()
def keys() -> int:
    """List every key of the screen, with the name by which the config file can change it."""
    from attntui.cli.keys import list_keys

    return list_keys()


@app.command()
def doctor(
    json: Annotated[bool, Option("--json", help="As JSON, for a bug report.")] = False,
) -> int:
    """Check what this terminal and this machine can do.

    The exit status is 2 where something must be mended.
    """
    from attntui.cli.doctor import examine

    return examine(sys.stdout, json)


@app.command(hidden=True)
def engine(
    silence: Annotated[
        float | None,
        Option(metavar="SECONDS", help="End after this long without a word from the screen."),
    ] = None,
) -> int:
    """Answer a screen elsewhere on standard input and output: what --ssh starts at the far end."""
    options = [] if silence is None else ["--silence", str(silence)]
    os.execv(sys.executable, [sys.executable, "-P", "-m", "attntui.engine", *options])
