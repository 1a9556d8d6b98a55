"""What was measured of one way at one length, and the ratios that are made of it."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.bench.child import Failure, Figure


class Spread(NamedTuple):
    """The middle of repeated figures, and the least and the most of them."""

    median: float
    least: float
    most: float


def spread(figures: Sequence[float]) -> Spread:
    return Spread(statistics.median(figures), min(figures), max(figures))


class Result(msgspec.Struct):
    """Seconds, and bytes: of one way on one model at one length; empty where not measured."""

    shape: str
    tokens: int
    way: str
    recorded: int
    """Bytes of q, k and v of all layers."""
    pairs: list[tuple[float, float]] = []
    """The plain forward, and the first picture after it."""
    plain: list[float] = []
    another: list[float] = []
    """From asking for another head to its picture."""
    overview: list[float] = []
    """The same, of the whole prompt."""
    plain_peak: int | None = None
    peak: int | None = None
    """The most memory of a run above what was held before it, the plain forward's and the way's."""
    failure: Failure | None = None

    def take(self, figures: Iterable[Figure]) -> None:
        """Keep what a child measures, up to where it ends."""
        for figure in figures:
            if "picture" in figure:
                self.pairs.append((figure["plain"], figure["picture"]))
            elif "plain" in figure:
                self.plain.append(figure["plain"])
            for name in ("another", "overview"):
                if name in figure:
                    getattr(self, name).append(figure[name])
            for name in ("plain_peak", "peak"):
                if name in figure:
                    setattr(self, name, figure[name])

    @property
    def times(self) -> Spread | None:
        """First pictures as multiples of the plain forward that ran just before."""
        if not self.pairs:
            return None
        return spread([picture / plain for plain, picture in self.pairs])

    @property
    def memory(self) -> float | None:
        """Peak memory above the plain forward's as a multiple of the bytes of q, k and v."""
        if self.peak is None or self.plain_peak is None:
            return None
        return (self.peak - self.plain_peak) / self.recorded


class Report(msgspec.Struct):
    """One run of the benchmark."""

    machine: str
    device: str
    versions: dict[str, str]
    command: str
    limits: str
    results: list[Result] = []


def save(report: Report, file: Path) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))


def load(file: Path) -> Report:
    return msgspec.json.decode(file.read_bytes(), type=Report)
