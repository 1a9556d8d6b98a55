"""The way to an engine on another machine: a real sshd where there is one, else what stands in."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from attntui.client.engine import Engine, EngineGone
from attntui.client.questions import load, matrix_rows, trace
from attntui.client.ssh import connected
from attntui.core.errors import UserError
from attntui.core.protocol import Head, ModelOptions, PromptInput
from tests.terminal.conftest import runs

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
ROOT = Path(__file__).parents[2]
STAND_IN = """#!/bin/sh
# As ssh: options, a host, a command for the shell at the far end.
while [ "${1#-}" != "$1" ]; do
    [ "$1" = -O ] && exit 0
    shift
done
shift
export SHELL=/bin/sh HOME=@HOME@
@BEFORE@
exec /bin/sh -c "$*"
"""
PROMPT = PromptInput(text="When Mary and John went")


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """attntui at the far end."""
    command = f'PYTHONPATH={ROOT} exec {sys.executable} -m attntui "$@"'
    folder = tmp_path / "far end"
    folder.mkdir()
    return script(folder / "attntui", f"#!/bin/sh\n{command}\n")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program in ssh's place that runs the command here, after some lines of shell."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")

    def put(before: str = "") -> None:
        text = STAND_IN.replace("@BEFORE@", before).replace("@HOME@", f"'{tmp_path}'")
        script(tmp_path / "bin" / "ssh", text)

    put()
    return put


@pytest.mark.usefixtures("stand_in")
async def test_an_engine_is_started_at_the_far_end(program: Path) -> None:
    with connected("box", str(program)) as place:
        engine = Engine(place)
        await engine.start()
        assert (place.name, engine.alive) == ("box", True)
        await engine.stop()


@pytest.mark.usefixtures("stand_in")
def test_what_is_below_the_home_there(program: Path) -> None:
    with connected("box", "~/far end/attntui") as place:
        assert f"exec '{program}' engine --silence 90" in place.argv[-1]


@pytest.mark.usefixtures("stand_in")
def test_ranks_are_started_at_the_far_end(program: Path) -> None:
    with connected("box", str(program), ("--ranks", "2", "--parallel", "pipeline")) as place:
        assert place.argv[-1].endswith(" engine --silence 90 --ranks 2 --parallel pipeline")


@pytest.mark.usefixtures("stand_in")
def test_a_login_that_prints_does_not_hide_the_program(program: Path, tmp_path: Path) -> None:
    (tmp_path / ".profile").write_text(f"echo Welcome; PATH='{program.parent}':$PATH")
    with connected("box") as place:
        assert str(program) in place.argv[-1]


@pytest.mark.parametrize(
    ("before", "program", "said"),
    [
        (
            "echo 'ssh: Could not resolve hostname b\x1bx: Name unknown.' >&2; exit 255",
            None,
            "box cannot be reached: Could not resolve hostname b␛x: Name unknown.",
        ),
        ("exit 255", None, "box cannot be reached."),
        ("PATH=/nowhere", None, "attntui was not found on box: install it there, or say where"),
        ("", "/nowhere/attntui", "/nowhere/attntui was not found on box"),
        ("echo hello; exit 0", None, "attntui was not found on box"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    stand_in: Callable[[str], None], before: str, program: str | None, said: str
) -> None:
    stand_in(before)
    with pytest.raises(UserError, match=f"^{said}"), connected("box", program):
        pass


def test_an_option_is_no_host() -> None:
    with (
        pytest.raises(UserError, match="'-oProxyCommand=x' is no host"),
        connected("-oProxyCommand=x"),
    ):
        pass


async def test_a_lost_line_is_said_as_one(stand_in: Callable[[str], None], program: Path) -> None:
    with connected("box", str(program)) as place:
        stand_in("echo 'client_loop: send disconnect: Broken pipe' >&2; exit 255")
        with pytest.raises(EngineGone, match=r"^The line to box was lost: client_loop: .* pipe\.$"):
            await Engine(place).start()


def start_engine(*options: str) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "attntui.engine", *options],
        stdin=pipe,
        stdout=pipe,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_an_engine_that_hears_nothing_ends() -> None:
    engine = start_engine("--silence", "0.5")
    try:
        assert engine.wait(30) == 0, "its input is open and silent"
    finally:
        engine.kill()


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real sshd on loopback, key login; gives its folder."""
    if SSHD is None:
        pytest.skip("there is no sshd on this machine")
    folder = tmp_path / "sshd"
    (folder / "bin").mkdir(parents=True)
    Path("/run/sshd").mkdir(exist_ok=True) if os.geteuid() == 0 else None
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name])
    (folder / "user.pub").rename(folder / "authorized")
    port = 20000 + os.getpid() % 20000
    options = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PidFile": folder / "pid",
        "StrictModes": "no",
        "UsePAM": "no",
    }
    (folder / "sshd_config").write_text("".join(f"{k} {v}\n" for k, v in options.items()))
    (folder / "config").write_text(
        f"Host box\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {folder}/user\n"
        f"  UserKnownHostsFile {folder}/known\n  StrictHostKeyChecking accept-new\n"
    )
    ssh = shutil.which("ssh")
    script(folder / "bin" / "ssh", f'#!/bin/sh\nexec {ssh} -F {folder}/config "$@"\n')
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    daemon = subprocess.Popen([SSHD, "-D", "-f", folder / "sshd_config", "-E", folder / "log"])
    for _ in range(100):
        if (folder / "pid").exists() or daemon.poll() is not None:
            break
        time.sleep(0.05)
    if daemon.poll() is not None:
        pytest.skip("sshd does not start on this machine")
    yield folder
    daemon.terminate()
    daemon.wait()


def sessions() -> list[int]:
    """The far ends of ssh sessions without a terminal."""
    done = subprocess.run(["pgrep", "-f", "^sshd: .*@notty"], capture_output=True, text=True)
    return [int(line) for line in done.stdout.split()]


async def test_over_a_real_line_the_numbers_are_the_same(
    box: Path, program: Path, tmp_path: Path
) -> None:
    before = set(sessions())
    options = ModelOptions(model="demo", device="cpu", offline=True)

    async def weights(engine: Engine) -> np.ndarray:
        await load(engine, options)
        run = await trace(engine, 1, PROMPT)
        size = len(run.sides[0].tokens)
        rows = matrix_rows(engine, 1, Head("self", 1, 2), (size, size))
        return np.concatenate([each.weights async for each in rows])

    async with Engine() as here:
        expected = await weights(here)
    with connected("box", str(program)) as place:
        engine = Engine(place)
        await engine.start()
        np.testing.assert_allclose(await weights(engine), expected, atol=1e-5)
        lost: asyncio.Future[EngineGone] = asyncio.get_running_loop().create_future()
        engine.on_exit = lost.set_result
        for pid in set(sessions()) - before:
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            assert str(await lost).startswith("The line to box was lost")
        await engine.start()
        np.testing.assert_allclose(await weights(engine), expected, atol=1e-5)  # another line
        far = engine._child._process.pid
        await engine.stop()
        assert not runs(far)
    for _ in range(100):
        if not set(sessions()) - before:
            break
        await asyncio.sleep(0.05)
    assert not set(sessions()) - before, "no session is left at the far end"
