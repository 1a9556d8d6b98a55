"""`python -m attntui.engine.fetch`: fetch a repository's files, in a process that can be ended.

The hub's client has no cancel, and a connection that hangs cannot be taken back from a thread.
Asked by one JSON line on descriptor 0, it answers by JSON lines on 1, and ends when 0 closes.
Nothing here imports torch.
"""

import logging
import os
import re
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Literal

import msgspec
from huggingface_hub import HfApi, constants, hf_hub_url, snapshot_download
from huggingface_hub.errors import RevisionNotFoundError
from huggingface_hub.hf_api import ModelInfo
from msgspec.structs import replace

from attntui.core.amounts import human_bytes
from attntui.core.errors import TryAgain, UserError
from attntui.core.tokens import sanitise
from attntui.engine import endpoint, files, hub_refusals
from attntui.engine.bars import Bar
from attntui.engine.fetch_words import Broken, Fetched, Got, Needs, Refused, Told, Wanted
from attntui.engine.partial import Blob, Damaged, complete
from attntui.engine.redaction import redact_errors, redacted

CHUNK = 2**15
"""Bytes between two signs of life, and the most that a cut loses. The client's own 10 MB take
minutes over a slow line."""
WORKERS = 8
"""Files at once, as the hub's client has it."""
INTERVAL = 0.1
"""Seconds between two counts."""
Tell = Callable[[Told], None]


class Count:
    """Bytes on this machine, counted from several threads; a thread of its own tells of them."""

    def __init__(self, here: int, tell: Tell) -> None:
        self.breaks = 0
        self._here = here
        self._bars: list[Bar] = []
        self._said: Got | None = None
        self._tell = tell
        self._lock = threading.Lock()
        threading.Thread(target=self._keep_telling, args=(self.got,), daemon=True).start()

    @property
    def got(self) -> Got:
        # The client counts the same bytes on two bars: from the network, and to disk.
        small = max((int(bar.n) for bar in self._bars), default=0)
        return Got(self._here + small, breaks=self.breaks)

    def add(self, count: int) -> None:
        with self._lock:
            self._here += count

    def say(self, doing: str, hold: float = 0.0) -> None:
        """Tell what else is done, see `Got`."""
        self._said = replace(self.got, doing=doing, hold=hold)

    def bar(self, *items: object, **options: object) -> Bar:
        """A bar for the client."""
        bar = Bar(*items, tell=lambda _: None, **options)
        if bar.unit == "B":
            self._bars.append(bar)
        return bar

    def _keep_telling(self, last: Got) -> None:
        while True:
            time.sleep(INTERVAL)
            said, self._said = self._said, None
            told = said or self.got
            if said or told != last:
                self._tell(told)
                last = told


class Waits(logging.Handler):
    """Tells of what the client only logs: that it asks anew, and how long it waits before."""

    WAIT = re.compile(r"(Rate limited\. Waiting|Retrying in) ([\d.]+)s")

    def __init__(self, count: Count) -> None:
        super().__init__()
        self._count = count

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        found = self.WAIT.match(text)
        if found is not None:
            seconds = float(found[2])
            why = "had too many requests" if found[1].startswith("Rate") else "did not answer well"
            self._count.say(f"the hub {why} and is asked again in {seconds:.0f} s", seconds)
        elif "Trying to resume" in text:
            self._count.breaks += 1


