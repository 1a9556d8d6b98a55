"""The user's config file: defaults, own keys, and one sentence where it is not understood."""

from pathlib import Path

import pytest
import typer

from attntui.cli.app import app
from attntui.cli.config import COMMANDS, RUNNING, Config, defaults, read_config
from attntui.core.errors import UserError
from attntui.ui.key_names import key_names, shown
from attntui.ui.keys import KEYS
from attntui.ui.own_keys import remapped
from tests.cli.conftest import Command


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "attntui" / "config.toml"
    path.parent.mkdir()
    return path


def test_no_file_changes_nothing(config_file: Path) -> None:
    assert read_config() == Config()
    assert defaults(Config()) == {command: {} for command in RUNNING}
    assert {"ablate", "compare", "distance", "export", "logit-lens", "order", "show"} < set(RUNNING)


def test_all_commands_are_known() -> None:
    assert set(COMMANDS) == set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_every_setting_is_a_default(config_file: Path) -> None:
    config_file.write_text('model = "gpt2"\ntheme = "light"\nmouse = false\n[keys]\n"a" = "b"\n')
    found = defaults(read_config())
    assert found["model"] == found["export"]["model"] == "gpt2"
    assert found["theme"] == "light" and found["no_mouse"] is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = 3", "Expected `str"),
        ("colour = 'red'", "colour"),
        ("model = ", "Invalid value"),
        ("theme = 'pink'", "Invalid enum value"),
    ],
)
def test_what_is_not_understood_is_named(config_file: Path, text: str, words: str) -> None:
    config_file.write_text(text)
    with pytest.raises(UserError, match=r"config\.toml is not understood") as caught:
        read_config()
    assert words in str(caught.value)


def test_own_keys() -> None:
    table = {key.id: key for key in remapped({"look.words": "J"})}
    assert table["look.words"].keys == table["look.words"].show == "J"
    assert len(table) == len(KEYS)
    with pytest.raises(UserError, match=r"Did you mean look\.words\?"):
        remapped({"look.word": "J"})


@pytest.mark.parametrize(
    ("written", "keys", "show"),
    [
        ("Ctrl+W", "ctrl+w", "Ctrl+W"),
        ("^w", "ctrl+w", "Ctrl+W"),
        ("Control-w", "ctrl+w", "Ctrl+W"),
        ("J, Alt + Shift + Up", "J,alt+shift+up", "J Alt+⇧↑"),
        ("Shift+j,J", "J", "J"),
        ("ctrl++", "ctrl+plus", "Ctrl++"),
        ("| , vertical_line", "vertical_line", "|"),
        ("F5", "f5", "F5"),
        ("Ctrl+PgUp", "ctrl+pageup", "Ctrl+PgUp"),
        ("é", "é", "é"),
        ("ctrl+space", "ctrl+space,ctrl+@", "Ctrl+Space"),
    ],
)
def test_a_key_is_found_however_it_is_written(written: str, keys: str, show: str) -> None:
    table = {key.id: key for key in remapped({"look.words": written})}
    assert (table["look.words"].keys, table["look.words"].show) == (keys, show)


def test_a_comma_alone_is_a_key() -> None:
    table = {key.id: key for key in remapped({"text.back": ",", "text.on": "J"})}
    assert (table["text.back"].keys, table["text.back"].show) == ("comma", ",")


@pytest.mark.parametrize(
    ("written", "owner"),
    [
        ("q", "program.quit"),
        ("Ctrl+Q", "program.quit"),
        ("space bar", "cell.mark_query"),
        (" ", "cell.mark_query"),
        ("+", "head.choose"),
        ("plus", "head.choose"),
        ("Shift+Up", "head.up"),
        ("?", "program.help"),
        ("Page Up", "cell.page_up"),
        ("Esc", "program.leave"),
        ("Shift+n", "cell.previous"),
        ("less than sign", "look.threshold_down"),
        ("^i", "program.next"),
    ],
)
def test_a_key_that_is_taken_is_refused_however_it_is_written(written: str, owner: str) -> None:
    with pytest.raises(UserError, match=rf"to (look\.words and {owner}|{owner} and look\.words) "):
        remapped({"look.words": written})


def test_ctrl_q_always_quits() -> None:
    with pytest.raises(UserError, match=r"gives Ctrl\+Q to look\.words and program\.quit"):
        remapped({"program.quit": "x", "look.words": "ctrl+q"})


@pytest.mark.parametrize("written", ["", "spacebra", "ctrl", "ctrl+", "W,", "shift+/", "f25", "\a"])
def test_what_is_no_key_is_refused(written: str) -> None:
    with pytest.raises(UserError, match=r"gives look\.words the key .* which is none: write it"):
        remapped({"look.words": written})


def test_the_table_is_written_as_textual_names_keys() -> None:
    for key in KEYS:
        for name in key.keys.split(","):
            assert [*key_names(name)] == [name]
        assert shown(key.keys.split(",")[0]) == key.show.split()[0]


def test_commands_obey_it(attntui: Command, environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "config" / "attntui"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('model = "no/such-model"')
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    result = attntui("export", "-p", "a", "-o", "a.csv", **home)
    assert result.returncode == 2 and "no/such-model" in result.stderr
    (folder / "config.toml").write_text('[keys]\n"look.words" = "spacebra"')
    result = attntui("doctor", **home)
    assert result.returncode == 2 and 'the key "spacebra", which is none' in result.stdout
    (folder / "config.toml").write_text("nonsense")
    result = attntui("export", "-p", "a", "-o", "a.csv", **home)
    assert result.returncode == 2 and "config.toml is not understood" in result.stderr
    result = attntui("doctor", **home)
    assert result.returncode == 2 and "not understood" in result.stdout


def test_keys_are_listed_by_the_names_that_the_file_has(
    config_file: Path, attntui: Command, tmp_path: Path
) -> None:
    config_file.write_text('[keys]\n"look.words" = "ctrl+w"\n')
    done = attntui("keys", XDG_CONFIG_HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    listed = dict(line.split()[:2][::-1] for line in done.stdout.splitlines() if "look.w" in line)
    assert listed == {"look.words": "Ctrl+W"}
    assert {key.id for key in KEYS} <= set(done.stdout.split())
    config_file.write_text('[keys]\n"look.word" = "w"\n')
    done = attntui("keys", XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 2 and "Did you mean look.words?" in done.stderr


def test_no_option_is_named_as_a_command() -> None:
    """Defaults of both are found by name: a command's would be taken for the option's value."""
    found = typer.main.get_command(app)
    assert not {each.name for each in found.params} & set(found.commands)  # type: ignore[attr-defined]
