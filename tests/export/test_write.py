"""Files appear whole or not at all."""

import os
from pathlib import Path

import pytest

from attntui.core.errors import UserError
from attntui.export import space
from attntui.export.space import check_space
from attntui.export.write import whole_file


def write(path: Path, data: bytes = b"new", force: bool = False) -> None:
    with whole_file(str(path), force) as stream:
        stream.write(data)


def test_a_new_file_has_the_usual_rights(tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == b"new"
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o666 & ~mask
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), whole_file(str(tmp_path / "a.csv"), False) as stream:
        stream.write(b"half")
        raise error
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), whole_file(str(tmp_path / "a.csv"), True) as stream:
        stream.write(b"half")
        raise ZeroDivisionError
    assert (tmp_path / "a.csv").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_existing_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with pytest.raises(UserError, match="exists; use --force"):
        write(path)
    assert path.read_bytes() == b"old"
    write(path, force=True)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_that_came_up_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with pytest.raises(UserError, match="exists"), whole_file(str(path), False):
        path.write_bytes(b"somebody else's")
    assert path.read_bytes() == b"somebody else's"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_bytes(b"old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    write(tmp_path / "link.csv", force=True)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing/a.csv", "no folder"),
        ("folder", "is a folder"),
        ("file/a.csv", "Not a directory|no folder"),
        ("pipe", "not a regular file"),
        ("n" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_said_before_any_work(
    tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=sentence), whole_file(str(tmp_path / name), True):
        pytest.fail("the work began")


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder nobody may write to")
def test_a_read_only_folder_is_said() -> None:
    with pytest.raises(UserError, match=r"/sys/kernel/a.csv cannot be written: "):
        write(Path("/sys/kernel/a.csv"))


def test_too_small_a_disk_is_seen_before_it_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 2_000_000})
    monkeypatch.setattr(space.shutil, "disk_usage", lambda folder: usage)
    check_space(str(tmp_path / "a.npz"), 1_999_999)
    with pytest.raises(UserError, match=r"at least 137 GB, and .* has 2.0 MB free"):
        check_space(str(tmp_path / "a.npz"), 137_438_953_472)
