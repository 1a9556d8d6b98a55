"""`attntui models`: what can be opened without a download."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attntui.cli.table import aligned
from attntui.core.amounts import human_bytes
from attntui.demo import MODELS

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo, CachedRevisionInfo

WEIGHTS = (".safetensors", ".bin")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class LocalModel:
    """A model on this machine. `architecture` is empty where its config says none."""

    name: str
    architecture: str
    size: int
    note: str


def list_models(as_json: bool) -> int:
    """Print every model on this machine, one a line."""
    found = [*bundled(), *cached()]
    if as_json:
        print(json.dumps([asdict(model) for model in found], indent=1))
    else:
        rows = [(one.name, one.architecture or "-", _size(one.size), one.note) for one in found]
        print(aligned([("model", "architecture", "size", "note"), *rows]))
    return 0


def bundled() -> Iterator[LocalModel]:
    """The models that travel with the package."""
    for name, model in MODELS.items():
        size = sum(path.stat().st_size for path in model.folder.glob("*") if path.is_file())
        complete = any(model.folder.glob("*.safetensors"))
        note = model.description if complete else "its weights are missing: reinstall attntui"
        yield LocalModel(name, architecture(model.folder), size, note)


def cached() -> Iterator[LocalModel]:
    """The models in the Hugging Face cache, by name."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cache = scan_cache_dir()
    except (CacheNotFound, ValueError, OSError):
        return
    for repo in sorted(cache.repos, key=lambda repo: repo.repo_id.lower()):
        if repo.repo_type == "model":
            yield _cached_model(repo)


def _cached_model(repo: "CachedRepoInfo") -> LocalModel:
    newest = max(repo.revisions, key=lambda one: (_is_main(one), one.last_modified), default=None)
    if newest is None:
        return LocalModel(repo.repo_id, "", repo.size_on_disk, "incomplete: nothing downloaded")
    note = _lack(Path(newest.snapshot_path))
    started = sum(
        part.stat().st_size for part in Path(repo.repo_path, "blobs").glob("*.incomplete")
    )
    if started:
        held = f"holds {human_bytes(started)} of an interrupted download"
        note = f"{note}; {held}" if note else held
    return LocalModel(
        repo.repo_id, architecture(Path(newest.snapshot_path)), repo.size_on_disk, note
    )


def _is_main(revision: "CachedRevisionInfo") -> bool:
    return "main" in revision.refs


def _lack(snapshot: Path) -> str:
    """What a snapshot lacks to be loaded; empty where it is complete."""
    if not (snapshot / "config.json").exists():
        return "incomplete: no config.json"
    for index in INDEXES:
        shards = set(read_json(snapshot / index).get("weight_map", {}).values())
        missing = [shard for shard in shards if not (snapshot / str(shard)).exists()]
        if missing:
            return f"incomplete: {len(missing)} of {len(shards)} weight files missing"
    # A broken link to a blob does not exist.
    if not any(path.suffix in WEIGHTS and path.exists() for path in snapshot.glob("*")):
        return "incomplete: no weights"
    return ""


def architecture(folder: Path) -> str:
    """The model class a folder's config.json names; empty where it names none."""
    names = read_json(folder / "config.json").get("architectures")
    return str(names[0]) if isinstance(names, list) and names else ""


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _size(size: int) -> str:
    return human_bytes(size) if size else "-"
