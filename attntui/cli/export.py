"""`attntui export`: a model's attention on one prompt, as numbers or a picture in a file."""

import asyncio
from dataclasses import dataclass, replace
from typing import BinaryIO

from attntui.cli.aim import aimed
from attntui.cli.generation import Generation
from attntui.cli.lens import LensOrder
from attntui.cli.progress import ProgressLine
from attntui.cli.tracing import traced
from attntui.core.errors import UserError
from attntui.core.protocol import Basis, Edits, ModelOptions, PromptInput, Reading, Stack
from attntui.core.selection import Selection, parse_selection
from attntui.export.file import NUMBERS, PICTURES, TEXTS, Kind, Looks, fill, kind_of
from attntui.export.formats import FORMATS
from attntui.export.matrices import Numbers, Wanted, sections
from attntui.export.space import check_space
from attntui.export.tower import choose_tower
from attntui.export.write import STDOUT, whole_file


@dataclass(frozen=True)
class Order:
    """What a file shall hold. `layers` and `heads` as on the command line."""

    model: ModelOptions
    prompt: PromptInput
    stack: Stack | None
    layers: str
    heads: str
    wanted: Wanted
    reading: Reading
    edits: Edits
    lens: LensOrder | None
    generation: Generation | None
    statistics: Basis | None
    logits: bool
    looks: Looks


def export_file(order: Order, output: str, format_: Kind | None, force: bool) -> int:
    """Write what is ordered to `output`; everything that can be checked early is.

    Raises:
        UserError: a bad list, output, model, prompt, layer or head.
        EngineGone, EngineFault: the engine failed; its log is in the error's notes.
    """
    kind = format_ or _kind_of(output)
    selections = parse_selection(order.layers, "--layers"), parse_selection(order.heads, "--heads")
    _check_kind(order, kind, output)
    with whole_file(output, force) as stream, ProgressLine() as line:
        asyncio.run(_export(order, selections, stream, kind, output, line))
    return 0


def statistics_basis(wanted: bool, basis: Basis | None) -> Basis | None:
    """What statistics are measured on; None where none are wanted.

    Raises:
        UserError: a basis of statistics that are not wanted.
    """
    if basis is not None and not wanted:
        raise UserError("--statistics-on needs --statistics.")
    return (basis or "prompt") if wanted else None


def _kind_of(output: str) -> Kind:
    if output == STDOUT:
        raise UserError("Standard output has no suffix: add --format, such as --format csv.")
    try:
        return kind_of(output)
    except UserError as error:
        raise UserError(f"{error} Or name a --format.") from None


def _check_kind(order: Order, kind: Kind, output: str) -> None:
    """
    Raises:
        UserError: something is wanted that this kind of file has no place for.
    """
    if output == STDOUT and kind not in TEXTS:
        raise UserError(
            f"{_article(kind)} cannot go to standard output; {', '.join(TEXTS)} can, by --format."
        )
    more = {"--statistics": order.statistics is not None, "--logits": order.logits}
    attention_only = kind in PICTURES or (kind in FORMATS and FORMATS[kind].matrices_only)
    for option, is_wanted in more.items():
        if is_wanted and attention_only:
            raise UserError(
                f"{_article(kind)} holds attention only; {option} goes into .npz, .safetensors or"
                " .json."
            )
    if order.lens is not None and kind in PICTURES:
        raise UserError(
            f"{_article(kind)} shows attention only; --lens goes into .npz, .safetensors, .json or"
            " .csv."
        )
    looks = {
        "--size": order.looks.size is not None,
        "--scale": order.looks.scale != Looks().scale,
        "--dpi": order.looks.dpi != Looks().dpi,
    }
    for option, is_wanted in looks.items():
        if is_wanted and (kind in NUMBERS or (option == "--dpi" and kind != "png")):
            where = "a .png" if option == "--dpi" else "pictures: .svg, .png and .html"
            raise UserError(f"{option} is for {where}.")
    if kind in ("svg", "png"):
        from attntui.export.pictures.figure import check_matplotlib, check_pixels

        check_matplotlib()
        if kind == "png" and order.looks.size is not None:
            check_pixels(order.looks.size, order.looks.dpi)


def _article(kind: Kind) -> str:
    return f"An .{kind}" if kind in ("npz", "svg") else f"A .{kind}"


async def _export(
    order: Order,
    selections: tuple[Selection, Selection],
    stream: BinaryIO,
    kind: Kind,
    output: str,
    line: ProgressLine,
) -> None:
    async with traced(order.model, order.prompt, order.edits, line, order.generation) as source:
        wanted = order.wanted
        if order.lens is not None:
            wanted = replace(wanted, lens=(await aimed(order.lens, source, line))[0])
        tower = choose_tower(
            source.model, source.run, order.stack, *selections, words=order.reading.words
        )
        for sentence in (*source.remarks, *tower.remarks):
            line.say(sentence)
        numbers = Numbers(
            tower,
            sections(tower, _shown(wanted) if kind in PICTURES else wanted),
            order.reading,
            order.statistics,
            order.logits,
        )
        if kind in FORMATS:
            check_space(output, numbers.weights * FORMATS[kind].bytes_per_weight)
        for sentence in await fill(stream, kind, source, numbers, order.looks, line):
            line.say(sentence)


def _shown(wanted: Wanted) -> Wanted:
    """What a picture shows: heads, or in their place whatever else is wanted."""
    others = wanted.mean or wanted.mean_of or wanted.rollout
    return replace(wanted, attention=not others)
