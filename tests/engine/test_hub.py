"""Repositories from a hub on this machine's loopback: the real client, no network."""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, snapshot_download

from attntui.core.protocol import Cancel, Failed, Load, Loaded, ModelOptions, Progress
from attntui.engine.download import Download

SHA = "a" * 40


class Hub(ThreadingHTTPServer):
    """As much of the hub's protocol as its client uses for models.

    `repositories` maps a name to a folder; `gated` names answer 403. `gate` holds back weights
    until it is set, so that a test can look at a download in the middle.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Path] = {}
        self.gated: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.fetched: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0].removeprefix("/api/models").strip("/").split("/")
        name, rest = "/".join(path[:2]), path[2:]
        if name in self.server.gated:
            return self._refuse(403, "GatedRepo")
        if name not in self.server.repositories:
            return self._refuse(404, "RepoNotFound")
        if len(rest) > 1 and rest[1] not in {"main", SHA}:
            return self._refuse(404, "RevisionNotFound")
        folder = self.server.repositories[name]
        if not rest or rest[0] == "revision":
            return self._json({"id": name, "sha": SHA, "siblings": self._files(folder)})
        if rest[0] == "tree":
            if len(rest) > 2:
                return self._refuse(404, "EntryNotFound")
            return self._json(
                [
                    {"type": "file", "path": each["rfilename"], "size": each["size"], "oid": "1"}
                    for each in self._files(folder)
                ]
            )
        return self._resolve(folder, rest[-1])

    def _files(self, folder: Path) -> list[dict[str, Any]]:
        return [{"rfilename": path.name, "size": path.stat().st_size} for path in folder.iterdir()]

    def _resolve(self, folder: Path, file: str) -> None:
        if not (folder / file).exists():
            return self._refuse(404, "EntryNotFound")
        data = (folder / file).read_bytes()
        self.send_response(200)
        self.send_header("ETag", hashlib.sha1(data).hexdigest())
        self.send_header("X-Repo-Commit", SHA)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.server.fetched.append(file)
        if file.endswith(".safetensors"):
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.server.gate.wait(20)
            data = data[len(data) // 2 :]
        try:
            self.wfile.write(data)
        except OSError:
            pass

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@pytest.fixture(scope="module")
def hub(tiny: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("repositories")

    def copy(name: str) -> Path:
        server.repositories[f"tests/{name}"] = folder / name
        shutil.copytree(tiny("gpt2"), folder / name)
        return folder / name

    whole = copy("whole")
    (whole / "pytorch_model.bin").write_bytes(b"never to be fetched")
    (whole / "model.gguf").write_bytes(b"never to be fetched")
    (whole / "run_me.py").write_text("raise SystemExit")
    copy("other")
    weights = copy("cut") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    (copy("bare") / "model.safetensors").rename(folder / "bare" / "model.gguf")
    server.gated.add("tests/gated")
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def engine(start_engine: Any, hub: Hub, cache: Path) -> Iterator[Any]:
    """An engine whose hub is ours, its cache empty, a token in its environment."""
    with start_engine(
        HF_ENDPOINT=hub.url, HF_HOME=str(cache), HF_HUB_OFFLINE="0", HF_TOKEN="hf_secret"
    ) as pipe:
        yield pipe


def load(engine: Any, model: str, **more: Any) -> Any:
    options = ModelOptions(model=model, device="cpu", **more)
    return engine.ask(Load(options))[0]


def refusal(reply: Any) -> str:
    assert isinstance(reply, Failed), reply
    assert reply.kind == "user", reply
    assert "hf_secret" not in reply.message
    return reply.message


def test_the_first_download_shows_bytes_and_fetches_what_is_needed(engine: Any, hub: Hub) -> None:
    engine.progress.clear()
    loaded = load(engine, "tests/whole")
    assert isinstance(loaded, Loaded), loaded
    assert loaded.model.revision == SHA
    assert loaded.model.name == "tests/whole"
    sizes = {path.name: path.stat().st_size for path in hub.repositories["tests/whole"].iterdir()}
    unwanted = {"pytorch_model.bin", "model.gguf", "run_me.py"}
    assert not unwanted & set(hub.fetched)
    steps = [each for each in engine.progress if each.stage == "downloading"]
    total = sum(size for name, size in sizes.items() if name not in unwanted)
    assert {(each.total, each.unit) for each in steps} == {(total, "B")}
    done = [each.done for each in steps]
    assert done == sorted(done) and done[-1] <= total


def test_bytes_are_counted_once(
    hub: Hub, work: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's two bars, of the network and of the disk, count the same bytes."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    download = Download(work)
    fetched = download.run(
        lambda: snapshot_download(
            "tests/whole",
            endpoint=hub.url,
            cache_dir=tmp_path,
            tqdm_class=download.bar,
            allow_patterns=["*.safetensors", "*.json"],
        )
    )
    assert download.done == sum(path.stat().st_size for path in Path(fetched).iterdir()) > 0


def test_a_second_load_fetches_nothing_and_needs_no_network(
    engine: Any, hub: Hub, start_engine: Any, cache: Path
) -> None:
    assert isinstance(load(engine, "tests/whole"), Loaded)
    before = list(hub.fetched)
    assert isinstance(load(engine, "tests/whole", offline=True), Loaded)
    assert isinstance(load(engine, "tests/whole", revision=SHA), Loaded)
    assert hub.fetched == before


def test_a_dead_hub_means_the_cached_copy_and_says_so(
    engine: Any, start_engine: Any, cache: Path
) -> None:
    assert isinstance(load(engine, "tests/whole"), Loaded)
    dead = {"HF_ENDPOINT": "http://127.0.0.1:1", "HF_HUB_OFFLINE": "0"}
    with start_engine(**dead, HF_HOME=str(cache)) as pipe:
        loaded = load(pipe, "tests/whole")
        assert isinstance(loaded, Loaded), loaded
        assert any("copy on this machine" in note for note in loaded.model.notes)
        message = refusal(load(pipe, "tests/other"))
        assert "cannot be reached" in message


def test_what_the_hub_refuses_is_one_sentence(engine: Any) -> None:
    assert "accept its terms" in refusal(load(engine, "tests/gated"))
    assert "There is no model 'tests/absent'" in refusal(load(engine, "tests/absent"))
    assert "no revision 'v9'" in refusal(load(engine, "tests/whole", revision="v9"))
    assert "is not on this machine" in refusal(load(engine, "tests/other", offline=True))
    assert "neither a folder" in refusal(load(engine, "no spaces allowed"))
    assert "llama.cpp" in refusal(load(engine, "tests/bare"))


def test_cut_weights_are_noticed(engine: Any) -> None:
    message = refusal(load(engine, "tests/cut"))
    assert "cut short" in message and "download it again" in message


def test_a_download_can_be_cancelled_and_tried_again(engine: Any, hub: Hub) -> None:
    hub.gate.clear()
    try:
        options = ModelOptions(model="tests/other", device="cpu")
        call = engine.send(Load(options))
        while True:
            answer, _ = engine.read()
            assert isinstance(answer.reply, Progress)
            if answer.reply.stage == "downloading":
                break
        engine.send(Cancel(call))
        assert engine.reply_to(call)[0] == Failed("cancelled", "Cancelled.")
    finally:
        hub.gate.set()
    assert isinstance(load(engine, "tests/other"), Loaded)
