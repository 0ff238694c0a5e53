"""Commands that write this server into the configuration of a host, and take it out again.

What they need is imported where they run: the server starts without it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from mcp_instantly.commands.handover import selection_arguments
from mcp_instantly.commands.options import options, sandbox_option, selection_options
from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.preview import with_preview
from mcp_instantly.hosts.names import HOST_NAMES
from mcp_instantly.settings import SERVER_NAME, absolute
from mcp_instantly.startup import allowed_folders, make_selection

NAME = re.compile(r"[A-Za-z0-9_-]{1,20}")
"""Names that every host takes, and that leave room for those of tools: some hosts count both together."""


common = options(
    click.argument("host", metavar="HOST", type=click.Choice(HOST_NAMES)),
    click.option(
        "--scope",
        type=click.Choice(["user", "project"]),
        default="user",
        show_default=True,
        help="Your own configuration of the host, or that of the project in this folder.",
    ),
    click.option(
        "--name", default=SERVER_NAME, show_default=True, help="Name of the server, where one host has several."
    ),
    click.option("--dry-run", is_flag=True, help="Show the change, and write nothing."),
    click.option("--yes", is_flag=True, help="Do not ask."),
)


@click.command()
@common
@click.option("--uvx", is_flag=True, help="Have the host start `uvx mcp-instantly`, not this installation.")
@sandbox_option
@selection_options
def install(host: str, scope: str, name: str, dry_run: bool, yes: bool, uvx: bool, **options: Any) -> None:
    """Write this server into the configuration of HOST, after showing the change.

    HOST is claude-desktop, claude-code, cursor, vscode, windsurf, gemini-cli, codex or goose.

    The file is found, backed up beside itself and changed in this one place. The key never goes into it: set
    INSTANTLY_API_KEY_FILE, and the entry names that file.
    """
    from mcp_instantly.hosts import entries
    from mcp_instantly.hosts.advice import hints
    from mcp_instantly.hosts.changes import change, check_ours, former_of, open_place
    from mcp_instantly.hosts.known import HOSTS, UVX, make_entry, updated

    if not NAME.fullmatch(name):
        raise ConfigError("--name takes up to 20 letters, digits, - and _.")
    allowed_folders(options["files"])
    known = HOSTS[host]
    chosen = _count_listed(options)
    if known.max_tools and chosen > known.max_tools and not (options["toolsets"] or options["tools"]):
        options["toolsets"] = ("core",)
        chosen = _count_listed(options)
    place = open_place(known, scope, alone=yes)
    key_file = _key_file()
    new = make_entry(
        known,
        name,
        [*([UVX, "mcp-instantly"] if uvx else _this_command()), "serve", *selection_arguments(options)],
        key_file=key_file,
        sandbox=options["sandbox"],
    )
    old = place.find(name)
    if old is not None:
        check_ours(place, name, old)
        new = updated(old, new)
    if old == new:
        print(f"{name} is already there, in {place.file}.")
        return
    # An update begins with what was there before the entry, where that is known: then it can be taken back as well.
    former = former_of(place, name, old) if old is not None else None
    begun = (former.text if former else place.before) or ""
    after = place.read(lambda: entries.put(known, begun, name, new))
    change(place, after, added=new, name=name, dry_run=dry_run, yes=yes)
    if not dry_run:
        print(f"Restart {known.title}, or have it read its servers again.")
    for hint in hints(known, scope, new, key_file, chosen, sandbox=options["sandbox"]):
        print(hint)


@click.command()
@common
def uninstall(host: str, scope: str, name: str, dry_run: bool, yes: bool) -> None:
    """Take this server out of the configuration of HOST, after showing the change.

    A file in which nothing else has changed becomes what it was before, to the byte.
    """
    from mcp_instantly.hosts import entries, files
    from mcp_instantly.hosts.changes import change, check_ours, former_of, open_place
    from mcp_instantly.hosts.known import HOSTS

    known = HOSTS[host]
    place = open_place(known, scope, alone=yes)
    old = place.find(name)
    if old is None:
        print(f"There is no {name} in {place.file}.")
        return
    check_ours(place, name, old)
    former = former_of(place, name, old)
    if former is not None:
        after = former.text
    else:
        after = place.read(lambda: entries.take_out(known, place.before or "", name))
    change(place, after, added=None, name=name, dry_run=dry_run, yes=yes, keep_backup=former is None)
    if former is not None and not dry_run:
        for backup in former.unneeded:
            files.delete(backup)


def _count_listed(options: dict[str, Any]) -> int:
    """How many tools the server lists with these options."""
    return len(with_preview(make_selection(options), tokens=False).tools)


def _key_file() -> Path | None:
    """The file that INSTANTLY_API_KEY_FILE names, as a path that holds in every folder."""
    from mcp_instantly.hosts.known import KEY_FILE

    name = os.environ.get(KEY_FILE)
    return absolute(Path(name), KEY_FILE) if name else None


def _this_command() -> list[str]:
    """The command of this installation, by its absolute path."""
    if re.search(r"[/\\]uv[/\\](?:cache[/\\])?archive-v\d+[/\\]", sys.prefix):
        raise ConfigError("This installation of uvx does not last; add --uvx, so that the host starts uvx itself.")
    script = shutil.which("mcp-instantly", path=str(Path(sys.executable).parent))
    return [os.path.abspath(script)] if script else [sys.executable, "-m", "mcp_instantly"]
