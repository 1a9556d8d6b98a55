"""One file of any kind, filled from a run."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, get_args

from attntui.client.questions import OnProgress
from attntui.core.amounts import human_bytes
from attntui.core.errors import UserError
from attntui.core.scale import Scale
from attntui.export.formats import FORMATS, FormatName
from attntui.export.matrices import Numbers
from attntui.export.numbers import write_numbers
from attntui.export.pictures import Picture, PictureName, take_picture
from attntui.export.source import Source

Kind = FormatName | PictureName
NUMBERS: tuple[FormatName, ...] = get_args(FormatName)
PICTURES: tuple[PictureName, ...] = get_args(PictureName)
TEXTS = ("json", "csv", "svg", "html")
"""Kinds that are text, which a terminal or a pipe can take."""


@dataclass(frozen=True)
class Looks:
    """How a picture looks; `size` is width and height in inches, None for what fits."""

    scale: Scale = "linear"
    size: tuple[float, float] | None = None
    dpi: int = 200


def kind_of(path: str) -> Kind:
    """The kind of file that a path names by its suffix.

    Raises:
        UserError: no kind has this suffix.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    for kind in (*NUMBERS, *PICTURES):
        if suffix == kind:
            return kind
    known = ", ".join(f".{kind}" for kind in (*NUMBERS, *PICTURES[:-1]))
    raise UserError(f"{path} has no known suffix: export writes {known} and .{PICTURES[-1]}.")


async def fill(
    stream: BinaryIO,
    kind: Kind,
    source: Source,
    numbers: Numbers,
    looks: Looks,
    progress: OnProgress = None,
) -> tuple[str, ...]:
    """Write `numbers` to `stream`, or a picture of them; sentences that the user should know.

    Raises:
        UserError: the model has not what is wanted, a picture would be too large, or matplotlib
            is not installed.
    """
    if kind in FORMATS:
        file = FORMATS[kind](stream)
        try:
            await write_numbers(source, numbers, file, progress)
        finally:
            file.abandon()
        return ()
    picture = await take_picture(
        source, numbers.tower, numbers.sections, numbers.reading, looks.scale, progress
    )
    # Drawing takes seconds, and a screen that waits for it must live on.
    return await asyncio.to_thread(_draw, picture, stream, kind, looks)


def _draw(picture: Picture, stream: BinaryIO, kind: Kind, looks: Looks) -> tuple[str, ...]:
    if kind == "svg" or kind == "png":
        from attntui.export.pictures.figure import draw_figure

        return draw_figure(picture, stream, kind, looks.size, looks.dpi)
    from attntui.export.pictures.page import write_page

    size = write_page(picture, stream, looks.size)
    panels, (down, across) = len(picture.panels), picture.panels[0].weights.shape
    return (f"the page holds {panels} x {down} x {across} weights, {human_bytes(size)}.",)