def fetch(wanted: Wanted, tell: Tell) -> Path:
    """The snapshot's folder, once all wanted files are in it."""
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK
    # What xet has begun cannot be gone on with, and it may hang without an end:
    # https://github.com/huggingface/xet-core/issues/898
    constants.HF_HUB_DISABLE_XET = True
    info = HfApi().model_info(
        wanted.model,
        revision=wanted.revision,
        files_metadata=True,
        timeout=constants.HF_HUB_ETAG_TIMEOUT,
    )
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    names = wanted.names or tuple(files.needed(sizes, wanted.model, wanted.remote_code))
    repository = Path(constants.HF_HUB_CACHE, f"models--{wanted.model.replace('/', '--')}")
    snapshot = repository / "snapshots" / str(info.sha)
    missing = [name for name in names if name in sizes and not (snapshot / name).exists()]
    blobs = {name: blob for name, blob in _large(info, repository).items() if name in missing}
    total = sum(sizes[name] for name in names if name in sizes)
    left = sum(sizes[name] - (blobs[name].here if name in blobs else 0) for name in missing)
    tell(Needs(total, total - left))
    check_disk(left, repository)
    count = Count(total - left, tell)
    logging.getLogger("huggingface_hub").addHandler(Waits(count))

    def rest(chosen: list[str]) -> Path:
        folder = snapshot_download(
            wanted.model, revision=wanted.revision, allow_patterns=chosen, tqdm_class=count.bar
        )
        return Path(folder)

    # The small files first, and with them the list of all: offline it says what is missing.
    rest([name for name in names if name not in blobs])
    workers = ThreadPoolExecutor(WORKERS)
    for done in as_completed(
        [workers.submit(complete, blob, count.add, count.say) for blob in blobs.values()]
    ):
        done.result()
    return rest(list(names))


def _large(info: ModelInfo, repository: Path) -> dict[str, Blob]:
    """The files that the hub keeps as large ones, whose name in the cache is known beforehand."""
    return {
        file.rfilename: Blob(
            hf_hub_url(info.id, file.rfilename, revision=info.sha),
            file.lfs.sha256,
            file.lfs.size,
            repository / "blobs",
        )
        for file in info.siblings or ()
        if file.lfs is not None
    }


def check_disk(needed: int, folder: Path) -> None:
    """
    Raises:
        UserError: the disk that holds `folder` has fewer than `needed` bytes left.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"The download needs {human_bytes(needed)} and {sanitise(str(folder))} has "
            f"{human_bytes(free)} left: free some, or set HF_HOME to a folder on another disk."
        )


def refused(error: Exception, wanted: Wanted, has_begun: bool) -> Refused | Broken:
    """What is told of a failure, without secrets."""
    causes = tuple(hub_refusals.chain(error))
    if has_begun and _is_cut(causes):
        sentence = f"the line to {endpoint.host()} broke"
        said = str(error) if isinstance(error, Damaged) else sentence
        return Refused(redacted(said), "cut", True)
    known = error
    if not isinstance(error, UserError):
        known = hub_refusals.of_hub(error, wanted.model, wanted.revision)
    if not isinstance(known, UserError):
        return Broken(redacted("".join(traceback.format_exception(error))))
    is_final = known is error or any(isinstance(each, RevisionNotFoundError) for each in causes)
    kind: Literal["final", "unanswered"] = "final" if is_final else "unanswered"
    return Refused(redacted(str(known)), kind, isinstance(known, TryAgain))


def _is_cut(causes: tuple[BaseException, ...]) -> bool:
    if any(getattr(cause, "response", None) is not None for cause in causes):
        return False  # the hub did answer
    lost = any(isinstance(each, Damaged) or "Consistency check" in str(each) for each in causes)
    return lost or any(map(hub_refusals.is_network, causes))


def main() -> None:
    """Answer one request, and end."""
    answers = os.dup(1)
    os.dup2(2, 1)
    redact_errors()
    wanted = msgspec.json.decode(sys.stdin.buffer.readline(), type=Wanted)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    has_begun, lock = False, threading.Lock()

    def tell(told: Told) -> None:
        nonlocal has_begun
        has_begun = has_begun or isinstance(told, Needs)
        with lock:
            os.write(answers, msgspec.json.encode(told) + b"\n")

    try:
        last: Told = Fetched(str(fetch(wanted, tell)))
    except Exception as error:
        last = refused(error, wanted, has_begun)
    tell(last)
    os._exit(0)  # threads may be in the middle of a file


def _leave_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
