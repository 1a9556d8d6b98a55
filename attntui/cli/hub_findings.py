"""Where models come from and where they are kept. A token is never shown."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from attntui.cli.findings import Finding
from attntui.core.amounts import human_bytes

HOME = "https://huggingface.co"
LITTLE = 5e9


def find() -> Iterator[Finding]:
    from huggingface_hub import constants, get_token

    yield _cache(Path(constants.HF_HUB_CACHE))
    token = bool(get_token())
    yield _endpoint(constants.ENDPOINT, token)
    if token:
        yield Finding("ok", "token", "present")
    else:
        yield Finding("note", "token", "none: gated models need one (hf auth login).")
    if constants.HF_HUB_OFFLINE or os.environ.get("TRANSFORMERS_OFFLINE"):
        yield Finding("note", "offline", "HF_HUB_OFFLINE is set: nothing will be downloaded.")


def _cache(folder: Path) -> Finding:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    text = f"{folder}, {human_bytes(free)} free"
    if not os.access(there, os.W_OK):
        return Finding(
            "problem", "cache", f"{text}: not writable; set HF_HOME to a folder that is."
        )
    if free < LITTLE:
        return Finding("note", "cache", f"{text}: set HF_HOME to a larger disk for large models.")
    return Finding("ok", "cache", text)


def _endpoint(address: str, token: bool) -> Finding:
    # Without its user name and password, should it have any.
    parts = urlsplit(address)
    shown = f"{parts.scheme}://{parts.hostname or ''}"
    if address.rstrip("/") == HOME:
        return Finding("ok", "hub", f"{shown} (not contacted)")
    warning = " and is sent your token" if token else ""
    return Finding("note", "hub", f"HF_ENDPOINT: models come from {shown}{warning}.")
