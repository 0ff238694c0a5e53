"""Files that nobody but their owner reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from mcp_instantly.errors import ConfigError

MODE = 0o600


def data_folder() -> Path:
    """Where a user's programs keep what they must remember. Raises ConfigError for a user without a home folder."""
    from platformdirs import user_data_path

    try:
        return user_data_path("mcp-instantly", appauthor=False)
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"There is no folder for the data of this user: {error}.") from None


def make_private(path: Path) -> None:
    """Make a file, with its folders, unless it is there; keep others from one that they could read. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))
    if os.name == "posix" and path.is_file() and path.stat().st_mode & 0o077:
        path.chmod(MODE)


def replace_file(file: Path, text: str, finish: Callable[[Path], None] = lambda _: None) -> None:
    """Write a text in the place of a file, all of it or nothing.

    It is for its owner alone, unless `finish`, which is given the new file before it takes its place, says otherwise.
    Raises OSError.
    """
    import tempfile

    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with open(descriptor, "wb") as new:
            new.write(text.encode("utf-8"))
            new.flush()
            os.fsync(new.fileno())
        finish(Path(name))
        os.replace(name, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
