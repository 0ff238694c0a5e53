"""A configuration file on disk: read, backed up beside itself, and replaced in one step."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mcp_instantly.errors import ConfigError
from mcp_instantly.private_file import replace_file
from mcp_instantly.text import file_fault

BACKUP = ".instantly-backup"
"""What is put behind the name of a file for its backup; a number follows where there is one already."""

MAX_BYTES = 20_000_000
"""Of a configuration file; the one of Claude Code, which holds histories too, may have some megabytes."""


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is in here with the same folder, where the system can tell."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            opened = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, opened)
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def read(file: Path) -> str | None:
    """The text of a file, with its line ends and its mark; None when there is no file. Raises ConfigError."""
    try:
        if not file.exists():
            return None
        if not file.is_file():
            raise ConfigError(f"{file} is not a file.")
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file} is too long for a configuration file.")
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not a text file in UTF-8 (byte {error.start + 1}); save it as one.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {file_fault(error)}.") from None


def check_writable(file: Path) -> None:
    """Raise ConfigError for a file that its owner has closed to writing; replacing it would not ask."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {file_fault(error)}.") from None
    if not mode & stat.S_IWUSR:
        raise ConfigError(f"{file} is read-only; make it writable for its owner, then try again. Nothing was written.")


def replace(file: Path, text: str) -> None:
    """Write the text in the place of the file, all of it or nothing; what a link points to is written, its mode kept.

    Raises ConfigError.
    """
    target = file.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, text, lambda new: _take_mode(new, target))
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {file_fault(error)}. It is as it was.") from None


def _take_mode(draft: Path, target: Path) -> None:
    """Give a new file the rights and the owner of the one that it replaces, or those that a new file gets."""
    try:
        old = target.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o666 & ~mask)
        return
    draft.chmod(stat.S_IMODE(old.st_mode))
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(draft, old.st_uid, old.st_gid)


def back_up(file: Path, text: str) -> Path:
    """Keep the text of a file beside it, with its rights, and say where. Raises ConfigError."""
    target = file.resolve()
    for backup in _names(target):
        if not backup.exists():
            break
        with contextlib.suppress(ConfigError):
            if read(backup) == text:
                return backup
    replace(backup, text)
    with contextlib.suppress(OSError):
        backup.chmod(stat.S_IMODE(target.stat().st_mode))
    return backup


def backups(file: Path) -> Iterator[tuple[Path, str]]:
    """The backups that are there with their texts, the oldest first."""
    for backup in _names(file.resolve()):
        if not backup.exists():
            return
        with contextlib.suppress(ConfigError):
            text = read(backup)
            if text is not None:
                yield backup, text


def _names(target: Path) -> Iterator[Path]:
    yield target.with_name(target.name + BACKUP)
    number = 2
    while True:
        yield target.with_name(f"{target.name}{BACKUP}-{number}")
        number += 1


def delete(file: Path) -> None:
    """Delete a file. Raises ConfigError."""
    try:
        file.resolve().unlink()
    except OSError as error:
        raise ConfigError(f"{file} cannot be deleted: {file_fault(error)}.") from None
