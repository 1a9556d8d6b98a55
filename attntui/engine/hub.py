"""Where a model's files are: a folder, a bundled model, or a repository that is fetched first.

Only the files that are needed are fetched: repositories often hold the same weights in several
formats. Later steps read the local copy alone.
"""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, get_cached_repo_tree, snapshot_download
from huggingface_hub.errors import CachedRepoTreeNotFoundError, IncompleteSnapshotError

from attntui.core.amounts import human_bytes
from attntui.core.errors import UserError
from attntui.core.protocol import ModelOptions
from attntui.core.tokens import sanitise
from attntui.engine import endpoint, files, hub_refusals, refusals
from attntui.engine.download import Download, NotFetched
from attntui.engine.fetch_words import Wanted
from attntui.engine.model import Work

SHOWN = 3
"""Missing files that are named."""


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
    host, *beyond = name.rpartition("://")[2].split("?")[0].split("/")
    if "://" in name or host in endpoint.OWN:
        parts = [part for part in beyond if part]
        is_short = parts[1:2] in (["tree"], ["blob"], ["resolve"])
        parts = parts[: 1 if is_short else 2]
        wanted = f": {sanitise('/'.join(parts))}" if parts else ", such as gpt2"
        raise UserError(f"A model of the hub is named without the hub's address{wanted}.")
    if _looks_local(name):
        raise UserError(f"There is no folder '{sanitise(name)}' on this machine.")
    if name.startswith("demo") and "/" not in name:
        bundled = " and ".join(MODELS)
        raise UserError(f"There is no model '{sanitise(name)}'; the bundled ones are {bundled}.")
    return _fetch(options, work)


def _looks_local(name: str) -> bool:
    return name.startswith(("/", "./", "../", "~", ".")) or name.count("/") > 1 or "\\" in name


def _fetch(options: ModelOptions, work: Work) -> Source:
    offline = options.offline or hub_refusals.OFFLINE
    # Parts of transformers ask the hub on their own account; this stops them too.
    constants.HF_HUB_OFFLINE = offline
    notes: tuple[str, ...] = ()
    wanted = Wanted(options.model, options.revision, options.trust_remote_code)
    if offline:
        folder = cached(wanted)
    else:
        folder, notes = newest(wanted, work)
    # A folder of that name in the working directory would be taken for the model.
    reference = str(folder) if Path(options.model).exists() else options.model
    return Source(reference, folder, options.model, folder.name, notes)


def newest(wanted: Wanted, work: Work) -> tuple[Path, tuple[str, ...]]:
    """The hub's snapshot, or the one on this machine where the hub does not give it."""
    notes = tuple(note for note in (endpoint.note(),) if note)
    try:
        return Download(wanted, work).run(), notes
    except NotFetched as refused:
        if refused.final:
            raise refused.error from None
        try:
            folder = cached(wanted)
        except UserError:
            raise refused.error from None
        return folder, (*notes, "The hub did not answer for it: this is the copy on this machine.")


def cached(wanted: Wanted) -> Path:
    """The folder on this machine that holds all that is wanted; no network is asked.

    Raises:
        UserError: it is not here, or a part of it is missing.
    """
    try:
        folder = Path(
            snapshot_download(
                wanted.model,
                revision=wanted.revision,
                local_files_only=True,
                allow_patterns=list(wanted.names) or ["config.json"],
            )
        )
    except IncompleteSnapshotError as error:
        folder = Path(error.snapshot_path)
    except Exception as error:
        raise hub_refusals.of_hub(error, wanted.model, wanted.revision, True) from error
    missing = _missing(wanted, folder)
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise UserError(
            f"{sanitise(wanted.model)} is on this machine in part only, and the network is off "
            f"({hub_refusals.switch()}); missing: {', '.join(missing[:SHOWN])}{more}. Load it once "
            "with the network."
        )
    return folder


def _missing(wanted: Wanted, folder: Path) -> list[str]:
    """The names of wanted files that are not in a snapshot's folder, safe to show."""
    here = [path.name for path in folder.iterdir() if path.exists()]  # links to blobs
    try:
        sizes = {
            file.path: file.size
            for file in get_cached_repo_tree(wanted.model, revision=folder.name)
        }
    except CachedRepoTreeNotFoundError:  # it came by another way than `fetch`
        if wanted.names:
            return []
        lacks = ["config.json"] if "config.json" not in here else []
        return lacks if files.weights(here) else [*lacks, "the weights"]
    names = wanted.names or files.needed(sizes, wanted.model, wanted.remote_code)
    return [
        f"{sanitise(name)} ({human_bytes(sizes[name])})"
        for name in names
        if name in sizes and not (folder / name).exists()
    ]
