"""One large file over HTTP, which goes on where an earlier try stopped.

The hub's client keeps nothing of a file that it could not finish (since 1.18 each try writes to a
file of its own name and removes it: https://github.com/huggingface/huggingface_hub/pull/4228), and
xet keeps nothing either. So the large files are put into its cache here, under the name that it
looks for, `blobs/SHA256`; a started one is `SHA256.attntui.incomplete` until it is whole.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from filelock import Timeout
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import WeakFileLock, build_hf_headers

from attntui.engine.bars import Bar

BLOCK = 2**22
"""Bytes read at once where a file is checked."""
OTHERS = "waiting for another program that fetches the same file"
CHECKING = "checking what was fetched before"


class Damaged(OSError):
    """A file is not the one that the hub names."""


class Blob(NamedTuple):
    """A file of a repository, and where the cache keeps it."""

    url: str
    sha256: str
    size: int
    folder: Path
    """A repository's `blobs`."""

    @property
    def path(self) -> Path:
        return self.folder / self.sha256

    @property
    def started(self) -> Path:
        return self.folder / f"{self.sha256}.attntui.incomplete"

    @property
    def here(self) -> int:
        """Bytes on this machine."""
        if self.path.exists():
            return self.size
        return min(self.started.stat().st_size, self.size) if self.started.exists() else 0

    @property
    def lock(self) -> Path:
        """The file that the hub's client locks, too, while it fetches."""
        repository = self.folder.parent
        return repository.parent / ".locks" / repository.name / f"{self.sha256}.lock"


def complete(blob: Blob, got: Callable[[int], None], say: Callable[[str], None]) -> None:
    """Fetch what is missing of a file; `got` is told bytes as they come, `say` what else is done.

    Raises:
        Damaged: what is here now was not what the hub names, and was thrown away.
        Exception: as the hub's client raises; what came is kept.
    """
    blob.folder.mkdir(parents=True, exist_ok=True)
    blob.lock.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            with WeakFileLock(blob.lock, timeout=1):
                return _complete(blob, got, say)
        except Timeout:
            say(OTHERS)


def _complete(blob: Blob, got: Callable[[int], None], say: Callable[[str], None]) -> None:
    if blob.path.exists():
        return
    before = blob.started.stat().st_size if blob.started.exists() else 0
    if before > blob.size:
        raise _thrown_away(blob)
    seen = before

    def tell(bar: Bar) -> None:
        nonlocal seen
        got(int(bar.n) - seen)
        seen = int(bar.n)

    with blob.started.open("ab") as file:
        http_get(
            blob.url,
            file,
            resume_size=before,
            headers=build_hf_headers(),
            expected_size=blob.size,
            tqdm_class=partial(Bar, tell=tell),
        )
    # A machine that went down may have kept a file's length and not its content.
    if before and not _is_whole(blob, say):
        raise _thrown_away(blob)
    blob.started.replace(blob.path)


def _thrown_away(blob: Blob) -> Damaged:
    blob.started.unlink()
    return Damaged("what was here was damaged, and was thrown away")


def _is_whole(blob: Blob, say: Callable[[str], None]) -> bool:
    digest = hashlib.sha256()
    with blob.started.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            say(CHECKING)
    return digest.hexdigest() == blob.sha256
