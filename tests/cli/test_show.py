"""`attntui show` with the real engine: the numbers and shades are transformers' eager attention."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.cells import cell_len
from transformers import AutoModelForCausalLM, AutoTokenizer

from attntui.demo import DEFAULT_PROMPT, MODELS
from tests.cli.conftest import Command, Result

QUIET = ["--device", "cpu", "--offline"]
JAPANESE = "吾輩は[MASK]である。名前はまだ無い。"
SHADES = "·░▒▓█"
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def eager() -> np.ndarray:
    """(layers, heads, n, n) of the bundled model on its own prompt, from transformers."""
    folder = MODELS["demo"].folder
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    ids = AutoTokenizer.from_pretrained(folder)(DEFAULT_PROMPT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        attention = model(ids, output_attentions=True).attentions
    return torch.cat(attention).numpy()


def said(done: Result) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def table(lines: list[str]) -> list[tuple[int, float]]:
    """(position, weight) of the lines under "attends to"."""
    start = next(at for at, line in enumerate(lines) if line.endswith("attends to")) + 1
    rows = (re.fullmatch(r" *\d+  .+?  +(\d+)  (\d\.\d{3}).*", line) for line in lines[start:])
    return [(int(row[1]), float(row[2])) for row in rows if row]


def test_shades_and_table_are_eager_attention(attntui: Command, eager: np.ndarray) -> None:
    lines = said(attntui("show", "--layer", "3", "--head", "1", "--top", "5", *QUIET))
    weights = eager[3, 1]
    count = len(weights)
    first = next(at for at, line in enumerate(lines) if line.startswith(" 0 "))
    for query, line in enumerate(lines[first : first + count]):
        shades = line[-2 * (query + 1) :: 2]
        levels = np.minimum((weights[query, : query + 1] * 5).astype(int), 4)
        assert shades == "".join(SHADES[level] for level in levels), line
    order = np.argsort(-weights[-1], kind="stable")[:5]
    found = table(lines)
    assert [position for position, _ in found] == order.tolist()
    np.testing.assert_allclose([weight for _, weight in found], weights[-1][order], atol=6e-4)


def test_a_mean_and_a_query_of_one_s_choice(attntui: Command, eager: np.ndarray) -> None:
    options = ["--mean", "--layer", "2", "--query", "7", "--top", "3"]
    found = table(said(attntui("show", *options, *QUIET)))
    weights = eager[2].mean(0)[7]
    order = np.argsort(-weights, kind="stable")[:3]
    assert [position for position, _ in found] == order.tolist()
    np.testing.assert_allclose([weight for _, weight in found], weights[order], atol=6e-4)


def test_a_long_prompt_is_pooled_until_it_fits(attntui: Command, eager: np.ndarray) -> None:
    lines = said(attntui("show", "--width", "30", "--layer", "0", "--head", "0", *QUIET))
    assert max(map(cell_len, lines)) <= 30
    assert "cells of 3 × 3" in " ".join(lines)
    first = next(at for at, line in enumerate(lines) if line.startswith(" 0 "))
    side = -(-len(eager[0, 0]) // 3)
    for row in range(side):
        cells = [
            eager[0, 0, 3 * row : 3 * row + 3, 3 * at : 3 * at + 3].max() for at in range(row + 1)
        ]
        shades = lines[first + row][-2 * (row + 1) :: 2]
        assert shades == "".join(SHADES[min(int(one * 5), 4)] for one in cells)


def test_japanese_stays_straight(attntui: Command) -> None:
    """In a head of the previous token, the full shade goes right by one cell a line."""
    options = ["-m", "demo-bert", "-p", JAPANESE, "--width", "60"]
    lines = said(attntui("show", *options, *QUIET))
    assert max(map(cell_len, lines)) <= 60
    rows = [next(line for line in lines if line.startswith(f"{at:>2} ")) for at in range(2, 14)]
    places = [cell_len(row[: row.index("█")]) for row in rows]
    assert np.diff(places).tolist() == [2] * 11, rows
    header = next(line for line in lines if "輩" in line)
    assert cell_len(header[: header.index("名")]) == places[6], header
    assert '4 "[MASK]" attends to' in lines, "the masked place is listed"


def test_in_colours_all_rows_are_as_wide(attntui: Command) -> None:
    options = ["-m", "demo-bert", "-p", JAPANESE, "--width", "80", "--style", "colour"]
    plain = [ESCAPES.sub("", line) for line in said(attntui("show", *options, *QUIET))]
    rows = [next(line for line in plain if line.startswith(f"{at:>2} ")) for at in range(14)]
    assert len({cell_len(row) for row in rows}) == 1 and cell_len(rows[0]) <= 80


def test_colours_only_where_they_are_wanted(faked: Command) -> None:
    line = ["show", "-m", "fake", "-p", "text"]
    assert "\x1b" not in faked(*line).stdout
    assert "\x1b" not in faked(*line, "--style", "shade", FORCE_COLOR="1").stdout
    coloured = faked(*line, "--style", "colour", NO_COLOR="1").stdout
    assert "\x1b[48;5;" in coloured
    assert set(ESCAPES.findall(coloured)) == set(re.findall(r"\x1b[^m]*m", coloured))


def test_text_is_the_prompt_and_its_shades(attntui: Command) -> None:
    done = attntui("show", "--text", "--width", "40", "--layer", "1", "--head", "2", *QUIET)
    lines = said(done)
    begin, end = lines.index(""), lines.index("", lines.index("") + 1)
    text = [line for line in lines[begin + 1 : end] if not set(line) <= {*SHADES, " "}]
    assert " ".join(" ".join(text).split()) == "<|endoftext|> " + DEFAULT_PROMPT
    under = next(at for at, line in enumerate(lines) if "█" in line)
    start = lines[under].index("█")
    assert lines[under - 1][start : start + 2] == "ir", "the induction head finds what followed"


def test_hostile_text_stays_text(faked: Command) -> None:
    prompt = "texts a|[red]|ESC]0;x\x07|b\x9b31m|\u202e|x y"
    for options in ([], ["--style", "colour"], ["--text"]):
        done = faked("show", "-m", "fake", "-p", prompt, *options)
        out = ESCAPES.sub("", "\n".join(said(done)))
        assert not any(raw in out for raw in ("\x1b", "\x07", "\x9b", "\u202e"))
        assert "[red]" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--mean --rollout", "show prints one view: choose --mean or --rollout"),
        ("--rollout --layer 1", "--rollout is of several layers: leave out --layer"),
        ("--mean --head 1", "--mean is of several heads: leave out --head"),
        ("--layer 9", "There is no layer 9: fake has layers 0 to 1"),
        ("--layer 0 --head 9", "There is no head 9: layer 0 of fake has heads 0 to 1"),
        ("--query 4", "There is no query 4: queries are 0 to 3"),
        ("--words", "words of this prompt are not known"),
        ("--width 3", "--width"),
        ("--residual 0.2", "--residual needs --rollout"),
        ("--attention cross", "has no cross attention"),
    ],
)
def test_what_cannot_be_shown_is_a_sentence(faked: Command, arguments: str, said: str) -> None:
    done = faked("show", "-m", "fake", "-p", "text", *arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("attntui: ") and said in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_terminal_s_width_and_colours(
    with_fake: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    """On a pty of 120 columns weights are written in wide cells, in colours unless NO_COLOR."""
    import fcntl
    import pty
    import struct
    import termios

    def shown(**variables: str) -> str:
        reader, writer = pty.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        process = subprocess.Popen(
            [*with_fake, "show", "-m", "fake", "-p", "tokens 40"],
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.DEVNULL,
            env=environment | {"TERM": "xterm-256color"} | variables,
            cwd=tmp_path,
        )
        os.close(writer)
        data = b""
        while True:
            try:
                piece = os.read(reader, 65536)
            except OSError:
                break
            if not piece:
                break
            data += piece
        os.close(reader)
        assert process.wait() == 0
        return data.decode()

    coloured = shown()
    assert "\x1b[48;5;" in coloured
    assert 80 < max(cell_len(ESCAPES.sub("", line)) for line in coloured.splitlines()) <= 120
    assert "\x1b" not in shown(NO_COLOR="1")
    assert "\x1b" not in shown(TERM="dumb")
