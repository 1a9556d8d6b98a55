"""The commands and their options; the work is in modules imported when called."""

import sys
from typing import Annotated, Literal

from typer import Argument, Option

from attntui.cli.comparisons import COMPARISONS
from attntui.cli.experiments import EXPERIMENTS
from attntui.cli.generation import GenerationChoice
from attntui.cli.lens import LensChoice
from attntui.cli.looking import EditChoice, PictureChoice, ReadingChoice, ViewChoice
from attntui.cli.opening import with_screen
from attntui.cli.options import ModelChoice, PromptChoice, StackChoice, StartChoice, spread
from attntui.cli.places import Parallel, Ranks

app = with_screen()


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
    generation: GenerationChoice,
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
    predict: Annotated[
        int,
        Option(
            min=0,
            metavar="N",
            help="List the N likeliest tokens at the query, too; of a model that writes on also how"
            " likely the query's own token was.",
            show_default=False,
        ),
    ] = 0,
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
            generation=generation.order(),
            query=query,
            top=top,
            predict=predict,
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
    generation: GenerationChoice,
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
            generation=generation.order(),
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


for command in (*EXPERIMENTS, *COMPARISONS):
    app.command()(command)


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
    ranks: Ranks = None,
    parallel: Parallel = None,
) -> int:
    """Answer a screen elsewhere on standard input and output: what --ssh starts at the far end.

    Under torchrun each of its processes is one rank; with --ranks it starts torchrun itself.
    """
    from attntui.cli.engine import become_engine

    become_engine(silence, ranks, parallel)
