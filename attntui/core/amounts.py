"""Amounts as people read them."""

from collections.abc import Callable

from attntui.core.protocol import Progress
from attntui.core.tokens import sanitise


def human_bytes(count: float) -> str:
    """`512 B`, `1.5 MB`: powers of 1000, as disks and the hub count."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 99.5 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def human_time(seconds: float) -> str:
    """`45 s`, `2 min 5 s`, `1 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def how_far(progress: Progress) -> str:
    """`downloading 1.2 GB of 4.0 GB, 25.0 MB/s, 1 min 52 s left`, `layer 3 of 12`."""
    stage, note = sanitise(progress.stage), sanitise(progress.note)
    show: Callable[[float], str] = human_bytes if progress.unit == "B" else str
    if not progress.total:
        parts = [f"{stage} {show(progress.done)}" if progress.done else stage]
    else:
        parts = [f"{stage} {show(progress.done)} of {show(progress.total)}"]
    if progress.rate:
        left = human_time((progress.total - progress.done) / progress.rate)
        parts += [f"{show(progress.rate)}/s", f"{left} left"]
    return ", ".join([*parts, note] if note else parts)
