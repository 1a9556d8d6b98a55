"""As much of the Hugging Face hub as its client uses for models, on loopback, and what goes wrong.

By hand, with models in folders ORG/NAME below FOLDER:

    python -m tests.loopback_hub FOLDER --port 8080 --rate 3e6 --mishap cut:5e6 --mishap stall:9e6
    HF_ENDPOINT=http://127.0.0.1:8080 HF_HOME=/tmp/cache attntui -m ORG/NAME
"""

import argparse
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

SHA = "a" * 40
BLOCK = 2**15


class Mishap(NamedTuple):
    """What becomes of one request for a large file, after some bytes."""

    how: Literal["cut", "stall"]
    after: int


@dataclass(frozen=True)
class Answer:
    """What is answered in a repository's place. `message` may quote the caller's {token}."""

    status: int
    code: str = ""
    message: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    files_only: bool = False
    """Whether the list of files is given all the same, as of gated models."""


GATED = Answer(403, "GatedRepo", files_only=True)
BAD_TOKEN = Answer(401, message="Invalid credentials in Authorization header")


class Hub(ThreadingHTTPServer):
    """`repositories` maps a name to a folder, `answers` a name to what is said instead."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.repositories: dict[str, Path] = {}
        self.answers: dict[str, Answer] = {}
        self.mishaps: deque[Mishap] = deque()
        """One for each request for a large file, in order; none left: all goes well."""
        self.rate: float | None = None
        """Bytes per second of a large file."""
        self.released = threading.Event()
        """Ends what stalls."""
        self.fetched: list[tuple[str, int]] = []
        """Files that were asked for, and from which byte on."""
        self.tokens: set[str] = set()
        """What came as authorisation."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A caller that is gone is no error."""


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.removeprefix("/api/models").strip("/").split("/")
        name, rest = "/".join(path[:2]), path[2:]
        self.server.tokens.add(self.headers.get("Authorization", "").removeprefix("Bearer "))
        is_file = rest[:1] == ["resolve"]
        answer = self.server.answers.get(name)
        if answer is not None and (is_file or not answer.files_only):
            return self._answer(answer)
        if name not in self.server.repositories:
            return self._answer(Answer(404, "RepoNotFound"))
        if len(rest) > 1 and rest[1] not in {"main", SHA}:
            return self._answer(Answer(404, "RevisionNotFound"))
        folder = self.server.repositories[name]
        if is_file:
            return self._file(folder / rest[-1])
        if rest[:1] == ["tree"]:
            if len(rest) > 2:
                return self._answer(Answer(404, "EntryNotFound"))
            return self._json([_entry(path) for path in sorted(folder.iterdir())])
        files = [_sibling(path) for path in sorted(folder.iterdir())]
        return self._json({"id": name, "sha": SHA, "siblings": files})

    def _file(self, path: Path) -> None:
        if not path.exists():
            return self._answer(Answer(404, "EntryNotFound"))
        size = path.stat().st_size
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{_sha256(path) if _is_large(path) else _short(path)}"')
        self.send_header("X-Repo-Commit", SHA)
        self.send_header("Content-Length", str(size - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        self.server.fetched.append((path.name, start))
        if not _is_large(path):
            self.wfile.write(path.read_bytes())
            return
        mishap = self.server.mishaps.popleft() if self.server.mishaps else None
        end = size if mishap is None else min(size, start + mishap.after)
        self._send(path, start, end)
        if mishap is not None and mishap.how == "stall":
            self.server.released.wait(60)
            self._send(path, end, size)

    def _send(self, path: Path, start: int, end: int) -> None:
        rate = self.server.rate
        with path.open("rb") as file:
            file.seek(start)
            while start < end:
                block = file.read(min(BLOCK, end - start))
                self.wfile.write(block)
                start += len(block)
                if rate:
                    time.sleep(len(block) / rate)

    def _answer(self, answer: Answer) -> None:
        token = self.headers.get("Authorization", "")
        text = answer.message.replace("{token}", token)
        data = json.dumps({"error": text}).encode()
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value.replace("{token}", token.removeprefix("Bearer ")))
        if answer.code:
            self.send_header("X-Error-Code", answer.code)
        if text:
            self.send_header("X-Error-Message", text)
        self._body(data)

    def _json(self, value: object) -> None:
        self.send_response(200)
        self._body(json.dumps(value).encode())

    def _body(self, data: bytes) -> None:
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _is_large(path: Path) -> bool:
    return path.suffix in {".safetensors", ".bin"}


@cache
def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _short(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


def _entry(path: Path) -> dict[str, Any]:
    """A file as the tree lists it."""
    size = path.stat().st_size
    entry = {"type": "file", "path": path.name, "size": size, "oid": "1"}
    if _is_large(path):
        entry["lfs"] = {"oid": _sha256(path), "size": size, "pointerSize": 134}
    return entry


def _sibling(path: Path) -> dict[str, Any]:
    """A file as the repository's own entry lists it."""
    size = path.stat().st_size
    sibling: dict[str, Any] = {"rfilename": path.name, "size": size}
    if _is_large(path):
        sibling["lfs"] = {"sha256": _sha256(path), "size": size, "pointerSize": 134}
    return sibling


@contextmanager
def serving(port: int = 0) -> Iterator[Hub]:
    """A hub that answers, until the end of the block."""
    hub = Hub(port)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        hub.released.set()
        hub.shutdown()
        hub.server_close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--mishap", action="append", default=[], help="cut:BYTES or stall:BYTES")
    parser.add_argument("--gated", action="append", default=[], help="ORG/NAME")
    parser.add_argument("--status", action="append", default=[], help="ORG/NAME:STATUS")
    chosen = parser.parse_args()
    with serving(chosen.port) as hub:
        for config in chosen.folder.glob("*/*/config.json"):
            hub.repositories["/".join(config.parent.parts[-2:])] = config.parent
        hub.rate = chosen.rate
        for text in chosen.mishap:
            how, _, after = text.partition(":")
            hub.mishaps.append(Mishap(how, int(float(after))))
        for name in chosen.gated:
            hub.answers[name] = GATED
        for text in chosen.status:
            name, _, status = text.rpartition(":")
            hub.answers[name] = Answer(int(status))
        print(hub.url, *hub.repositories, *hub.answers, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
