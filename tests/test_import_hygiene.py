"""What importing each part loads: the static contracts of pyproject.toml, seen at run time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import attntui

PACKAGE = Path(attntui.__file__).parent
HEAVY = ("torch", "transformers")
SCREEN = ("textual", "rich")


def modules_of(*parts: str) -> list[str]:
    """The names of all modules below the given subpackages."""
    return [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for part in parts
        for path in sorted((PACKAGE / part).rglob("*.py"))
        if path.name != "__main__.py"
    ]


def loaded_by(program: str) -> set[str]:
    """The modules that a Python has loaded after `program`."""
    report = "; import sys, json; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program + report],
        capture_output=True,
        text=True,
        cwd=PACKAGE.parent,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def packages_loaded_by(program: str) -> set[str]:
    """The top-level modules among them."""
    return {name.partition(".")[0] for name in loaded_by(program)}


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        ("import attntui", (*HEAVY, *SCREEN, "numpy", "typer", "asyncio")),
        ("import attntui; attntui.load, attntui.view, attntui.given", (*HEAVY, *SCREEN, "typer")),
        ("import attntui.cli", (*HEAVY, *SCREEN, "numpy", "typer", "asyncio")),
        (
            "from attntui.cli.run import run; run(['--help'])",
            (*HEAVY, *SCREEN, "numpy", "huggingface_hub", "asyncio"),
        ),
        (
            "from attntui.cli.run import run; run(['--version'])",
            (*HEAVY, *SCREEN, "numpy", "huggingface_hub", "asyncio"),
        ),
        (
            "from attntui.cli.run import run; run(['export', '--help'])",
            (*HEAVY, *SCREEN, "numpy", "huggingface_hub"),
        ),
        ("from attntui.cli.run import run; run(['models'])", (*HEAVY, "textual")),
        # The first paint waits for none of these.
        ("import attntui.ui.app", (*HEAVY, "numpy", "huggingface_hub", "matplotlib")),
        ("import attntui.engine.server", (*HEAVY, *SCREEN)),
        ("import attntui.engine.session", SCREEN),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(program: str, absent: tuple[str, ...]) -> None:
    assert not packages_loaded_by(program) & set(absent)


@pytest.mark.parametrize(
    ("parts", "absent"),
    [
        (("core",), (*HEAVY, *SCREEN, "typer", "asyncio")),
        (("client",), (*HEAVY, *SCREEN, "typer")),
        (("render",), (*HEAVY, "textual", "typer")),
        (("ui",), (*HEAVY, "typer")),
        (("api",), (*HEAVY, *SCREEN, "typer")),
        (("cli",), HEAVY),
    ],
)
def test_no_module_of_a_part_loads_what_is_not_its_business(
    parts: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    names = modules_of(*parts)
    assert names
    program = f"import importlib; [importlib.import_module(n) for n in {names!r}]"
    assert not packages_loaded_by(program) & set(absent)


def test_pages_and_windows_wait_until_they_are_opened() -> None:
    first = loaded_by("import attntui.ui.app")
    later = ["lines_view", "text_view", "maps_page", "neuron_view"]
    assert not first & {f"attntui.ui.widgets.{name}" for name in later}
    later = ["windows", "menu", "model_picker", "rollout_window"]
    assert not first & {f"attntui.ui.screens.{name}" for name in later}
    assert set(modules_of("ui/widgets", "ui/screens")) & first


def test_the_screen_does_not_wait_for_other_commands() -> None:
    loaded = loaded_by(
        "import gc; from attntui.cli.run import run; run(['-m', 'demo', '-p', 'show it'])"
        "; assert gc.isenabled()"
    )
    assert "attntui.cli.opening" in loaded and "attntui.cli.app" not in loaded
