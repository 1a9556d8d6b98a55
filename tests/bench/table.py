"""The README's performance section, written between two marks."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.bench.environments import PEERS
from tests.bench.results import Report, Result, Spread, spread

OURS = "attntui"
NONE = "–"
Cell = Callable[[Result], str]


class NoPlace(Exception):
    """The file has no marks, or not in order."""


def marks(device: str) -> tuple[str, str]:
    """Between which lines the tables of a kind of device stand: one run leaves others' alone."""
    return f"<!-- benchmark {device} -->", f"<!-- /benchmark {device} -->"


def write(file: Path, report: Report) -> None:
    """Put a report between its marks in a file.

    Raises:
        NoPlace: the file has no such marks.
    """
    begin, end = marks(report.device)
    before, begun, rest = file.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise NoPlace(f"{file} has no {begin} … {end} to write the tables between.")
    file.write_text(f"{before}{begin}\n{section(report)}\n{end}{after}")


def section(report: Report) -> str:
    """Everything that stands between the marks."""
    peers = [f"{PEERS[way].name} {report.versions[way]}" for way in PEERS if way in report.versions]
    libraries = [f"{name} {report.versions[name]}" for name in report.versions if name not in PEERS]
    paragraphs = [
        f"Measured on {report.machine}, {report.device}: {', '.join([*libraries, *peers])}. Random"
        f" weights, one prompt of random words, one run of `{report.command}`; {report.limits}.",
        "**Time to the first picture**, as a multiple of the plain SDPA forward that ran just"
        " before: median (least to most).",
        table(report, first_picture),
        "**Most memory above the plain forward**, as a multiple of the bytes of q, k and v.",
        table(report, memory),
        "**Another head**, in milliseconds: median (most).",
        table(report, another, {OURS: "attntui, the window in sight"}, overview),
    ]
    return "\n\n".join(paragraphs)


def table(
    report: Report, cell: Cell, names: dict[str, str] | None = None, extra: Cell | None = None
) -> str:
    """Ways down, lengths across; `extra` is one more line about attntui."""
    places = list(dict.fromkeys((result.shape, result.tokens) for result in report.results))
    ways = [way for way in (OURS, *PEERS) if any(each.way == way for each in report.results)]
    known = {(each.way, each.shape, each.tokens): each for each in report.results}
    lines = [
        ["", *(f"{shape}, {tokens:,}" for shape, tokens in places)],
        ["---", *("---:" for _ in places)],
    ]
    for way in ways:
        name = (names or {}).get(way) or (OURS if way == OURS else PEERS[way].name)
        lines.append([name, *_cells(known, way, places, cell)])
        if way == OURS and extra is not None:
            lines.append(["attntui, the whole prompt", *_cells(known, way, places, extra)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(
    known: dict[tuple[str, str, int], Result],
    way: str,
    places: Iterable[tuple[str, int]],
    cell: Cell,
) -> list[str]:
    found = [known.get((way, *place)) for place in places]
    return [NONE if result is None else cell(result) for result in found]


def line(result: Result) -> str:
    """One result, as it comes."""
    cells = (first_picture, memory, another, overview)
    figures = (f"{cell(result):>22}" for cell in cells)
    return f"{result.shape:12}{result.tokens:>7,} {result.way:17}{''.join(figures)}"


def first_picture(result: Result) -> str:
    """A way that fails says so here, and only here."""
    if result.times is not None:
        return times(result.times)
    return NONE if result.failure is None else f"fails: {result.failure.words}"


def memory(result: Result) -> str:
    return NONE if result.memory is None else f"{result.memory:.2f}"


def another(result: Result) -> str:
    return milliseconds(result.another)


def overview(result: Result) -> str:
    return milliseconds(result.overview)


def times(found: Spread) -> str:
    return f"{_short(found.median)} ({_short(found.least)} to {_short(found.most)})"


def milliseconds(seconds: Sequence[float]) -> str:
    if not seconds:
        return NONE
    found = spread([each * 1e3 for each in seconds])
    return f"{found.median:,.0f} ({found.most:,.0f})"


def _short(number: float) -> str:
    """Three figures, and all of those before the point."""
    return f"{number:.2f}" if number < 10 else f"{number:,.0f}"
