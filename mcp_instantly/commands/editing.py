"""A text that a person changes in their editor: what they wrote is never lost."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from mcp_instantly.errors import ConfigError, InstantlyError
from mcp_instantly.text import file_fault


@contextlib.contextmanager
def edited(text: str, name: str) -> Iterator[str | None]:
    """The text as a person left it, None where they left it as it was.

    What ends the context with an error leaves what was written in a file of this name, which only its owner reads, and
    says where. Raises ConfigError, also in the place of an InstantlyError within.
    """
    # Some editors put the text under a new name, so the folder is ours and not the file alone.
    folder = Path(tempfile.mkdtemp(prefix="mcp-instantly-"))
    file = folder / name
    kept = False
    try:
        file.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
        before = file.read_bytes()
        try:
            _open_editor(file)
            yield _read(file, before)
        except BaseException as error:
            kept = _is_written(file, before)
            if kept:
                _say_where(file, error)
            raise
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


def _open_editor(file: Path) -> None:
    try:
        click.edit(filename=str(file))
    except click.ClickException as error:
        raise ConfigError(f"{error.format_message().rstrip('.')}. Nothing was changed.") from None
    except ValueError as error:
        raise ConfigError(f"EDITOR (or VISUAL) is not a command: {error}. Nothing was changed.") from None


def _read(file: Path, before: bytes) -> str | None:
    try:
        written = file.read_bytes()
        return None if written == before else written.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise ConfigError("Nothing was changed: the editor saved no text in UTF-8; have it save as UTF-8.") from None
    except OSError as error:
        raise ConfigError(
            f"Nothing was changed: the editor left no file that can be read ({file_fault(error)})."
        ) from None


def _is_written(file: Path, before: bytes) -> bool:
    """Whether a person's work would go with the file."""
    try:
        written = file.read_bytes()
    except OSError:
        # What cannot be read may still be theirs; what they put under another name is.
        return any(file.parent.iterdir())
    return written != before and bool(written.strip())


def _say_where(file: Path, error: BaseException) -> None:
    """Say where the text is, in the error where that is one line for a person."""
    said = f"What you wrote is in {file if file.exists() else file.parent}."
    if isinstance(error, InstantlyError):
        raise ConfigError(f"{error} {said}") from None
    print(f"mcp-instantly: {said}", file=sys.stderr)
