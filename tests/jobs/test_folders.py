"""Files are read and written below the folders that the operator allows, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.jobs.folders import Folders


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "leads.csv").write_text("email\n")
    (tmp_path / "secret.csv").write_text("email\n")
    return folder


def test_a_file_is_found_by_its_whole_path_and_by_its_name(allowed: Path) -> None:
    folders = Folders([allowed])
    assert folders.readable("leads.csv") == folders.readable(allowed / "leads.csv") == allowed / "leads.csv"
    assert folders.readable("sub/../leads.csv") == allowed / "leads.csv"


def test_of_several_folders_the_one_that_has_the_file_is_read(allowed: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    assert Folders([tmp_path / "first", allowed]).readable("leads.csv") == allowed / "leads.csv"


def test_no_folder_allows_nothing() -> None:
    with pytest.raises(CallError, match="started without --files"):
        Folders().readable("/etc/hostname")
    with pytest.raises(CallError, match="started without --files"):
        Folders().writable("new.csv")
    assert list(Folders().files()) == []


@pytest.mark.parametrize("path", ["../secret.csv", "/etc/passwd", "~/x.csv", "sub/../../secret.csv", "..", "."])
def test_what_lies_outside_is_neither_read_nor_written(allowed: Path, path: str) -> None:
    for ask in (Folders([allowed]).readable, Folders([allowed]).writable):
        with pytest.raises(CallError, match="outside the folders"):
            ask(path)


def test_a_link_is_followed_before_it_is_judged(allowed: Path, tmp_path: Path) -> None:
    (allowed / "out.csv").symlink_to(tmp_path / "secret.csv")
    (allowed / "folder").symlink_to(tmp_path)
    (allowed / "in.csv").symlink_to(allowed / "leads.csv")
    (allowed / "circle.csv").symlink_to(allowed / "circle.csv")
    folders = Folders([allowed])
    for path in ("out.csv", "folder/secret.csv"):
        with pytest.raises(CallError, match="outside the folders"):
            folders.readable(path)
        with pytest.raises(CallError, match="outside the folders"):
            folders.writable(path, resumed=True)
    with pytest.raises(CallError, match=r"folder/new\.csv lies outside"):
        folders.writable("folder/new.csv")
    with pytest.raises(CallError, match=r"circle\.csv"):
        folders.readable("circle.csv")
    assert folders.readable("in.csv") == allowed / "leads.csv"
    assert list(folders.files()) == [allowed / "leads.csv", allowed / "leads.csv"]


def test_a_folder_that_is_named_through_a_link_is_the_folder_itself(allowed: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(allowed)
    assert Folders([tmp_path / "link", allowed]).paths == (allowed,)


def test_neighbours_with_the_same_beginning_are_outside(allowed: Path, tmp_path: Path) -> None:
    (tmp_path / "allowed-not").mkdir()
    (tmp_path / "allowed-not" / "x.csv").write_text("")
    with pytest.raises(CallError, match="outside"):
        Folders([allowed]).readable(tmp_path / "allowed-not" / "x.csv")


def test_only_files_with_contents_are_taken(allowed: Path) -> None:
    os.mkfifo(allowed / "pipe.csv")
    (allowed / "folder.csv").mkdir()
    for name in ("pipe.csv", "folder.csv"):
        with pytest.raises(CallError, match="not a regular file"):
            Folders([allowed]).readable(name)
        with pytest.raises(CallError, match="not a regular file"):
            Folders([allowed]).writable(name, resumed=True)
    with pytest.raises(CallError, match="outside"):
        Folders([allowed]).readable("/dev/zero")
    with pytest.raises(CallError, match="not a regular file"):
        Folders(["/dev"]).readable("/dev/zero")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("none.csv", "There is no file none.csv"),
        ("", "is empty or holds a NUL"),
        ("a\0b", "is empty or holds a NUL"),
        ("x" * 300 + ".csv", "There is no file|cannot be followed"),
    ],
)
def test_a_path_that_names_nothing_is_told_in_a_sentence(allowed: Path, path: str, said: str) -> None:
    with pytest.raises(CallError, match=said):
        Folders([allowed]).readable(path)


def test_nothing_is_overwritten_unless_it_is_resumed(allowed: Path) -> None:
    folders = Folders([allowed])
    assert folders.writable("new.csv") == allowed / "new.csv"
    with pytest.raises(CallError, match="exists already, and no file is overwritten"):
        folders.writable("leads.csv")
    assert folders.writable("leads.csv", resumed=True) == allowed / "leads.csv"
    with pytest.raises(CallError, match="There is no folder"):
        folders.writable("none/new.csv")


def test_a_folder_that_is_not_there_stops_the_start(allowed: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        Folders([allowed / "none"])
    with pytest.raises(ConfigError, match="is not a folder"):
        Folders([allowed / "leads.csv"])
