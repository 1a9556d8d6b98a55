"""Where a model's files are: a folder, a bundled model, or a repository that is fetched first.

Only the files that are needed are fetched: repositories often hold the same weights in several
formats. Later steps read the local copy alone.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import RevisionNotFoundError

from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions
from attntui.core.tokens import sanitise
from attntui.engine import files, refusals
from attntui.engine.download import Download
from attntui.engine.model import Cancelled, Work

OFFLINE = constants.HF_HUB_OFFLINE
"""Whether the environment forbids the network (HF_HUB_OFFLINE)."""


@dataclass(frozen=True)
class Source:
    """A model's files on this machine."""

    reference: str
    """What `from_pretrained` takes: the repository's name, or the folder's path."""
    folder: Path
    name: str
    revision: str | None = None
    """The commit of a repository's snapshot."""
    notes: tuple[str, ...] = ()


def locate(options: ModelOptions, work: Work) -> Source:
    """Find a model's files, and fetch them where they are not here.

    Raises:
        UserError: there is no such folder or repository, or it cannot be had.
        Cancelled: the call was given up.
    """
    from attntui.demo import MODELS

    name = options.model
    if not name.strip():
        raise UserError("No model is named: give a Hugging Face id, a folder, or demo.")
    path = MODELS[name].folder if name in MODELS else Path(name).expanduser()
    if path.is_dir() and (name in MODELS or _looks_local(name) or any(path.iterdir())):
        if options.revision is not None:
            raise UserError("A folder has no revisions: leave out --revision.")
        return Source(str(path), path, name)
    if path.is_file():
        raise refusals.single_file(path)
    if _looks_local(name):
        raise UserError(f"There is no folder '{sanitise(name)}' on this machine.")
    return _fetch(options, work)


def _looks_local(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~", ".")) or name.count("/") > 1 or "\\" in name


def _fetch(options: ModelOptions, work: Work) -> Source:
    offline = options.offline or OFFLINE
    # Parts of transformers ask the hub on their own account; this stops them too.
    constants.HF_HUB_OFFLINE = offline
    notes: tuple[str, ...] = ()
    try:
        if offline:
            folder = _cached(options)
        else:
            folder, notes = _newest(options, work)
    except (UserError, Cancelled):
        raise
    except Exception as error:
        raise refusals.of_hub(error, options, offline) from error
    # A folder of that name in the working directory would be taken for the model.
    reference = str(folder) if Path(options.model).exists() else options.model
    return Source(reference, folder, options.model, folder.name, notes)


def _newest(options: ModelOptions, work: Work) -> tuple[Path, tuple[str, ...]]:
    """The hub's snapshot, or the one on this machine where the hub does not give it."""
    try:
        return _snapshot(options, work), ()
    except (UserError, Cancelled, RevisionNotFoundError):
        raise
    except Exception as error:
        try:
            folder = _cached(options)
        except OSError:
            raise error from None
        return folder, ("The hub did not answer for it: this is the copy on this machine.",)


def _snapshot(options: ModelOptions, work: Work) -> Path:
    """Fetch what is missing of a repository.

    Raises:
        Exception: the hub cannot be reached, or does not give it.
    """
    work.progress("asking the hub")
    download = Download(work)
    info = download.run(
        lambda: HfApi().model_info(options.model, revision=options.revision, files_metadata=True)
    )
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    wanted = files.needed(sizes, options.model, options.trust_remote_code)
    cache = Path(constants.HF_HUB_CACHE)
    snapshot = cache / f"models--{options.model.replace('/', '--')}" / "snapshots" / str(info.sha)
    download.total = sum(sizes[name] for name in wanted if not (snapshot / name).exists())
    check_disk(download.total, cache)
    fetched = download.run(
        lambda: snapshot_download(
            options.model,
            revision=options.revision,
            allow_patterns=wanted,
            tqdm_class=download.bar,
        )
    )
    return Path(fetched)


def _cached(options: ModelOptions) -> Path:
    """The snapshot on this machine; which of its files are needed is checked later."""
    return Path(
        snapshot_download(
            options.model,
            revision=options.revision,
            local_files_only=True,
            allow_patterns=["config.json"],
        )
    )


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
            f"The download needs {refusals.size(needed)} and {sanitise(str(folder))} has "
            f"{refusals.size(free)} left: free some, or set HF_HOME to a folder on another disk."
        )
