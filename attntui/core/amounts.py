"""Amounts as people read them."""


def human_bytes(count: float) -> str:
    """`512 B`, `1.5 MB`: powers of 1000, as disks and the hub count."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 99.5 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
