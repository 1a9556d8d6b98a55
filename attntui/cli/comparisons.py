"""The commands that set two runs beside each other, and say which heads differ."""

from typing import Annotated

from typer import Option

from attntui.cli.experiments import CsvFile, Force
from attntui.cli.looking import EditChoice
from attntui.cli.options import ModelChoice, OtherChoice, PromptChoice, StackChoice, spread


@spread
def compare(
    model: ModelChoice,
    other: OtherChoice,
    prompt: PromptChoice,
    stack: StackChoice,
    edits: EditChoice,
    query: Annotated[
        int | None,
        Option(
            min=0,
            metavar="N",
            help="The token whose predictions are compared: the masked place or the last one"
            " without it.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, Option(min=0, help="How many heads the table lists.")] = 10,
    output: CsvFile = None,
    force: Force = False,
) -> int:
    """Find which heads moved: the same text in two models, or without and with a change.

    With --compare MODEL, from --model to that one; with --adapter alone, from the model to it with
    the adapter; with --ablate or --cut, from the model as it is to it with that change.

    A head's change is the mean over queries of the Jensen-Shannon divergence of its rows, in bits,
    0 to 1 (Lin 1991). Where texts or tokenizers differ, tokens are laid beside each other by edit
    distance, and heads are compared by name where both models have them. Then what both predict,
    with the Kullback-Leibler divergence where their vocabularies are the same.

    .csv has the columns layer, head, divergence, n, the number of queries compared.
    """
    from attntui.cli.compare import Order
    from attntui.cli.compare import compare as compare_runs

    options = model.options()
    second = other.options(options)
    text = prompt.required(model.model)
    order = Order(
        model=options,
        other=second,
        edits=edits.edits,
        prompt=text,
        stack=stack.stack,
        query=query,
        top=top,
        output=output,
        force=force,
    )
    return compare_runs(order)


@spread
def order(
    model: ModelChoice,
    prompt: PromptChoice,
    stack: StackChoice,
    edits: EditChoice,
    output: CsvFile = None,
    top: Annotated[int, Option(min=0, help="How many heads of each kind are listed.")] = 10,
    force: Force = False,
) -> int:
    """Find which heads follow words, and which their places: swap neighbouring words.

    Every two words beside each other are swapped, one pair at a time, and each head's rows before
    and after are compared: with each word beside itself (by words), and with each place beside
    itself (by position), as Jensen-Shannon divergence in bits, 0 to 1. A head that looks at the
    token before has 1 by words and 0 by position: it follows order. The rows of the two words count
    as 1, others by the weight that they give those. A pair that becomes other tokens is left out.

    .csv has the columns layer, head, by_words, by_position, n; n counts the pairs.
    """
    from attntui.cli.order import Order
    from attntui.cli.order import order as swap_words

    wanted = prompt.required(model.model)
    return swap_words(Order(model.options(), wanted, stack.stack, edits.edits, output, force, top))


COMPARISONS = (compare, order)
"""In the order of the help."""
