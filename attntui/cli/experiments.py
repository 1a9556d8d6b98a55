"""The commands that find something out: what heads do, over texts, and what they are good for."""

from typing import Annotated, Literal

from typer import Argument, Option

from attntui.cli.lens import TargetChoice
from attntui.cli.looking import EditChoice
from attntui.cli.options import (
    ModelChoice,
    PromptChoice,
    SpecialTokens,
    StackChoice,
    Truncate,
    spread,
)
from attntui.core.errors import UserError

CsvFile = Annotated[
    str | None,
    Option(
        "--csv",
        "--output",
        "-o",
        metavar="FILE",
        help="A .csv of all that is found.",
        show_default=False,
    ),
]
Force = Annotated[bool, Option("--force", "-f", help="Replace an existing file.")]
LongFile = Annotated[
    str | None,
    Option(
        "--csv",
        "--output",
        "-o",
        metavar="FILE",
        help="A .csv of every head; interrupted work goes on from FILE.part.",
        show_default=False,
    ),
]
Jobs = Annotated[
    int,
    Option(
        min=1,
        max=1024,
        metavar="N",
        help="Spread the texts over so many engines, each with the whole model and a GPU of its own"
        " where there are enough.",
    ),
]
Anew = Annotated[bool, Option("--force", "-f", help="Replace an existing file, and begin anew.")]


def jobs_of(model: ModelChoice, jobs: int) -> int:
    """
    Raises:
        UserError: each of several engines would be split over ranks.
    """
    if jobs > 1 and model.ranks is not None:
        raise UserError("--jobs spreads texts, --ranks splits the model: give one of them.")
    return jobs


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
    output: LongFile = None,
    top: Annotated[int, Option(min=0, help="How many heads the table lists.")] = 10,
    jobs: Jobs = 1,
    force: Anew = False,
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
    return run_task(
        Order(model.options(), task, sets, ablate_with, output, force, top, jobs_of(model, jobs))
    )


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
    output: LongFile = None,
    top: Annotated[
        int | None,
        Option(
            min=0,
            help="How many the table lists: heads of each statistic (3), or relations (20).",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = 1,
    force: Anew = False,
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
    count = jobs_of(model, jobs)
    return read_all(Order(model.options(), prompt, stack.stack, output, force, top, count), survey)


@spread
def distance(
    model: ModelChoice,
    prompt: PromptChoice,
    stack: StackChoice,
    edits: EditChoice,
    beyond: Annotated[
        int, Option(min=0, metavar="TOKENS", help="Which share of the weight is further than this.")
    ] = 8,
    lengthen: Annotated[
        str,
        Option(
            metavar="LIST",
            help="Say the text so many times, 1,2,4: each as far as the model reads it.",
        ),
    ] = "1",
    output: CsvFile = None,
    force: Force = False,
) -> int:
    """Measure how far each layer and head looks, in this prompt and in longer ones.

    The mean distance is Σ w |i - j| / Σ w, in tokens (Vig & Belinkov 2019); beside it the share of
    the weight that is further away than --beyond. In a longer prompt each stretch of text between
    special tokens is said several times.

    .csv has the columns times, tokens, layer, head, distance, k, beyond.
    """
    from attntui.cli.distance import Order, measure, times_of

    return measure(
        Order(
            model.options(),
            prompt.required(model.model),
            stack.stack,
            edits.edits,
            beyond,
            times_of(lengthen),
            output,
            force,
        )
    )


@spread
def attribution(
    model: ModelChoice,
    prompt: PromptChoice,
    edits: EditChoice,
    target: TargetChoice,
    output: CsvFile = None,
    top: Annotated[int, Option(min=0, help="How many heads the table lists.")] = 10,
    force: Force = False,
) -> int:
    """Take a logit apart: what each head adds to it directly, and the rest (Elhage et al. 2021).

    The logit is the likeliest token's at the masked place or the last one, or --target's, less
    --foil's. All parts together are the logit. What a head does through later layers is not in its
    part. It needs a model whose logit is such a sum, as in gpt2 or llama.

    .csv has the columns layer, head, contribution: every head; then, in place of a head, embedding
    (what came into the first layer), other (a layer's other sublayer and biases), bias (those at
    the end) and logit, the sum.
    """
    from attntui.cli.attribution import Order, attribute

    return attribute(
        Order(
            model.options(),
            prompt.required(model.model),
            edits.edits,
            target.order(),
            output,
            force,
            top,
        )
    )


@spread
def logit_lens(
    model: ModelChoice,
    prompt: PromptChoice,
    edits: EditChoice,
    target: TargetChoice,
    output: CsvFile = None,
    top: Annotated[int, Option(min=1, help="How many tokens are listed for each layer.")] = 5,
    force: Force = False,
) -> int:
    """Show what the model would say after each layer (nostalgebraist 2020).

    Each layer's output goes through the model's own last norm and head. rank, from 1, and p are
    those of its last answer at the masked place or the last token, or of --target; with --foil,
    foil_rank and how much larger the target's logit is.

    .csv has the columns layer, rank, p, logit, foil_rank, logit_difference, and for each of the
    likeliest token_1, p_1 and so on. The layer before the first is called embedding.
    """
    from attntui.cli.logit_lens import Order, print_lens

    return print_lens(
        Order(
            model.options(),
            prompt.required(model.model),
            edits.edits,
            target.order(),
            output,
            force,
            top,
        )
    )


EXPERIMENTS = (ablate, scan, distance, attribution, logit_lens)
"""In the order of the help."""
