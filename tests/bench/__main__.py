"""Every figure of the README's performance tables: attntui beside what users would otherwise pick.

    python -m tests.bench [--quick] [--models gpt2 llama] [--lengths 1024 4096] [--only attntui]
                          [--device cuda] [--results FILE] [--from FILE] [--write]

Each peer gets a virtual environment of its own, made once. Every way runs the same weights on the
same prompt in processes of its own, under limits of time and memory: a way that exceeds one has
failed at this length, and is not tried at longer ones. Asserts nothing. Let nothing else run.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.bench import environments, machine, ours, table
from tests.bench.child import Child, Failure, Limits
from tests.bench.memory import TIGHT
from tests.bench.models import SHAPES, Shape, built, give_prompt
from tests.bench.results import Report, Result, load, save

ROOT = environments.ROOT
PEER = Path(__file__).with_name("peer.py")
WAYS = (table.OURS, *environments.PEERS)


def main() -> None:
    chosen = options()
    report = load(chosen.earlier) if chosen.earlier else measured(chosen)
    print(f"\n{table.section(report)}")
    if chosen.write:
        table.write(ROOT / "README.md", report)


def options() -> argparse.Namespace:
    about = __doc__.splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=about)
    add = parser.add_argument
    add("--quick", action="store_true", help="a tiny model, few repeats: whether all of it works")
    add("--models", nargs="+", choices=SHAPES, help="default: gpt2 llama, on a GPU 8b")
    add("--lengths", nargs="+", type=int, metavar="TOKENS", help="default: each model's own")
    add("--only", nargs="+", choices=WAYS, default=WAYS, metavar="WAY", help=", ".join(WAYS))
    add("--repeats", type=int, help="first pictures, each after a plain forward; default 5")
    add("--moves", type=int, help="keys pressed for another head; default 30")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="cuda is untested")
    add("--dtype", help="default: float32, on a GPU bfloat16")
    add("--seconds", type=float, default=600, help="limit of one figure; default 600")
    add("--gib", type=float, default=20, help="limit of a way's memory; default 20")
    add("--environments", type=Path, default=environments.FOLDER, metavar="FOLDER")
    add("--results", type=Path, metavar="FILE", help="keep all figures here, as JSON")
    add("--from", type=Path, dest="earlier", metavar="FILE", help="measure nothing; kept figures")
    add("--write", action="store_true", help="write the tables into the README")
    chosen = parser.parse_args()
    on_gpu = chosen.device == "cuda"
    chosen.models = chosen.models or (
        ["tiny"] if chosen.quick else ["8b"] if on_gpu else ["gpt2", "llama"]
    )
    chosen.repeats = chosen.repeats or (2 if chosen.quick else 5)
    chosen.moves = chosen.moves or (5 if chosen.quick else 30)
    chosen.dtype = chosen.dtype or ("bfloat16" if on_gpu else "float32")
    return chosen


def measured(chosen: argparse.Namespace) -> Report:
    """Measure every way on every model at every length, and say each as it comes."""
    limits = Limits(chosen.seconds, int(chosen.gib * 2**30))
    report = Report(
        machine.machine(),
        chosen.device,
        machine.versions(),
        shlex.join(["python", "-m", "tests.bench", *sys.argv[1:]]),
        f"a way fails that takes over {chosen.seconds:g} s for one figure or over"
        f" {chosen.gib:g} GiB",
    )
    interpreters: dict[str, str | Failure] = {}
    for way in (way for way in chosen.only if way != table.OURS):
        interpreters[way] = _interpreter(way, chosen.environments)
        if isinstance(found := interpreters[way], str):
            report.versions[way] = environments.version(way, found)
    for name in chosen.models:
        with built(SHAPES[name], chosen.dtype, chosen.device) as folder:
            for result in _each(SHAPES[name], folder, chosen, limits, interpreters):
                report.results.append(result)
                print(table.line(result), flush=True)
                if chosen.results:
                    save(report, chosen.results)
    return report


def _interpreter(way: str, folder: Path) -> str | Failure:
    print(f"environment of {environments.PEERS[way].name}", flush=True)
    try:
        return environments.python(way, folder)
    except environments.CannotInstall as error:
        return Failure("error", f"does not install: {error}")


def _each(
    shape: Shape,
    folder: Path,
    chosen: argparse.Namespace,
    limits: Limits,
    interpreters: dict[str, str | Failure],
) -> Iterator[Result]:
    """Every way at every length; none at a longer one than it failed at."""
    failed: set[str] = set()
    for tokens in chosen.lengths or shape.lengths:
        give_prompt(folder, shape, tokens)
        for way in (way for way in chosen.only if way not in failed):
            item = 2 if chosen.dtype in {"float16", "bfloat16"} else 4
            result = Result(shape.name, tokens, way, shape.recorded(tokens, item))
            if way == table.OURS:
                ours.measure(result, shape, folder, chosen, limits)
            else:
                _peer(result, interpreters[way], folder, chosen, limits)
            if result.failure is not None:
                failed.add(way)
            yield result


def _peer(
    result: Result,
    interpreter: str | Failure,
    folder: Path,
    chosen: argparse.Namespace,
    limits: Limits,
) -> None:
    if isinstance(interpreter, Failure):
        result.failure = interpreter
        return
    command = [interpreter, "-P", str(PEER), result.way, str(folder), "--device", chosen.device]
    with Child([*command, "--repeats", str(chosen.repeats)], {}, limits) as child:
        result.take(child.figures())
        result.failure = child.failure
    if result.pairs:  # else it takes more than there is
        with Child([*command, "--memory"], TIGHT, limits) as child:
            result.take(child.figures())


if __name__ == "__main__":
    main()
