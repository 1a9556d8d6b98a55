"""Where the engine runs, from the command line; the way over ssh is in tests/client/test_ssh.py."""

import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import PROMPT, Command

GIVEN = ("-p", PROMPT, "--device", "cpu", "--offline", "--layer", "1", "--head", "2")


def test_a_command_starts_the_engine(
    attntui: Command, gpt2: Path, warm_engine: tuple[str, ...], tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    command = ["sh", "-c", f'echo here > {asked}; exec "$@"', "sh", *warm_engine]
    there = attntui("show", "-m", str(gpt2), *GIVEN, "--engine-command", shlex.join(command))
    assert there.returncode == 0, there.stderr
    assert asked.read_text() == "here\n"
    assert there.stdout == attntui("show", "-m", str(gpt2), *GIVEN).stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--engine-command", ""), "--engine-command is empty."),
        (("--engine-command", "'a"), "--engine-command cannot be read: No closing quotation."),
        (("--ssh-program", "x"), "--ssh-program needs --ssh HOST."),
        (("--ssh", "x", "--engine-command", "x"), "are two ways to one engine: give one."),
        (("--ssh", "-v"), "'-v' is no host."),
        (("--parallel", "tensor"), "--parallel says how the model is split: it needs --ranks N."),
        (("--ranks", "2", "--engine-command", "x"), "by a torchrun of its own: leave out --ranks."),
    ],
)
def test_no_way_there_is_a_sentence(attntui: Command, options: tuple[str, ...], said: str) -> None:
    done = attntui("show", "-p", "x", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/nowhere/attntui engine", "could not be started: /nowhere/attntui: No such file"),
        (
            "echo Welcome to the cluster, dear user",
            "what arrived is not an attntui engine's answer",
        ),
        ("sh -c 'echo no such partition >&2; exit 3'", "its last words: no such partition"),
    ],
)
def test_what_is_no_engine_is_said(attntui: Command, command: str, said: str) -> None:
    done = attntui("show", "-p", "x", "--engine-command", command)
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
