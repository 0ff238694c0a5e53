"""The folders whose files may be read and written: what the operator named with --files, and nothing beside them."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.text import shorten

MAX_LISTED_FILES = 1_000
"""Files that a listing of the folders looks at."""

NONE_ALLOWED = (
    "No file may be read or written: this server was started without --files. The operator allows a folder with "
    "--files DIR."
)


class Folders:
    """Allowed folders, and paths that are checked against them. None at all allow nothing.

    A path is resolved first, links and `..` included, and must then lie below an allowed folder; a relative one is
    looked up in each folder, the first that has it. What is checked may change before it is opened: an allowed folder
    is one in which nobody plants links against its owner.
    """

    def __init__(self, paths: Sequence[str | Path] = ()):
        self.paths = tuple(dict.fromkeys(_folder(Path(path)) for path in paths))

    def readable(self, path: str | Path) -> Path:
        """The resolved path of a file that may be read. Raises CallError."""
        found = self._resolve(path)
        if not _exists(found):
            raise CallError(f"There is no file {_said(path)} in {self._named()}.")
        if not stat.S_ISREG(found.stat().st_mode):
            raise CallError(f"{_said(path)} is not a regular file (it is a folder, device or pipe).")
        if not os.access(found, os.R_OK):
            raise CallError(f"{_said(path)} may not be read by the user that this server runs as.")
        return found

    def writable(self, path: str | Path, *, resumed: bool = False) -> Path:
        """The resolved path of a file that may be written: a new one, unless it is `resumed`. Raises CallError."""
        found = self._resolve(path)
        there = _exists(found)
        if there and not stat.S_ISREG(found.stat().st_mode):
            raise CallError(f"{_said(path)} is not a regular file (it is a folder, device or pipe).")
        if there and not resumed:
            raise CallError(f"{_said(path)} exists already, and no file is overwritten: choose another name.")
        if not found.parent.is_dir():
            raise CallError(f"There is no folder {_said(found.parent)}: make it first, or choose another.")
        if not os.access(found.parent, os.W_OK):
            raise CallError(f"The folder of {_said(path)} may not be written by the user that this server runs as.")
        return found

    def covers(self, path: str | Path) -> bool:
        """Whether a path lies below an allowed folder."""
        try:
            self._resolve(path)
        except CallError:
            return False
        return True

    def files(self) -> Iterator[Path]:
        """Readable files below the folders, by name, at most MAX_LISTED_FILES; none that is hidden or linked from
        elsewhere."""
        for path in itertools.islice(self._walked(), MAX_LISTED_FILES):
            with contextlib.suppress(CallError):
                yield self.readable(path)

    def has_more(self) -> bool:
        """Whether there are more files than `files` looks at."""
        return any(True for _ in itertools.islice(self._walked(), MAX_LISTED_FILES, None))

    def _walked(self) -> Iterator[Path]:
        for folder in self.paths:
            for parent, folders, names in os.walk(folder):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                yield from (Path(parent) / name for name in sorted(names) if not name.startswith("."))

    def _resolve(self, path: str | Path) -> Path:
        if not self.paths:
            raise CallError(NONE_ALLOWED)
        text = os.fspath(path)
        if not text.strip() or "\0" in text:
            raise CallError("The path of a file is empty or holds a NUL character: name a file.")
        try:
            candidates = [(folder / Path(text).expanduser()).resolve() for folder in self.paths]
        except (OSError, RuntimeError, ValueError):
            candidates = []
        # A link that is left after all were followed goes in a circle.
        if not candidates or any(map(os.path.islink, candidates)):
            raise CallError(f"{_said(path)} cannot be followed to a file: its links go in a circle.")
        allowed = [found for found in candidates if self._holds(found)]
        if not allowed:
            raise CallError(f"{_said(path)} lies outside the folders that the operator allows: {self._named()}.")
        return next((found for found in allowed if _exists(found)), allowed[0])

    def _holds(self, path: Path) -> bool:
        return any(folder in path.parents for folder in self.paths)

    def _named(self) -> str:
        return ", ".join(map(str, self.paths))


def _folder(path: Path) -> Path:
    """Raises ConfigError for what is not a folder."""
    try:
        found = path.expanduser().resolve(strict=True)
    except (OSError, RuntimeError):
        raise ConfigError(f"--files names {path}, which does not exist; make the folder first.") from None
    if not found.is_dir():
        raise ConfigError(f"--files names {path}, which is not a folder; name the folder that holds the files.")
    return found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # Longer than the file system takes.
        return False


def _said(path: str | Path) -> str:
    return shorten(os.fspath(path), 200)
