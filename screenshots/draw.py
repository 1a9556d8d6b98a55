"""Draws the pictures in this folder from the real app, the real engine and the bundled models.

    python screenshots/draw.py [NAME ...]

Each picture is written as SVG and, where `rsvg-convert` is at hand, as PNG (the README shows the
PNG: a web page may not load the font that an SVG asks for).
"""

import asyncio
import html
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

os.environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"
os.environ.pop("NO_COLOR", None)

from rich.cells import cell_len
from textual.pilot import Pilot

from attntui.core.protocol import ModelOptions, PromptInput
from attntui.demo import JAPANESE_MASKED_PROMPT
from attntui.ui.app import AttnApp
from attntui.ui.screens.main import MainScreen
from attntui.ui.start import Start

HERE = Path(__file__).parent
WIDE, NARROW = (120, 36), (80, 24)
QUIET = 2.0
"""Seconds without a change after which a picture is complete."""
CELL = 12.2
"""Columns are so many units wide in the SVG that Textual writes."""
TEXT = re.compile(
    r'<text(?P<head> class="[^"]*" )x="(?P<x>[^"]*)"(?P<tail> y="[^"]*") textLength="[^"]*"'
    r'(?: clip-path="[^"]*")?>(?P<content>[^<]*)</text>'
)
WORD = re.compile(r"[!-~]+|[\xa0 ]+|.")
FONTS = "DejaVu Sans Mono, Noto Sans Mono CJK JP, Noto Color Emoji, monospace"


@dataclass(frozen=True)
class Picture:
    """A model, a size, a prompt (None: the model's own), and the keys to press first."""

    model: str
    size: tuple[int, int] = WIDE
    prompt: str | None = None
    keys: tuple[str, ...] = ()
    pair: str | None = None
    theme: Literal["dark", "light"] = "dark"
    style: Literal["auto", "shade"] = "auto"


PAIR = "The boy lost his dog.", "He looked for it in the garden."
DOOR = "The boy opened the door and went into the garden."
STORY = (
    "There was once a queen who loved Doctor Mirabel. The queen lived in a house by the sea, and"
    " every morning she looked out of the window to see whether the doctor would come.\n\n"
    "One day the wind blew so hard that the boats could not leave the harbour. The queen put on her"
    " cloak and went down to the water. There was nobody there but an old woman with a basket."
    ' "Have you seen Doctor Mirabel?" asked the queen. "Every day Doctor Mir'
)


PICTURES: dict[str, Picture] = {
    "demo-120x36": Picture("demo", keys=("o", "o")),
    "demo-80x24": Picture("demo", NARROW),
    "demo-light-120x36": Picture("demo", theme="light"),
    "demo-shades-120x36": Picture("demo", style="shade"),
    "lines-120x36": Picture("demo", keys=("2", "Z", "greater_than_sign", "greater_than_sign")),
    "text-120x36": Picture("demo", prompt=STORY, keys=("3",)),
    "layer-120x36": Picture("demo", keys=("4",)),
    "model-120x36": Picture("demo", keys=("5", "o", "o", "S")),
    "neuron-120x36": Picture("demo", keys=("6",)),
    "pair-120x36": Picture(
        "demo-bert", prompt=PAIR[0], pair=PAIR[1], keys=("ctrl+home", "down", "p", "p", "G", "s")
    ),
    "difference-120x36": Picture(
        "demo", keys=("g", *"0.2", "enter", "x", "shift+down", "D", "D", "s")
    ),
    "beside-120x36": Picture("demo", prompt=DOOR, keys=("K", "down", "enter")),
    "writing-120x36": Picture("demo", keys=(*"..:", *"8", "enter", "up", "up")),
    "distance-120x36": Picture("demo", keys=("7", "enter")),
    "demo-bert-120x36": Picture("demo-bert"),
    "demo-bert-80x24": Picture("demo-bert", NARROW),
    "demo-bert-japanese-120x36": Picture("demo-bert", prompt=JAPANESE_MASKED_PROMPT),
}


async def draw(picture: Picture) -> str:
    """The picture as SVG, once nothing is waited for any more."""
    prompt = PromptInput(text=picture.prompt, pair=picture.pair) if picture.prompt else None
    start = Start(theme=picture.theme, style=picture.style)
    app = AttnApp(ModelOptions(model=picture.model), prompt, start)
    async with app.run_test(size=picture.size) as pilot:
        main = app.screen_stack[0]
        assert isinstance(main, MainScreen)
        while main.look.run is None:
            await pilot.pause(0.05)
        await app.workers.wait_for_complete()
        for key in picture.keys:
            await pilot.press(key)
            await app.workers.wait_for_complete()
        return await settled(app, pilot, f"attntui --model {picture.model}")


async def settled(app: AttnApp, pilot: Pilot[int], title: str) -> str:
    """The screen as SVG, once it has stayed the same for a while; answers take their time."""
    drawn, since = "", time.monotonic()
    while time.monotonic() - since < QUIET:
        await pilot.pause(0.1)
        if (now := app.export_screenshot(title=title)) != drawn:
            drawn, since = now, time.monotonic()
    return drawn


def local_fonts(svg: str) -> str:
    """The SVG with fonts of this machine in place of ones from the network, and spaces kept."""
    svg = re.sub(r"@font-face \{.*?\n    \}\n", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]*;", f"font-family: {FONTS};", svg)
    return TEXT.sub(placed, svg)


def placed(text: re.Match[str]) -> str:
    """One text as several, each word and each wide character in its own place.

    `rsvg-convert` knows no `textLength`, so a character from another font would shift the rest.
    """
    pieces, x = [], float(text["x"])
    for word in WORD.findall(html.unescape(text["content"])):
        if word.strip("\xa0 "):
            pieces.append(f'<text{text["head"]}x="{x:g}"{text["tail"]}>{html.escape(word)}</text>')
        x += cell_len(word) * CELL
    return "".join(pieces)


def write(name: str, svg: str) -> None:
    path = HERE / f"{name}.svg"
    path.write_text(local_fonts(svg), encoding="utf-8")
    print(path.name)
    if shutil.which("rsvg-convert"):
        subprocess.run(["rsvg-convert", path, "-o", path.with_suffix(".png")], check=True)


def main(names: list[str]) -> None:
    for name in names or PICTURES:
        write(name, asyncio.run(draw(PICTURES[name])))


if __name__ == "__main__":
    main(sys.argv[1:])
