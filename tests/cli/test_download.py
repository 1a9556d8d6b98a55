"""The first download as a command line shows it: a real engine, a hub on loopback."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import PROMPT
from tests.cli.test_interrupt import gone, wait_until
from tests.loopback_hub import Answer, Hub, Mishap, serving

TOKEN = "planted-secret-of-a-mirror"
NAME = "tests/tiny"
SHOW = (sys.executable, "-m", "attntui", "show", "-m", NAME, "-p", PROMPT)
"""With an engine of its own: one whose imports are done knows another hub."""


@pytest.fixture
def hub(gpt2: Path, environment: dict[str, str]) -> Iterator[Hub]:
    """A hub with a model; commands ask it, with a token."""
    with serving() as server:
        server.repositories[NAME] = gpt2
        environment |= {"HF_ENDPOINT": server.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": TOKEN}
        yield server


def fetching(folder: Path) -> list[int]:
    """The processes that fetch into a cache below `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            home = f"HOME={folder}".encode() in (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"attntui.engine.fetch" in command and home:
            found.append(int(process.name))
    return found


def test_no_output_and_no_log_holds_the_token(
    environment: dict[str, str], hub: Hub, tmp_path: Path
) -> None:
    hub.answers[NAME] = Answer(
        403,
        message="{token} is refused",
        headers=(("X-Request-Id", "{token}"), ("Location", "http://x/?token={token}")),
    )
    done = subprocess.run(
        SHOW,
        env=environment | {"HF_DEBUG": "1"},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "(status 403)" in done.stderr
    assert TOKEN in hub.tokens, "it was sent"
    assert TOKEN not in done.stdout + done.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]


def test_ctrl_c_keeps_what_came_and_leaves_no_process(
    environment: dict[str, str], hub: Hub, tmp_path: Path
) -> None:
    hub.mishaps.append(Mishap("stall", 2**15))
    screen, end = pty.openpty()
    process = subprocess.Popen(
        SHOW,
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=end,
    )
    os.close(end)
    shown = b""
    try:
        while b"downloading tests/tiny 3" not in shown:
            shown += os.read(screen, 2**12)
        children = fetching(tmp_path)
        assert len(children) == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        while b"are here" not in shown:
            shown += os.read(screen, 2**12)
        assert re.search(rb"attntui: 3\d.. kB of \d+ kB are here; another try goes on", shown)
        wait_until(lambda: all(map(gone, children)))
    finally:
        process.kill()
        os.close(screen)
    started = next((tmp_path / ".cache").rglob("*.incomplete"))
    assert started.stat().st_size == 2**15
