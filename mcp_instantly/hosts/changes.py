"""A change of a host's file: what it would be, shown, agreed to and written; and what the file was before."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mcp_instantly.errors import ConfigError
from mcp_instantly.hosts import entries, files
from mcp_instantly.hosts.broken import BrokenText
from mcp_instantly.hosts.differences import diff_of, hidden
from mcp_instantly.hosts.known import Host, is_ours, this_machine


@dataclasses.dataclass(frozen=True)
class Place:
    """A file of a host, and its text as it is now (None: there is no file). `folder` has it somewhere below."""

    host: Host
    file: Path
    before: str | None
    folder: Path

    def find(self, name: str) -> Any:
        return self.read(lambda: entries.find(self.host, self.before or "", name))

    def read(self, work: Callable[[], Any]) -> Any:
        """What `work` makes of the text; what is wrong with it as a ConfigError that says where."""
        try:
            return work()
        except BrokenText as error:
            raise ConfigError(
                f"{self.file} cannot be changed: line {error.line}, column {error.column}: {error.reason}. "
                "Nothing was written."
            ) from None


def open_place(host: Host, scope: str, *, alone: bool) -> Place:
    """The place where a host has its entries; with `alone`, others who change it wait until this command has ended."""
    machine = this_machine()
    folder = machine.home if scope == "user" else Path.cwd()
    if scope == "user":
        file = host.user_file(machine)
    elif host.project_file is None:
        raise ConfigError(f"{host.title} has no configuration per project; leave out --scope project.")
    else:
        file = folder / host.project_file
    if alone:
        click.get_current_context().with_resource(files.alone(folder))
    return Place(host, file, files.read(file), folder)


def check_ours(place: Place, name: str, entry: Any) -> None:
    if not is_ours(entry):
        raise ConfigError(
            f"{place.file} has a server {name} that is not this one. Give this one another name with --name, or rename "
            "that one. Nothing was written."
        )


@dataclasses.dataclass(frozen=True)
class Former:
    """What a file was before the entry came (None: there was none), and the backups that then are needed no more."""

    text: str | None
    unneeded: list[Path]


def former_of(place: Place, name: str, entry: dict[str, Any]) -> Former | None:
    """What a file was before, or None when something else in it has changed since."""
    kept = list(files.backups(place.file))
    for text in [*(text for _, text in kept), None]:
        if _leads_to(place, text, name, entry, place.before):
            unneeded = [
                backup
                for backup, other in kept
                if other == text or _leads_to(place, text, name, _entry_in(place, other, name), other)
            ]
            return Former(text, unneeded)
    return None


def _entry_in(place: Place, text: str, name: str) -> Any:
    try:
        return entries.find(place.host, text, name)
    except BrokenText:
        return None


def _leads_to(place: Place, text: str | None, name: str, entry: Any, wanted: str | None) -> bool:
    """Whether a text without the entry, with the entry put in, is the one that is wanted."""
    try:
        return (
            isinstance(entry, dict)
            and entries.find(place.host, text or "", name) is None
            and entries.put(place.host, text or "", name, entry) == wanted
        )
    except BrokenText:
        return False


def change(
    place: Place,
    after: str | None,
    *,
    added: dict[str, Any] | None,
    name: str,
    dry_run: bool,
    yes: bool,
    keep_backup: bool = True,
) -> None:
    """Show the change, ask, and write it, or delete the file when `after` is None. Exits with 1 when told not to."""
    files.check_writable(place.file)
    shown = diff_of(str(place.file), place.before, after)
    if shown is None:
        what = hidden(json.dumps(added, indent=2, ensure_ascii=False)) if added else "(taken out)"
        shown = f"{place.file} has lines too long to show. In {place.host.container}, {name}: {what}"
    print(shown)
    if dry_run:
        print("Nothing was written.")
        return
    if not yes:
        _ask(f"Write this to {place.file}?" if after is not None else f"Delete {place.file}?")
    # While somebody is asked, nobody else waits.
    with contextlib.nullcontext() if yes else files.alone(place.folder):
        if files.read(place.file) != place.before:
            raise ConfigError(f"{place.file} has changed in the meantime; run this again. Nothing was written.")
        if after is None:
            files.delete(place.file)
            print(f"Deleted {place.file}, which had nothing else in it.")
            return
        backup = files.back_up(place.file, place.before) if place.before is not None and keep_backup else None
        files.replace(place.file, after)
    print(f"Wrote {place.file}." + (f" What it was before is in {backup}." if backup else ""))


def _ask(question: str) -> None:
    try:
        agreed = click.confirm(question)
    except click.Abort:
        print()
        raise ConfigError("Nobody answered; add --yes to write without asking. Nothing was written.") from None
    if not agreed:
        print("mcp-instantly: Nothing was written.", file=sys.stderr)
        sys.exit(1)
